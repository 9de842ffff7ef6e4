//! `kmsign status`, `kmsign admin`, and `kmsign call` for everything that has no command of its own.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::ClientError;
use super::exit::Exit;
use super::input::{self, Given, Params};
use super::output::{self, Look, Tone, cell, plain, toned, words};
use super::session::Session;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Read configuration and policy again; a bad file changes nothing
    Reload,
}

#[derive(Debug, clap::Args)]
pub struct Call {
    /// A method of the API
    #[arg(value_parser = input::name)]
    method: String,
    /// Its parameters as a JSON object or array; - reads them from standard input
    #[arg(value_name = "PARAMS-JSON")]
    params: Option<Given<Params>>,
}

impl Command {
    pub fn run(&self, session: &mut Session) -> Result<Exit, ClientError> {
        let Self::Reload = self;
        session.show("admin_reload", &json!({}), changes)?;
        Ok(Exit::Done)
    }
}

impl Call {
    pub fn run(&self, session: &mut Session) -> Result<Exit, ClientError> {
        let params = self.params.as_ref().map_or_else(|| Ok(Params::none()), |given| given.take("PARAMS-JSON"))?;
        Session::print_json(&session.call(&self.method, &params)?)?;
        Ok(Exit::Done)
    }
}

/// Exits with 1 while the daemon is not ready.
pub fn status(session: &mut Session) -> Result<Exit, ClientError> {
    let found = session.show("admin_status", &json!({}), status_text)?;
    Ok(if found.ready { Exit::Done } else { Exit::No })
}

#[derive(Deserialize)]
struct Status {
    version: String,
    ready: bool,
    /// The rest, shown by its own names: a newer daemon tells more.
    #[serde(flatten)]
    more: Map<String, Value>,
}

fn status_text(status: &Status, look: Look) -> String {
    let ready = if status.ready { toned("yes", Tone::Good) } else { toned("no", Tone::Bad) };
    let more: Vec<_> = status.more.iter().map(|(name, value)| (words(name), plain(value))).collect();
    let mut rows = vec![("ready", ready), ("version", cell(&status.version))];
    rows.extend(more.iter().map(|(name, value)| (name.as_str(), cell(value))));
    output::details(look, rows)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Changes {
    changes: Vec<Change>,
    policy_digest: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    key: String,
    needs_restart: bool,
}

fn changes(found: &Changes, look: Look) -> String {
    let digest = found.policy_digest.as_deref().unwrap_or("-");
    let mut rows = vec![("policy digest", cell(digest))];
    if found.changes.is_empty() {
        rows.push(("configuration", cell("as before")));
    }
    rows.extend(found.changes.iter().map(|change| {
        let when = if change.needs_restart { toned("after a restart", Tone::Waiting) } else { toned("in force", Tone::Good) };
        (change.key.as_str(), when)
    }));
    output::details(look, rows)
}
