//! What KMS can be asked: each operation of the API that the emulator knows, from the request's JSON to the answer's.
//!
//! Shapes, limits and exceptions are those of the AWS KMS API reference and of the Resource Groups Tagging API reference.
//! Members that a request has and the emulator does not know are ignored, as AWS ignores them.

mod keys;
mod listings;
mod metadata;
mod policies;
mod signing;
mod states;
mod tags;

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::de::value::{Error as NameError, StrDeserializer};
use serde::{Deserialize, Serialize};

use super::errors::KmsError;
use super::faults::{Defect, Lags};
use super::keys::{Key, KeyState, Keys};
use crate::ids::Region;

/// An operation, by AWS's own name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operation {
    CancelKeyDeletion,
    CreateAlias,
    CreateKey,
    DeleteAlias,
    DescribeKey,
    DisableKey,
    EnableKey,
    GetKeyPolicy,
    GetPublicKey,
    /// Of the tagging API; all others are of KMS.
    GetResources,
    ListAliases,
    ListKeys,
    ListResourceTags,
    PutKeyPolicy,
    ReplicateKey,
    ScheduleKeyDeletion,
    Sign,
    TagResource,
    UntagResource,
    Verify,
}

impl Operation {
    /// Reads the header `X-Amz-Target`.
    pub(super) fn from_target(target: &str) -> Option<Self> {
        let (service, name) = target.split_once('.')?;
        let operation = Self::deserialize(StrDeserializer::<NameError>::new(name)).ok()?;
        let expected = if operation == Self::GetResources { "ResourceGroupsTaggingAPI_20170126" } else { "TrentService" };
        (service == expected).then_some(operation)
    }

    /// Whether it changes keys, and so waits for the disk.
    pub(super) const fn changes_keys(self) -> bool {
        match self {
            Self::CancelKeyDeletion
            | Self::CreateAlias
            | Self::CreateKey
            | Self::DeleteAlias
            | Self::DisableKey
            | Self::EnableKey
            | Self::PutKeyPolicy
            | Self::ReplicateKey
            | Self::ScheduleKeyDeletion
            | Self::TagResource
            | Self::UntagResource => true,
            Self::DescribeKey
            | Self::GetKeyPolicy
            | Self::GetPublicKey
            | Self::GetResources
            | Self::ListAliases
            | Self::ListKeys
            | Self::ListResourceTags
            | Self::Sign
            | Self::Verify => false,
        }
    }

    /// Whether its success means that something happened: a change, or a signature.
    pub(super) const fn has_effect(self) -> bool {
        self.changes_keys() || matches!(self, Self::Sign)
    }
}

/// One request, admitted and ready to have its effect.
pub(super) struct Request<'a> {
    pub keys: &'a Keys,
    pub region: &'a Region,
    /// Unix milliseconds.
    pub now: u64,
    pub lags: Lags,
    pub body: &'a [u8],
    /// What to do wrong with the signature.
    pub defect: Option<Defect>,
}

/// What an operation did.
pub(super) struct Done {
    /// The answer, JSON.
    pub body: Vec<u8>,
    /// The key it was about, for the log.
    pub key: Option<Arc<Key>>,
    /// What was signed, for the log.
    pub digest: Option<[u8; 32]>,
}

impl Done {
    fn answer(key: Option<Arc<Key>>, answer: &impl Serialize) -> Result<Self, KmsError> {
        let body = serde_json::to_vec(answer).map_err(|error| KmsError::internal(error.to_string()))?;
        Ok(Self { body, key, digest: None })
    }

    /// For operations that answer nothing.
    fn nothing(key: Arc<Key>) -> Self {
        Self { body: Vec::new(), key: Some(key), digest: None }
    }
}

