//! Reads the wallets back out of MongoDB, for a restore: every document in the order of `providerId`, in pages, each as it is
//! or with what is wrong with it. It writes nothing, and believes nothing: a document is evidence, to be proven by KMS.

use mongodb::bson::{Bson, Document, doc};

use super::outbox_to_mongo::connection::Connection;
use super::outbox_to_mongo::versions::{Seen, versions};
use crate::config::SyncConfig;

pub use super::outbox_to_mongo::connection::MongoError;

/// No wallet ever has a higher version: versions go on by one, or at the seconds since 1970. Above a number that somebody made up there
/// would be no next one.
pub const MAX_VERSION: i64 = 1 << 53;

/// A wallet's document, with its members as they are written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletDocument {
    /// The walletId.
    pub provider_id: String,
    pub user_id: String,
    pub address: String,
    /// The ticker as the caller wrote it.
    pub asset: String,
    pub network: String,
    pub kms_key_id: String,
    pub status: String,
    /// Milliseconds since 1970.
    pub created_at: u64,
    pub address_type: Option<String>,
    pub stake_wallet_id: Option<String>,
    /// Hex.
    pub stake_key_hash: Option<String>,
    /// Hex.
    pub public_key: Option<String>,
    pub key_spec: Option<String>,
    pub label: Option<String>,
    pub version: Option<i64>,
}

/// A document that is no wallet's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("document {id}: {problem}")]
pub struct MalformedDocument {
    /// Its `_id`.
    pub id: String,
    pub problem: String,
}

/// Some documents, in the order of `providerId`.
#[derive(Debug)]
pub struct Page {
    pub documents: Vec<Result<WalletDocument, MalformedDocument>>,
    /// The providerId to go on behind; `None` if there are no more.
    pub last: Option<String>,
}

/// The collection of wallets, to read.
pub struct WalletsInMongo {
    connection: Connection,
}

impl WalletsInMongo {
    /// Finds the collection. A server that can't be reached shows at the first question.
    pub async fn open(config: &SyncConfig) -> Result<Self, MongoError> {
        Ok(Self { connection: Connection::open(config).await? })
    }

    /// How many documents there are, for a progress bar.
    pub async fn count(&self) -> Result<u64, MongoError> {
        const WHAT: &str = "counting the wallets in MongoDB";
        let answer = self.connection.run(WHAT, doc! { "count": self.connection.collection() }).await?;
        let count = answer.get("n").and_then(whole).and_then(|count| u64::try_from(count).ok());
        count.ok_or(MongoError::Answer { what: WHAT, missing: "n" })
    }

    /// About `limit` documents behind this providerId, in its order, those with the same providerId together. Resumes anywhere.
    pub async fn page(&self, after: Option<&str>, limit: u32) -> Result<Page, MongoError> {
        // Either compares with texts alone, so a providerId of another type is not among them.
        let bound = after.map_or_else(|| doc! { "$gte": "" }, |after| doc! { "$gt": after });
        let mut documents = self.find(doc! { "providerId": bound }, limit).await?;
        let last = documents.last().and_then(|document| document.get_str("providerId").ok()).map(ToOwned::to_owned);
        if let Some(last) = &last
            && u32::try_from(documents.len()).is_ok_and(|found| found >= limit)
        {
            // Where the unique index could not be built, the next page would leave out what shares the last providerId.
            documents.retain(|document| document.get_str("providerId").is_ok_and(|id| id != last));
            documents.extend(self.find(doc! { "providerId": last }, limit).await?);
        }
        Ok(Page { documents: documents.iter().map(wallet).collect(), last })
    }

    /// At most `limit` documents whose providerId is missing or no text: no page has them.
    pub async fn without_provider_id(&self, limit: u32) -> Result<Vec<MalformedDocument>, MongoError> {
        let documents = self.find(doc! { "providerId": { "$not": { "$type": "string" } } }, limit).await?;
        Ok(documents.iter().filter_map(|document| wallet(document).err()).collect())
    }

    /// The version in MongoDB of each of these wallets that has a document there, by providerId. A document without a version counts
    /// as version 0.
    pub async fn versions(&self, provider_ids: &[String]) -> Result<std::collections::HashMap<String, u64>, MongoError> {
        let there = versions(&self.connection, provider_ids, Seen::ByAMajority).await?;
        Ok(there.into_iter().map(|(id, there)| (id, there.version)).collect())
    }

