//! One batch of wallets, written and judged: which ones MongoDB has durably, which ones it refuses for good, and which ones stay.
//!
//! Nothing is acknowledged on a guess. An answer that does not account for every wallet is taken apart: those whose version is
//! there by a majority are settled, the others are sent again in halves. A duplicate key is looked up, not read out of an
//! error's words.

use std::collections::HashMap;
use std::time::Duration;

use mongodb::bson::{Bson, DateTime, Document, doc};

use super::connection::{COMMAND_TIME, Connection, MongoError};
use super::versions::{Present, Seen, versions};
use crate::background::wallets_in_mongo::whole;
use crate::clock::Timestamp;
use crate::ids::{KeyArn, Label, WalletId};
use crate::store::Refused;
use crate::store::wallets::Wallet;

const WRITING: &str = "writing wallets to MongoDB";
const DUPLICATE_KEY: i32 = 11000;
/// Why MongoDB can have what this store did not write.
const NOT_OURS: &str = "another daemon writes there, or this store is older than MongoDB; nothing is overwritten";
/// How long the server waits for a majority: it gives up before we give up waiting for the server.
const MAJORITY_TIME: Duration = COMMAND_TIME.saturating_sub(Duration::from_secs(5));

/// Codes by which a server refuses this document, now and next time (MongoDB's error_codes.yml).
const REFUSALS: &[(i32, &str)] = &[
    (2, "BadValue"),
    (9, "FailedToParse"),
    (14, "TypeMismatch"),
    (22, "InvalidBSON"),
    (28, "PathNotViable"),
    (52, "DollarPrefixedFieldName"),
    (57, "DottedFieldName"),
    (61, "ShardKeyNotFound"),
    (66, "ImmutableField"),
    (121, "DocumentValidationFailure"),
    (10334, "BSONObjectTooLarge"),
    (17280, "KeyTooLong"),
    (17419, "the document would be too large"),
    (17420, "the document would be too large"),
];

type Version = (WalletId, u64);

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Written {
    /// A majority has them in its journal.
    pub taken: Vec<Version>,
    /// MongoDB had this version already.
    pub there: Vec<Version>,
    pub refused: Vec<Refused>,
    /// Why some were neither taken nor refused; the others went on.
    pub left: Option<MongoError>,
    /// Why it stopped before the end.
    pub broken: Option<MongoError>,
}

/// Some of the batch, to be sent as one command.
struct Part {
    wallets: Vec<Wallet>,
    /// It met a duplicate key before for which no document could be found.
    again: bool,
}

/// What an `update` answered.
enum Answer {
    /// Every wallet was written but these.
    Accounted(Vec<WriteError>),
    /// Some wallet could not be written, and it is not certain which ones were.
    Unaccounted,
    /// Nothing is certain.
    Broken(MongoError),
}

struct WriteError {
    index: usize,
    code: i32,
    message: String,
}

/// Writes a batch. Without a unique index on providerId the server would let an older version in as a second document, so then
/// what is there is asked for first.
pub async fn write(connection: &Connection, wallets: Vec<Wallet>, provider_id_is_unique: bool) -> Written {
    let mut writing = Writing { connection, written: Written::default(), doubtful: Vec::new(), parts: Vec::new() };
    let result = async {
        if provider_id_is_unique {
            writing.send_later(wallets, false);
        } else {
            let wallets = writing.settle(wallets).await?;
            writing.send_later(wallets, false);
        }
        while let Some(part) = writing.parts.pop() {
            writing.send(part).await?;
        }
        Ok(())
    };
    let broken = result.await.err();
    writing.finish(broken)
}

struct Writing<'a> {
    connection: &'a Connection,
    written: Written,
    /// Refused alone, by an answer that may as well be about every command.
    doubtful: Vec<(Wallet, i32, MongoError)>,
    parts: Vec<Part>,
}