impl Request<'_> {
    /// Does what `operation` says.
    pub fn execute(&self, operation: Operation) -> Result<Done, KmsError> {
        match operation {
            Operation::CancelKeyDeletion => states::cancel_key_deletion(self),
            Operation::CreateAlias => tags::create_alias(self),
            Operation::CreateKey => keys::create_key(self),
            Operation::DeleteAlias => tags::delete_alias(self),
            Operation::DescribeKey => keys::describe_key(self),
            Operation::DisableKey => states::disable_key(self),
            Operation::EnableKey => states::enable_key(self),
            Operation::GetKeyPolicy => policies::get_key_policy(self),
            Operation::GetPublicKey => keys::get_public_key(self),
            Operation::GetResources => listings::get_resources(self),
            Operation::ListAliases => listings::list_aliases(self),
            Operation::ListKeys => listings::list_keys(self),
            Operation::ListResourceTags => listings::list_resource_tags(self),
            Operation::PutKeyPolicy => policies::put_key_policy(self),
            Operation::ReplicateKey => keys::replicate_key(self),
            Operation::ScheduleKeyDeletion => states::schedule_key_deletion(self),
            Operation::Sign => signing::sign(self),
            Operation::TagResource => tags::tag_resource(self),
            Operation::UntagResource => tags::untag_resource(self),
            Operation::Verify => signing::verify(self),
        }
    }

    /// As CreateKey of a secp256k1 key with these tags, without a request that says so.
    pub fn make_signing_key(&self, tags: super::keys::Tags) -> Result<(), KmsError> {
        keys::make_signing_key(self, tags)
    }

    /// What the request names as `KeyId`, if it can be read.
    pub fn names_key(body: &[u8]) -> Option<String> {
        serde_json::from_slice::<KeyInput>(body).ok().map(|input| input.key_id)
    }

    fn input<T: DeserializeOwned>(&self) -> Result<T, KmsError> {
        serde_json::from_slice(self.body).map_err(|error| match error.classify() {
            // A member that is missing, of another type, or an enumeration value that does not exist.
            serde_json::error::Category::Data => KmsError::validation(error.to_string()),
            _ => KmsError::new("SerializationException", error.to_string()),
        })
    }

    /// What decides on a key's visibility and state.
    fn moment(&self) -> (u64, Lags) {
        (self.now, self.lags)
    }

    fn key(&self, reference: &str) -> Result<Arc<Key>, KmsError> {
        self.keys.find(self.region, reference, self.now, self.lags)
    }

    fn state(&self, key: &Key) -> KeyState {
        key.state(self.now, self.lags)
    }

    /// The key, if it can be used for cryptography now.
    ///
    /// Source: <https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html>
    fn usable_key(&self, reference: &str) -> Result<Arc<Key>, KmsError> {
        let key = self.key(reference)?;
        match self.state(&key) {
            KeyState::Enabled => Ok(key),
            KeyState::Disabled => Err(KmsError::new("DisabledException", format!("{} is disabled.", key.arn))),
            state => Err(invalid_state(&key, state)),
        }
    }

    /// The key, unless it is on its way to deletion.
    fn living_key(&self, reference: &str) -> Result<Arc<Key>, KmsError> {
        let key = self.key(reference)?;
        match self.state(&key) {
            state @ (KeyState::PendingDeletion | KeyState::PendingReplicaDeletion) => Err(invalid_state(&key, state)),
            KeyState::Creating | KeyState::Enabled | KeyState::Disabled | KeyState::PendingImport => Ok(key),
        }
    }
}

fn invalid_state(key: &Key, state: KeyState) -> KmsError {
    let arn = &key.arn;
    let message = match state {
        KeyState::Creating => format!("{arn} is creating."),
        KeyState::PendingImport => format!("{arn} is pending import."),
        KeyState::PendingDeletion => format!("{arn} is pending deletion."),
        KeyState::PendingReplicaDeletion => format!("{arn} is pending the deletion of its replicas."),
        KeyState::Enabled | KeyState::Disabled => format!("{arn} is not pending deletion."),
    };
    KmsError::new("KMSInvalidStateException", message)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyInput {
    key_id: String,
}

/// Bytes, which are base64 in JSON.
struct Blob(Vec<u8>);

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        base64_decode(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Blob {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &self.0))
    }
}

fn base64_decode(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    base64::Engine::decode(&base64::prelude::BASE64_STANDARD, text)
}

/// A point in time as AWS's JSON has it: seconds with a fraction.
#[derive(Clone, Copy)]
struct Seconds(u64);

impl Serialize for Seconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(std::time::Duration::from_millis(self.0).as_secs_f64())
    }
}

fn check_range(name: &str, value: u64, range: std::ops::RangeInclusive<u64>) -> Result<(), KmsError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(KmsError::validation(format!("{name} must be {} to {}, but is {value}", range.start(), range.end())))
}