    async fn find(&self, filter: Document, limit: u32) -> Result<Vec<Document>, MongoError> {
        let find = doc! {
            "find": self.connection.collection(),
            "filter": filter,
            "sort": { "providerId": 1, "_id": 1 },
            "limit": i64::from(limit),
            "batchSize": i64::from(limit),
            "singleBatch": true,
            "readConcern": { "level": "majority" },
        };
        self.connection.documents("reading wallets from MongoDB", find).await
    }
}

fn wallet(document: &Document) -> Result<WalletDocument, MalformedDocument> {
    let text = |name: &str| match document.get(name) {
        Some(Bson::String(text)) => Ok(text.clone()),
        Some(_) => Err(malformed(document, format!("{name} is no text"))),
        None => Err(malformed(document, format!("{name} is missing"))),
    };
    let optional = |name: &str| match document.get(name) {
        None | Some(Bson::Null) => Ok(None),
        Some(_) => text(name).map(Some),
    };
    let created_at = match document.get("createdAt") {
        Some(Bson::DateTime(at)) => u64::try_from(at.timestamp_millis()).ok(),
        _ => None,
    };
    let version = match document.get("version") {
        None | Some(Bson::Null) => None,
        Some(value) => match whole(value) {
            None => return Err(malformed(document, "version is no whole number".to_owned())),
            Some(version) if version > MAX_VERSION => return Err(malformed(document, format!("version is over {MAX_VERSION}"))),
            Some(version) => Some(version),
        },
    };
    Ok(WalletDocument {
        provider_id: text("providerId")?,
        user_id: text("userId")?,
        address: text("address")?,
        asset: text("asset")?,
        network: text("network")?,
        kms_key_id: text("kmsKeyId")?,
        status: text("status")?,
        created_at: created_at.ok_or_else(|| malformed(document, "createdAt is no date since 1970".to_owned()))?,
        address_type: optional("addressType")?,
        stake_wallet_id: optional("stakeWalletId")?,
        stake_key_hash: optional("stakeKeyHash")?,
        public_key: optional("publicKey")?,
        key_spec: optional("keySpec")?,
        label: optional("label")?,
        version,
    })
}

fn malformed(document: &Document, problem: String) -> MalformedDocument {
    const SHOWN: usize = 100;
    let id = match document.get("_id") {
        Some(Bson::ObjectId(id)) => id.to_hex(),
        Some(id) => id.to_string().chars().take(SHOWN).collect(),
        None => "without _id".to_owned(),
    };
    MalformedDocument { id, problem }
}

/// A whole number, of whichever type: other programs write what their language makes of it.
pub(super) fn whole(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        // Up to 2^53 every whole number has its own double.
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        Bson::Double(number) if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 => Some(*number as i64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::DateTime;

    use super::*;

    fn complete() -> Document {
        doc! {
            "_id": "x", "providerId": "p", "userId": "u", "address": "a", "asset": "BSC", "network": "testnet", "kmsKeyId": "k",
            "status": "CREATED", "createdAt": DateTime::from_millis(1_768_473_000_250), "version": 3_i64, "label": Bson::Null,
        }
    }

    #[test]
    fn wallet_keeps_members_as_they_are_and_names_what_is_wrong() {
        let read = wallet(&complete()).unwrap();
        assert_eq!((read.asset.as_str(), read.created_at, read.version, read.label), ("BSC", 1_768_473_000_250, Some(3), None));
        for (name, value, problem) in [
            ("userId", Bson::Int32(1), "userId is no text"),
            ("createdAt", Bson::String("2026-01-15".to_owned()), "createdAt is no date since 1970"),
            ("createdAt", Bson::DateTime(DateTime::from_millis(-1)), "createdAt is no date since 1970"),
            ("version", Bson::Double(1.5), "version is no whole number"),
            ("version", Bson::Int64(i64::MAX), "version is over 9007199254740992"),
            ("label", Bson::Boolean(true), "label is no text"),
        ] {
            let mut document = complete();
            document.insert(name, value);
            assert_eq!(wallet(&document), Err(MalformedDocument { id: "\"x\"".to_owned(), problem: problem.to_owned() }));
        }
        for (value, number) in [(Bson::Int32(3), 3), (Bson::Double(3.0), 3), (Bson::Int64(1 << 60), 1 << 60)] {
            assert_eq!(whole(&value), Some(number));
        }
        let mut document = complete();
        document.remove("kmsKeyId");
        assert_eq!(wallet(&document).unwrap_err().problem, "kmsKeyId is missing");
    }
}
