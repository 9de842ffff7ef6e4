//! The way to MongoDB: the connection string checked, our own time limits and write concern, and errors in words that never
//! hold what the string holds.

use std::time::Duration;

use mongodb::bson::{Bson, Document};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{Acknowledgment, ClientOptions, ConnectionString, WriteConcern};
use mongodb::{Client, Database};

use crate::config::SyncConfig;
use crate::crash_points::{self, CrashPoint};

/// To connect, TLS and log-in included, and to find a server that takes writes. A shorter time in the connection string holds.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// For one command, finding the server included. The driver itself would wait for an answer without end.
pub const COMMAND_TIME: Duration = Duration::from_secs(15);
/// The database where neither the configuration nor the connection string names one.
const DATABASE: &str = "kmsignd";
/// Connections to one server: one task writes, and a second connection lets it go on while a dead one is given up.
const CONNECTIONS: u32 = 4;
/// What an operator reads of an error, in characters. The driver's can fill pages.
const MAX_WORDS: usize = 400;

/// Why MongoDB did not do it. No credential and no connection string is in it.
#[derive(Debug, thiserror::Error)]
pub enum MongoError {
    #[error("[sync] mongodb_uri (or the file it is in) {0}")]
    Uri(&'static str),
    #[error("{what}: no answer within {} s", COMMAND_TIME.as_secs())]
    NoAnswer { what: &'static str },
    /// The server refused the command as a whole.
    #[error("{what}: {why}")]
    Refused { what: &'static str, code: i32, why: String },
    /// The server could not be reached, the connection broke, or the log-in failed.
    #[error("{what}: {why}")]
    Unreachable { what: &'static str, why: String },
    #[error("{what}: the answer has no {missing}")]
    Answer { what: &'static str, missing: &'static str },
}

/// Checks the connection string without asking anybody.
pub fn check(config: &SyncConfig) -> Result<(), MongoError> {
    parse(config.mongodb_uri.expose()).map(|_| ())
}

/// The driver's own error may quote the string, so ours only says what to look at.
fn parse(uri: &str) -> Result<ConnectionString, MongoError> {
    if !uri.starts_with("mongodb://") && !uri.starts_with("mongodb+srv://") {
        return Err(MongoError::Uri("must begin with mongodb:// or mongodb+srv://"));
    }
    let mut parsed = ConnectionString::parse(uri).map_err(|_| {
        MongoError::Uri(
            "is no connection string that MongoDB's driver takes: check hosts and options, and that user name and password have \
             each of : / ? # [ ] @ % written as %XX",
        )
    })?;
    #[expect(deprecated, reason = "the driver refuses a string that sets it; our own limit holds")]
    {
        parsed.socket_timeout = None;
    }
    Ok(parsed)
}

/// One collection, and how to reach it.
pub struct Connection {
    database: Database,
    collection: String,
    /// What no error may say.
    hidden: Vec<String>,
}

impl Connection {
    /// Prepares the connection. Only `mongodb+srv://` asks the network for anything yet.
    pub async fn open(config: &SyncConfig) -> Result<Self, MongoError> {
        const WHAT: &str = "looking up MongoDB's servers";
        let uri = config.mongodb_uri.expose();
        let parsed = parse(uri)?;
        let hidden = hidden(uri, &parsed);
        let named = parsed.default_database.clone();
        let looked_up = tokio::time::timeout(COMMAND_TIME, ClientOptions::parse(parsed)).await;
        let mut options =
            looked_up.map_err(|_| MongoError::NoAnswer { what: WHAT })?.map_err(|error| error_of(WHAT, &error, &hidden))?;
        let bounded = |time: Option<Duration>| Some(time.unwrap_or(CONNECT_TIME).min(CONNECT_TIME));
        options.app_name = Some("kmsignd".to_owned());
        options.connect_timeout = bounded(options.connect_timeout);
        options.server_selection_timeout = bounded(options.server_selection_timeout);
        options.max_pool_size = Some(CONNECTIONS);
        options.min_pool_size = None;
        options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
        let client = Client::with_options(options).map_err(|error| error_of(WHAT, &error, &hidden))?;
        let database = config.database.clone().or(named).unwrap_or_else(|| DATABASE.to_owned());
        Ok(Self { database: client.database(&database), collection: config.collection.clone(), hidden })
    }

    pub fn collection(&self) -> &str {
        &self.collection
    }

    /// Runs one command on the primary, within [`COMMAND_TIME`].
    pub async fn run(&self, what: &'static str, command: Document) -> Result<Document, MongoError> {
        self.run_within(COMMAND_TIME, what, command).await
    }

    /// As [`Connection::run`], for what may take its time.
    pub async fn run_within(&self, limit: Duration, what: &'static str, command: Document) -> Result<Document, MongoError> {
        crash_points::reach(CrashPoint::BeforeMongodbCommand);
        let answered = tokio::time::timeout(limit, self.database.run_command(command)).await;
        crash_points::reach(CrashPoint::AfterMongodbCommand);
        match answered {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(error_of(what, &error, &self.hidden)),
            Err(_) => Err(MongoError::NoAnswer { what }),
        }
    }

    /// The documents of a command that answers with its first batch and no more.
    pub async fn documents(&self, what: &'static str, command: Document) -> Result<Vec<Document>, MongoError> {
        let mut answer = self.run(what, command).await?;
        let missing = || MongoError::Answer { what, missing: "cursor.firstBatch" };
        let Some(Bson::Document(mut cursor)) = answer.remove("cursor") else { return Err(missing()) };
        let Some(Bson::Array(batch)) = cursor.remove("firstBatch") else { return Err(missing()) };
        let document = |value| if let Bson::Document(document) = value { Ok(document) } else { Err(missing()) };
        batch.into_iter().map(document).collect()
    }

    /// Takes credentials out of what a server said, and shortens it.
    pub fn clean(&self, words: &str) -> String {
        clean(words, &self.hidden)
    }
}

fn error_of(what: &'static str, error: &Error, hidden: &[String]) -> MongoError {
    let why = clean(&without_labels(&error.kind.to_string()), hidden);
    match &*error.kind {
        ErrorKind::Command(command) => MongoError::Refused { what, code: command.code, why },
        _ => MongoError::Unreachable { what, why },
    }
}

/// The driver's words without the labels of its errors, which come in another order each time: the same trouble must read the same.
fn without_labels(words: &str) -> String {
    let mut parts = words.split(", labels: {");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |so_far, part| so_far + part.split_once('}').map_or("", |(_, rest)| rest))
}

/// User name and password, as they are written and as they are meant.
fn hidden(uri: &str, parsed: &ConnectionString) -> Vec<String> {
    let mut hidden = vec![uri.to_owned()];
    if let Some((user_info, _)) = uri.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')) {
        hidden.push(user_info.to_owned());
        hidden.extend(user_info.splitn(2, ':').map(ToOwned::to_owned));
    }
    if let Some(credential) = &parsed.credential {
        hidden.extend(credential.username.clone());
        hidden.extend(credential.password.clone());
    }
    hidden.retain(|secret| !secret.is_empty());
    // Longest first, or a part of one would be left.
    hidden.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    hidden
}

fn clean(words: &str, hidden: &[String]) -> String {
    let cleaned = hidden.iter().fold(words.to_owned(), |words, secret| words.replace(secret.as_str(), "***"));
    match cleaned.char_indices().nth(MAX_WORDS) {
        Some((end, _)) => format!("{}...", cleaned.get(..end).unwrap_or_default()),
        None => cleaned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_of_a_bad_string_never_shows_it() {
        for uri in [
            "postgres://user:hunter2@db",
            "mongodb://user:hunter2",
            "mongodb://user:hunter2@",
            "mongodb://user:hun/ter2@db",
            "mongodb://user:hunter2@db:hunter2",
            "mongodb://user:hunter2@db/?w=hunter2&nosuchoption=hunter2",
            "mongodb+srv://user:hunter2@db:27017",
            "hunter2",
            "",
        ] {
            let error = parse(uri).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{uri}: {error}");
        }
        for uri in ["mongodb://db", "mongodb://user:p%40ss@db1,db2:27018/exchange?replicaSet=rs0&tls=true&socketTimeoutMS=1000"] {
            parse(uri).unwrap();
        }
    }

    #[test]
    fn clean_hides_user_name_and_password_however_they_are_written() {
        let uri = "mongodb://kms%40user:p%2Fss@db.example.com/?authSource=admin";
        let hidden = hidden(uri, &parse(uri).unwrap());
        let said = "kms@user, kms%40user, p/ss, p%2Fss at db.example.com";
        assert_eq!(clean(said, &hidden), "***, ***, ***, *** at db.example.com");
        assert!(clean(uri, &hidden).len() < 10);
        assert_eq!(clean(&"ä".repeat(5000), &hidden).chars().count(), MAX_WORDS + 3);
        let said = |labels| format!("Topology: {{ Error: refused, labels: {labels}, source: None }}");
        assert_eq!(without_labels(&said(r#"{"B", "A"}"#)), without_labels(&said(r#"{"A", "B"}"#)));
        assert_eq!(without_labels(&said("{}")), "Topology: { Error: refused, source: None }");
    }
}
