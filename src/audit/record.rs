//! One audit record: its kinds, its members, and its JSON.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::caller::Caller;
use crate::clock::Timestamp;
use crate::ids::WalletId;

/// What a record tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// What the daemon did by itself; `detail` says what.
    Daemon,
    /// A permitted call with an effect is about to be carried out.
    Intent,
    /// What came of an intent.
    Outcome,
    /// The policy said no.
    Denial,
    /// The policy said yes, and a key's state, a conflict or a missing thing said no.
    Refusal,
    /// A stored or shared answer was given again.
    Repeat,
}

/// A record, in the order in which its members are written. Absent members are left out.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record<'a> {
    pub sequence: u64,
    pub at: Timestamp,
    pub kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<CallerFacts<'a>>,
    #[serde(flatten)]
    pub facts: Facts,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionFacts<'a>>,
    /// The intent that an outcome or a repeat belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent: Option<u64>,
    /// `success`, or the kind of failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'a str>,
    /// The request id of every attempt that KMS answered.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub kms_request_ids: &'a [String],
}

/// What a call is about, as far as it is known.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wallet_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// What was, or would have been, signed: the hex of the digest, or of SHA-256 over a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What was decoded, as policy_explain shows it. An outcome's is its intent's.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shared")]
    pub summary: Option<Arc<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// Why, in the caller's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A sentence, where the members above do not say enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

#[expect(clippy::ref_option, reason = "serde gives it so")]
fn shared<S: Serializer>(value: &Option<Arc<Value>>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_deref().serialize(serializer)
}

/// Who called, by the kernel's word; pid, executable and unit are attribution, null where the sandbox hides them.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallerFacts<'a> {
    pub uid: u32,
    pub gid: u32,
    pub groups: &'a [u32],
    pub pid: Option<i32>,
    pub executable: Option<&'a str>,
    pub unit: Option<&'a str>,
}

impl<'a> From<&'a Caller> for CallerFacts<'a> {
    fn from(caller: &'a Caller) -> Self {
        Self {
            uid: caller.uid(),
            gid: caller.gid(),
            groups: caller.groups(),
            pid: caller.pid(),
            executable: caller.executable(),
            unit: caller.unit(),
        }
    }
}

/// What the policy said, and which policy that was.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DecisionFacts<'a> {
    pub effect: &'a str,
    pub policies: &'a [String],
    pub policy_digest: &'a str,
}

impl<'a> Record<'a> {
    /// What the daemon did by itself.
    pub const fn daemon(sequence: u64, at: Timestamp, facts: Facts, kms_request_ids: &'a [String]) -> Self {
        Self {
            sequence,
            at,
            kind: Kind::Daemon,
            method: None,
            caller: None,
            facts,
            decision: None,
            intent: None,
            outcome: None,
            kms_request_ids,
        }
    }

    /// Says which wallet it is about, if that was not known before.
    #[must_use]
    pub fn about(mut self, wallet_id: Option<WalletId>) -> Self {
        if let Some(wallet_id) = wallet_id {
            self.facts.wallet_id = Some(wallet_id.to_string());
        }
        self
    }

    /// The text that is stored and hashed.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}
