//! GetKeyPolicy, PutKeyPolicy. A policy is kept, not enforced: the emulator has no principals, so it does not make the
//! lockout check that `BypassPolicyLockoutSafetyCheck` turns off either.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::errors::KmsError;
use super::super::keys::Key;
use super::{Done, KeyInput, Request};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetKeyPolicyAnswer {
    policy: String,
    policy_name: &'static str,
}

pub(super) fn get_key_policy(request: &Request) -> Result<Done, KmsError> {
    let input: KeyInput = request.input()?;
    let key = request.key(&input.key_id)?;
    let answer = GetKeyPolicyAnswer { policy: key.policy.clone(), policy_name: "default" };
    Done::answer(Some(key), &answer)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutKeyPolicyInput {
    key_id: String,
    policy: String,
}

pub(super) fn put_key_policy(request: &Request) -> Result<Done, KmsError> {
    let input: PutKeyPolicyInput = request.input()?;
    let policy = checked_policy(input.policy)?;
    let mut changes = request.keys.changes();
    let key = request.key(&input.key_id)?;
    changes.put(Key { policy, ..Key::clone(&key) }).map(Done::nothing)
}

/// What a key gets whose creator names no policy: IAM alone decides.
pub(super) fn default_policy() -> String {
    json!({
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [{
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": {"AWS": format!("arn:aws:iam::{}:root", super::super::ACCOUNT)},
            "Action": "kms:*",
            "Resource": "*"
        }]
    })
    .to_string()
}

/// A policy is a JSON object with statements, of at most 32 kB.
pub(super) fn checked_policy(policy: String) -> Result<String, KmsError> {
    if policy.len() > 32_768 {
        return Err(KmsError::new("LimitExceededException", "the key policy has more than 32768 bytes"));
    }
    match serde_json::from_str::<Map<String, Value>>(&policy) {
        Ok(object) if object.contains_key("Statement") => Ok(policy),
        _ => Err(KmsError::new("MalformedPolicyDocumentException", "the key policy is not a JSON object with a Statement")),
    }
}
