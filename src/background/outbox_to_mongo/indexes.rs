//! The indexes that the daemon makes. One that can't be built over documents already there is reported and stops nothing.

use std::time::Duration;

use mongodb::bson::{Bson, Document, doc};

use super::connection::{Connection, MongoError};
use crate::background::wallets_in_mongo::whole;

/// Over a large collection an index takes its time, and a cut-off build would only begin again.
const BUILD_TIME: Duration = Duration::from_mins(10);
const NAMESPACE_NOT_FOUND: i32 = 26;

struct Index {
    /// As MongoDB would name it.
    name: &'static str,
    fields: &'static [&'static str],
    unique: bool,
}

const INDEXES: &[Index] = &[
    Index { name: "providerId_1", fields: &["providerId"], unique: true },
    Index { name: "kmsKeyId_1", fields: &["kmsKeyId"], unique: true },
    Index { name: "userId_1_asset_1", fields: &["userId", "asset"], unique: false },
    Index { name: "address_1", fields: &["address"], unique: false },
];

/// How the indexes stand.
pub struct Indexes {
    /// Whether the server keeps a second document of a wallet out.
    pub provider_id_is_unique: bool,
    /// A sentence for each that is not as it should be.
    pub problems: Vec<String>,
}

/// Makes the indexes that are missing.
pub async fn ensure(connection: &Connection) -> Result<Indexes, MongoError> {
    let there = list(connection).await?;
    let mut indexes = Indexes { provider_id_is_unique: true, problems: Vec::new() };
    for index in INDEXES {
        let problem = match there.iter().find(|found| index.has_the_keys_of(found)) {
            Some(found) => index.shortcoming(found).map(ToOwned::to_owned),
            None => index.build(connection).await?,
        };
        if let Some(problem) = problem {
            let problem = format!("index {}: {problem}", index.name);
            tracing::error!(alarm = "sync_index", problem, "an index of the wallets in MongoDB is not as it should be");
            indexes.problems.push(problem);
            indexes.provider_id_is_unique &= index.fields != ["providerId"];
        }
    }
    Ok(indexes)
}

async fn list(connection: &Connection) -> Result<Vec<Document>, MongoError> {
    let list = doc! { "listIndexes": connection.collection() };
    match connection.documents("asking MongoDB for its indexes", list).await {
        Err(MongoError::Refused { code: NAMESPACE_NOT_FOUND, .. }) => Ok(Vec::new()),
        listed => listed,
    }
}

impl Index {
    fn has_the_keys_of(&self, found: &Document) -> bool {
        let Ok(keys) = found.get_document("key") else { return false };
        keys.len() == self.fields.len()
            && keys.iter().zip(self.fields).all(|((name, order), field)| name == field && whole(order) == Some(1))
    }

    /// What an index that is there lacks.
    fn shortcoming(&self, found: &Document) -> Option<&'static str> {
        if !self.unique {
            return None;
        }
        let partial = found.contains_key("partialFilterExpression");
        match found.get("unique") {
            Some(Bson::Boolean(true)) if !partial => None,
            _ => Some("is there, but is not unique over all documents; drop it, and the daemon makes it anew"),
        }
    }

    /// Gives why it could not be built.
    async fn build(&self, connection: &Connection) -> Result<Option<String>, MongoError> {
        let mut keys = Document::new();
        for field in self.fields {
            keys.insert(*field, 1);
        }
        let mut index = doc! { "key": keys, "name": self.name };
        if self.unique {
            index.insert("unique", true);
        }
        let create = doc! { "createIndexes": connection.collection(), "indexes": [index] };
        match connection.run_within(BUILD_TIME, "making an index in MongoDB", create).await {
            Ok(_) => Ok(None),
            Err(MongoError::Refused { code, why, .. }) => {
                // The server's words may quote documents, so they go to the journal alone.
                tracing::warn!(index = self.name, code, why, "MongoDB did not make an index");
                Ok(Some(reason(code)))
            }
            Err(error) => Err(error),
        }
    }
}

fn reason(code: i32) -> String {
    match code {
        11000 => "can't be built: documents already there share a value".to_owned(),
        85 | 86 => "can't be built: one of that name or with these fields is there with other options".to_owned(),
        13 => "can't be built: the daemon's user may not make indexes".to_owned(),
        code => format!("can't be built: MongoDB refuses it with code {code}"),
    }
}