impl Writing<'_> {
    fn send_later(&mut self, wallets: Vec<Wallet>, again: bool) {
        if !wallets.is_empty() {
            self.parts.push(Part { wallets, again });
        }
    }

    fn send_halves_later(&mut self, mut wallets: Vec<Wallet>) {
        let second = wallets.split_off(wallets.len().div_ceil(2));
        // Taken from the end, so the first half goes first.
        self.send_later(second, false);
        self.send_later(wallets, false);
    }

    async fn send(&mut self, Part { wallets, again }: Part) -> Result<(), MongoError> {
        match self.connection.run(WRITING, update(self.connection.collection(), &wallets)).await {
            Ok(answer) => match self.read(&answer, wallets.len()) {
                Answer::Accounted(errors) => self.account(wallets, errors, again).await,
                Answer::Unaccounted => {
                    let rest = self.settle(wallets).await?;
                    self.send_halves_later(rest);
                    Ok(())
                }
                Answer::Broken(error) => Err(error),
            },
            Err(MongoError::Refused { what, code, why }) if refusal(code).is_some() => {
                if wallets.len() > 1 {
                    self.send_halves_later(wallets);
                } else {
                    let why = |wallet| (wallet, code, MongoError::Refused { what, code, why: why.clone() });
                    self.doubtful.extend(wallets.into_iter().map(why));
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn read(&self, answer: &Document, sent: usize) -> Answer {
        if let Some(Bson::Document(error)) = answer.get("writeConcernError") {
            let why = format!("a majority does not have it yet: {}", self.message(error));
            return Answer::Broken(MongoError::Refused { what: WRITING, code: code(error), why });
        }
        let errors: Vec<WriteError> = match answer.get("writeErrors") {
            Some(Bson::Array(errors)) => errors.iter().filter_map(Bson::as_document).map(|error| self.error(error)).collect(),
            _ => Vec::new(),
        };
        let written = answer.get("n").and_then(whole).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let mut indexes: Vec<usize> = errors.iter().map(|error| error.index).filter(|index| *index < sent).collect();
        indexes.sort_unstable();
        indexes.dedup();
        let accounted = indexes.len() == errors.len() && written.saturating_add(errors.len()) == sent;
        match (errors.is_empty(), accounted) {
            (_, true) => Answer::Accounted(errors),
            // One alone can only be the one that failed.
            (false, false) if sent == 1 => Answer::Accounted(errors.into_iter().take(1).map(WriteError::first).collect()),
            (false, false) => Answer::Unaccounted,
            (true, false) => Answer::Broken(MongoError::Answer { what: WRITING, missing: "n that counts every document" }),
        }
    }

    fn error(&self, error: &Document) -> WriteError {
        let index = error.get("index").and_then(whole).and_then(|index| usize::try_from(index).ok());
        WriteError { index: index.unwrap_or(usize::MAX), code: code(error), message: self.message(error) }
    }

    fn message(&self, error: &Document) -> String {
        self.connection.clean(error.get_str("errmsg").unwrap_or_default())
    }

    /// Every wallet of the part was written, but for `errors`.
    async fn account(&mut self, wallets: Vec<Wallet>, errors: Vec<WriteError>, again: bool) -> Result<(), MongoError> {
        let mut errors: HashMap<usize, WriteError> = errors.into_iter().map(|error| (error.index, error)).collect();
        let mut clashing = Vec::new();
        for (index, wallet) in wallets.into_iter().enumerate() {
            let Some(error) = errors.remove(&index) else {
                self.written.taken.push(version(&wallet));
                continue;
            };
            let WriteError { code, message, .. } = error;
            if code == DUPLICATE_KEY {
                clashing.push(wallet);
            } else if let Some(name) = refusal(code) {
                tracing::warn!(wallet_id = %wallet.wallet_id, code, message, "MongoDB refuses a wallet's document");
                self.refuse(&wallet, format!("MongoDB refuses the document: {name} (code {code})"));
            } else {
                let why = format!("wallet {}: code {code}: {message}", wallet.wallet_id);
                self.written.left = Some(MongoError::Refused { what: WRITING, code, why });
            }
        }
        self.resolve(clashing, again).await
    }

    /// Finds out what the documents are whose keys these wallets would duplicate.
    async fn resolve(&mut self, clashing: Vec<Wallet>, again: bool) -> Result<(), MongoError> {
        let clashing = self.settle(clashing).await?;
        if clashing.is_empty() {
            return Ok(());
        }
        let on_the_primary = versions(self.connection, &provider_ids(&clashing), Seen::ByThePrimary).await?;
        for wallet in clashing {
            if is_there(&on_the_primary, &wallet) {
                let why = format!("wallet {} is there, but not on a majority yet", wallet.wallet_id);
                self.written.left = Some(MongoError::Refused { what: WRITING, code: DUPLICATE_KEY, why });
            } else if let Some(holder) = self.holder_of_key(&wallet).await? {
                self.refuse(&wallet, format!("its kmsKeyId is in another document, of providerId {holder}"));
            } else if again {
                self.refuse(&wallet, "a unique index that is not the daemon's refuses the document (code 11000)".to_owned());
            } else {
                // What stood in the way is gone, or came in between and was older.
                self.send_later(vec![wallet], true);
            }
        }
        Ok(())
    }

    /// Takes out the wallets whose version a majority has, and those of which it has what this store did not write: a newer version
    /// than there is here, or another content under the same one. That is another daemon's, or this store is older than MongoDB, and
    /// it must be told. Gives the others.
    async fn settle(&mut self, wallets: Vec<Wallet>) -> Result<Vec<Wallet>, MongoError> {
        if wallets.is_empty() {
            return Ok(wallets);
        }
        let there = versions(self.connection, &provider_ids(&wallets), Seen::ByAMajority).await?;
        let mut others = Vec::new();
        for wallet in wallets {
            match there.get(&wallet.wallet_id.to_string()) {
                Some(there) if there.version > wallet.version => {
                    let reason =
                        format!("MongoDB has version {}, and the newest here is {}: {NOT_OURS}", there.version, wallet.version);
                    self.refuse(&wallet, reason);
                }
                Some(there) if there.version == wallet.version => match there.differs_from(&wallet) {
                    None => self.written.there.push(version(&wallet)),
                    Some(member) => {
                        let reason =
                            format!("MongoDB has another {member} under the same version {}: {NOT_OURS}", wallet.version);
                        self.refuse(&wallet, reason);
                    }
                },
                Some(_) | None => others.push(wallet),
            }
        }
        Ok(others)
    }

    /// Whose document has this wallet's key.
    async fn holder_of_key(&self, wallet: &Wallet) -> Result<Option<String>, MongoError> {
        let find = doc! {
            "find": self.connection.collection(),
            "filter": {
                "kmsKeyId": wallet.kms_key_id.as_ref().map(KeyArn::as_str),
                "providerId": { "$ne": wallet.wallet_id.to_string() },
            },
            "projection": { "providerId": 1 },
            "limit": 1,
            "singleBatch": true,
        };
        let found = self.connection.documents("asking MongoDB whose a key is", find).await?;
        Ok(found.first().map(|document| match document.get("providerId") {
            Some(Bson::String(id)) => id.chars().take(64).collect(),
            Some(_) | None => "unknown".to_owned(),
        }))
    }

    fn refuse(&mut self, wallet: &Wallet, reason: String) {
        let (wallet_id, version) = version(wallet);
        self.written.refused.push(Refused { wallet_id, version, reason });
    }

    fn finish(mut self, mut broken: Option<MongoError>) -> Written {
        // Where others were taken, what refused this one is its document. Else it may be the server.
        let others_were_taken = !self.written.taken.is_empty() || !self.written.there.is_empty();
        for (wallet, code, error) in std::mem::take(&mut self.doubtful) {
            match refusal(code) {
                Some(name) if others_were_taken => {
                    tracing::warn!(wallet_id = %wallet.wallet_id, %error, "MongoDB refuses a wallet's document");
                    self.refuse(&wallet, format!("MongoDB refuses the document: {name} (code {code})"));
                }
                _ => broken = broken.or(Some(error)),
            }
        }
        self.written.broken = broken;
        self.written
    }
}

impl WriteError {
    fn first(self) -> Self {
        Self { index: 0, ..self }
    }
}

/// One command for all of them, each on its own: what fails holds up none of the others.
fn update(collection: &str, wallets: &[Wallet]) -> Document {
    let updates: Vec<Bson> = wallets.iter().map(|wallet| upsert(wallet).into()).collect();
    doc! {
        "update": collection,
        "updates": updates,
        "ordered": false,
        "writeConcern": { "w": "majority", "j": true, "wtimeout": i32::try_from(MAJORITY_TIME.as_millis()).unwrap_or(i32::MAX) },
    }
}

/// Matches a document that is older, or has no number for its version, or none at all. Beside a newer one it would insert a
/// second, which the unique index refuses.
fn upsert(wallet: &Wallet) -> Document {
    let version = signed(wallet.version);
    let mut members = doc! {
        "userId": wallet.user_id.as_str(),
        "address": &wallet.address,
        "asset": &wallet.ticker,
        "network": &wallet.network,
        "kmsKeyId": wallet.kms_key_id.as_ref().map(KeyArn::as_str),
        "status": wallet.status.as_str(),
        "createdAt": date(wallet.created_at),
        "addressType": wallet.address_type.as_str(),
        "publicKey": wallet.public_key.as_ref().map(|key| hex::encode(key.as_bytes())),
        "keySpec": wallet.key_spec.as_str(),
        "label": wallet.label.as_ref().map(Label::as_str),
        "version": version,
        "updatedAt": date(wallet.updated_at),
    };
    if let Some(stake) = wallet.stake {
        members.insert("stakeWalletId", stake.wallet_id.to_string());
        members.insert("stakeKeyHash", stake.key_hash.to_string());
    }
    doc! {
        "q": { "providerId": wallet.wallet_id.to_string(), "version": { "$not": { "$gte": version } } },
        "u": { "$set": members },
        "upsert": true,
    }
}

fn date(at: Timestamp) -> DateTime {
    DateTime::from_millis(signed(at.unix_millis()))
}

/// BSON's whole numbers have a sign, as SQLite's have, from which these come.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn version(wallet: &Wallet) -> Version {
    (wallet.wallet_id, wallet.version)
}

fn provider_ids(wallets: &[Wallet]) -> Vec<String> {
    wallets.iter().map(|wallet| wallet.wallet_id.to_string()).collect()
}

fn is_there(versions: &HashMap<String, Present>, wallet: &Wallet) -> bool {
    versions.get(&wallet.wallet_id.to_string()).is_some_and(|there| there.version >= wallet.version)
}

fn code(error: &Document) -> i32 {
    error.get("code").and_then(whole).and_then(|code| i32::try_from(code).ok()).unwrap_or(0)
}

fn refusal(code: i32) -> Option<&'static str> {
    REFUSALS.iter().find(|(known, _)| *known == code).map(|(_, name)| *name)
}
