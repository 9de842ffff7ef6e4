//! Which version of a wallet MongoDB has.

use std::collections::HashMap;

use mongodb::bson::{Document, doc};

use super::connection::{Connection, MongoError};
use crate::background::wallets_in_mongo::whole;

/// Which state of the collection is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// What a majority has: it can't be rolled back any more.
    ByAMajority,
    /// What the primary has. It may yet be lost.
    ByThePrimary,
}

/// The version of each of these wallets that has a document, by providerId; 0 for a document without one. Of several documents
/// with one providerId, the newest counts.
pub async fn versions(connection: &Connection, provider_ids: &[String], seen: Seen) -> Result<HashMap<String, u64>, MongoError> {
    let mut found = HashMap::new();
    for part in provider_ids.chunks(1000) {
        let level = match seen {
            Seen::ByAMajority => "majority",
            Seen::ByThePrimary => "local",
        };
        let find = doc! {
            "find": connection.collection(),
            "filter": { "providerId": { "$in": part } },
            "projection": { "_id": 0, "providerId": 1, "version": 1 },
            // Room for documents that share a providerId, where the unique index could not be built.
            "batchSize": 10_000,
            "singleBatch": true,
            "readConcern": { "level": level },
        };
        for document in connection.documents("asking MongoDB for versions", find).await? {
            if let Ok(id) = document.get_str("providerId") {
                let newest = found.entry(id.to_owned()).or_insert(0);
                *newest = version_of(&document).max(*newest);
            }
        }
    }
    Ok(found)
}

fn version_of(document: &Document) -> u64 {
    document.get("version").and_then(whole).and_then(|version| u64::try_from(version).ok()).unwrap_or(0)
}
