//! Which version of a wallet MongoDB has, and whether it is ours.

use std::collections::HashMap;

use mongodb::bson::{Document, doc};

use super::connection::{Connection, MongoError};
use crate::background::wallets_in_mongo::whole;
use crate::ids::KeyArn;
use crate::store::wallets::Wallet;

/// Which state of the collection is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// What a majority has: it can't be rolled back any more.
    ByAMajority,
    /// What the primary has. It may yet be lost.
    ByThePrimary,
}

/// What is in MongoDB of a wallet. 0 for a document without a version.
#[derive(Debug, Default)]
pub struct Present {
    pub version: u64,
    /// The members that say whose wallet it is and what may be done with it; an absent one is not compared.
    content: [Option<String>; 4],
}

const COMPARED: [&str; 4] = ["userId", "address", "kmsKeyId", "status"];

impl Present {
    /// The first member that is not as the wallet's.
    pub fn differs_from(&self, wallet: &Wallet) -> Option<&'static str> {
        let ours = [
            Some(wallet.user_id.as_str()),
            wallet.address.as_deref(),
            wallet.kms_key_id.as_ref().map(KeyArn::as_str),
            Some(wallet.status.as_str()),
        ];
        let mut members = COMPARED.into_iter().zip(&self.content).zip(ours);
        members.find_map(|((name, theirs), ours)| theirs.as_deref().filter(|theirs| Some(*theirs) != ours).map(|_| name))
    }
}

/// What MongoDB has of each of these wallets that has a document, by providerId. Of several documents with one providerId, the newest
/// counts.
pub async fn versions(
    connection: &Connection,
    provider_ids: &[String],
    seen: Seen,
) -> Result<HashMap<String, Present>, MongoError> {
    let mut found = HashMap::<String, Present>::new();
    for part in provider_ids.chunks(1000) {
        let level = match seen {
            Seen::ByAMajority => "majority",
            Seen::ByThePrimary => "local",
        };
        let find = doc! {
            "find": connection.collection(),
            "filter": { "providerId": { "$in": part } },
            "projection": { "_id": 0, "providerId": 1, "version": 1, "userId": 1, "address": 1, "kmsKeyId": 1, "status": 1 },
            // Room for documents that share a providerId, where the unique index could not be built.
            "batchSize": 10_000,
            "singleBatch": true,
            "readConcern": { "level": level },
        };
        for document in connection.documents("asking MongoDB for versions", find).await? {
            if let Ok(id) = document.get_str("providerId") {
                let version = version_of(&document);
                let newest = found.entry(id.to_owned()).or_default();
                if version >= newest.version {
                    let content = COMPARED.map(|name| document.get_str(name).ok().map(ToOwned::to_owned));
                    *newest = Present { version, content };
                }
            }
        }
    }
    Ok(found)
}

fn version_of(document: &Document) -> u64 {
    document.get("version").and_then(whole).and_then(|version| u64::try_from(version).ok()).unwrap_or(0)
}
