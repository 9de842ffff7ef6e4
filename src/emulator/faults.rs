//! How the emulator misbehaves: quotas, latency, eventual consistency and scripted faults. All off until asked for, and
//! changeable while it runs, from Rust by [`Faults`] and from other processes by `POST /_emulator/faults`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::operations::Operation;
use crate::ids::Region;

/// Everything that can be switched. The JSON form is this, in camelCase, with AWS's own names for operations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Switches {
    /// Requests admitted per operation and Region in each second; the rest get `ThrottlingException`. Operations without an
    /// entry have no limit. Verify counts as Sign. [`Switches::aws_quotas`] has the real ones.
    pub requests_per_second: BTreeMap<Operation, u32>,
    /// How long each request waits before it has its effect.
    pub latency_ms: BTreeMap<Operation, u64>,
    pub lags: Lags,
    /// Faults for the next requests that match. The first script that matches wins, and goes when it is used up.
    pub scripts: Vec<Script>,
}

/// Eventual consistency, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Lags {
    /// A new key is `NotFoundException` and in no listing for this long.
    pub new_key_hidden_ms: u64,
    /// `GetResources` shows the tags of a key as they were before their last change for this long.
    pub tags_lag_ms: u64,
    /// A new replica is in state `Creating` for this long.
    pub replica_creating_ms: u64,
    /// A key shows and acts by the state it had before its last change for this long. Not after a restart.
    pub key_state_lag_ms: u64,
}

impl Switches {
    /// The default quotas of an AWS account, a second and Region. A few calls never meet them; a load test does.
    ///
    /// Source: <https://docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html>
    pub fn aws_quotas() -> BTreeMap<Operation, u32> {
        use Operation as O;
        let quotas = [
            (&[O::Sign][..], 1_000),
            (&[O::CreateKey, O::CreateAlias, O::ReplicateKey, O::DisableKey, O::EnableKey, O::CancelKeyDeletion], 5),
            (&[O::TagResource], 10),
            (&[O::ScheduleKeyDeletion], 15),
            (&[O::GetPublicKey, O::DescribeKey, O::ListResourceTags], 2_000),
            (&[O::ListKeys, O::ListAliases], 500),
        ];
        quotas.into_iter().flat_map(|(operations, rate)| operations.iter().map(move |operation| (*operation, rate))).collect()
    }
}

/// A fault for the next `times` requests of `operation` (absent: any) on `key` (absent: any; else its ARN or id).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Script {
    #[serde(default)]
    pub operation: Option<Operation>,
    #[serde(default)]
    pub key: Option<String>,
    #[serde(default = "once")]
    pub times: u32,
    pub fault: Fault,
}

const fn once() -> u32 {
    1
}

impl Script {
    /// The next request of `operation` gets `fault`.
    pub fn next(operation: Operation, fault: impl Into<Fault>) -> Self {
        Self { operation: Some(operation), key: None, times: 1, fault: fault.into() }
    }

    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Only requests on the key with this ARN or id match.
    #[must_use]
    pub fn on_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    fn matches(&self, operation: Operation, key: Option<&str>) -> bool {
        let makes_sense = operation == Operation::Sign || !matches!(self.fault, Fault::Signature(_));
        let names_it = |wanted: &String| key.is_some_and(|key| key == wanted || key.rsplit('/').next() == Some(wanted));
        self.times > 0
            && makes_sense
            && self.operation.is_none_or(|wanted| wanted == operation)
            && self.key.as_ref().is_none_or(names_it)
    }
}

/// What goes wrong with one request. In JSON a word (`"throttle"`), or `{"signature": "highS"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// `ThrottlingException`; nothing is done.
    Throttle,
    /// `AccessDeniedException` that names the IAM action; nothing is done.
    Deny,
    /// HTTP 500, `KMSInternalException`; nothing is done.
    Internal,
    /// The connection closes without an answer; nothing was done.
    CloseBefore,
    /// The connection closes without an answer; the effect happened.
    CloseAfter,
    /// No answer ever comes; nothing was done.
    HangBefore,
    /// No answer ever comes; the effect happened.
    HangAfter,
    /// Sign answers with a signature that has a defect.
    Signature(Defect),
}

/// What is wrong with a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Defect {
    /// A valid signature, by a key nobody knows.
    WrongKey,
    /// Valid, with S in the upper half. ECDSA only.
    HighS,
    /// Valid, with an INTEGER r of 31 bytes or less, as one signature in 512 has it. ECDSA only.
    ShortR,
    ZeroR,
    /// S is the group's order or above.
    OversizedS,
    TrailingBytes,
    /// The first byte is not the tag of a SEQUENCE.
    MalformedDer,
    /// The last byte is missing.
    Truncated,
}

impl Defect {
    pub const ALL: [Self; 8] = [
        Self::WrongKey,
        Self::HighS,
        Self::ShortR,
        Self::ZeroR,
        Self::OversizedS,
        Self::TrailingBytes,
        Self::MalformedDer,
        Self::Truncated,
    ];
}

impl From<Defect> for Fault {
    fn from(defect: Defect) -> Self {
        Self::Signature(defect)
    }
}

/// The switches as they stand.
#[derive(Debug, Default)]
pub struct Faults {
    switches: RwLock<Switches>,
    /// Requests admitted in a second (Unix time), per Region and operation.
    spent: Mutex<HashMap<(Region, Operation), (u64, u32)>>,
}

impl Faults {
    /// Replaces all switches. The default ends all misbehaviour.
    pub fn set(&self, switches: Switches) {
        *self.switches.write().unwrap_or_else(PoisonError::into_inner) = switches;
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Changes some switches and leaves the others.
    pub fn change(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.switches.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Adds a script behind those there are.
    pub fn script(&self, script: Script) {
        self.change(|switches| switches.scripts.push(script));
    }

    /// The switches now; of the scripts, what is not used up yet.
    pub fn get(&self) -> Switches {
        self.read(Switches::clone)
    }

    pub(super) fn lags(&self) -> Lags {
        self.read(|switches| switches.lags)
    }

    pub(super) fn latency(&self, operation: Operation) -> Option<Duration> {
        // A sleep of no time at all still takes a tick of the timer.
        self.read(|switches| switches.latency_ms.get(&operation).copied()).filter(|millis| *millis > 0).map(Duration::from_millis)
    }

    pub(super) fn has_scripts(&self) -> bool {
        self.read(|switches| !switches.scripts.is_empty())
    }

    /// Counts a request against its quota; false if there is none left in this second.
    pub(super) fn admit(&self, region: &Region, operation: Operation, now: u64) -> bool {
        let operation = if operation == Operation::Verify { Operation::Sign } else { operation };
        let Some(quota) = self.read(|switches| switches.requests_per_second.get(&operation).copied()) else { return true };
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let (second, count) = spent.entry((region.clone(), operation)).or_default();
        if *second != now / 1000 {
            (*second, *count) = (now / 1000, 0);
        }
        *count = count.saturating_add(1);
        *count <= quota
    }

    /// Takes the fault that is scripted for this request, if any.
    pub(super) fn take(&self, operation: Operation, key: Option<&str>) -> Option<Fault> {
        let mut switches = self.switches.write().unwrap_or_else(PoisonError::into_inner);
        let script = switches.scripts.iter_mut().find(|script| script.matches(operation, key))?;
        script.times = script.times.saturating_sub(1);
        let fault = script.fault;
        switches.scripts.retain(|script| script.times > 0);
        Some(fault)
    }

    fn read<T>(&self, read: impl FnOnce(&Switches) -> T) -> T {
        read(&self.switches.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kms:eu-central-1:111122223333:key/abc";

    #[test]
    fn take_fault_matches_operation_and_key_and_is_used_up() {
        let faults = Faults::default();
        faults.script(Script::next(Operation::Sign, Fault::Throttle).times(2).on_key("abc"));
        faults.script(Script { operation: None, key: None, times: 1, fault: Fault::Deny });
        assert_eq!(faults.take(Operation::Sign, Some(ARN)), Some(Fault::Throttle));
        assert_eq!(faults.take(Operation::Sign, Some("other")), Some(Fault::Deny));
        assert_eq!(faults.take(Operation::Sign, None), None);
        assert_eq!(faults.take(Operation::DescribeKey, Some(ARN)), None);
        assert_eq!(faults.take(Operation::Sign, Some("abc")), Some(Fault::Throttle));
        assert_eq!(faults.take(Operation::Sign, Some(ARN)), None);
        assert_eq!(faults.get(), Switches::default());
    }

    #[test]
    fn take_signature_defect_waits_for_sign() {
        let faults = Faults::default();
        faults.script(Script { operation: None, key: None, times: 1, fault: Defect::HighS.into() });
        assert_eq!(faults.take(Operation::GetPublicKey, Some(ARN)), None);
        assert_eq!(faults.take(Operation::Sign, Some(ARN)), Some(Fault::Signature(Defect::HighS)));
    }

    #[test]
    fn admit_over_the_quota_is_refused_until_the_next_second() {
        let faults = Faults::default();
        let (here, there): (Region, Region) = ("eu-central-1".parse().unwrap(), "eu-west-1".parse().unwrap());
        faults.change(|switches| switches.requests_per_second = [(Operation::Sign, 2)].into());
        let admit = |region, operation, now| faults.admit(region, operation, now);
        assert!(admit(&here, Operation::Sign, 5_000) && admit(&here, Operation::Verify, 5_999));
        assert!(!admit(&here, Operation::Sign, 5_999), "Verify and Sign share the quota");
        assert!(admit(&there, Operation::Sign, 5_999), "each Region has its own");
        assert!(admit(&here, Operation::DescribeKey, 5_999), "no quota, no limit");
        assert!(admit(&here, Operation::Sign, 6_000));
    }

    #[test]
    fn switches_json_form_is_as_documented() {
        let json = serde_json::json!({
            "requestsPerSecond": {"Sign": 300}, "latencyMs": {"Sign": 10},
            "lags": {"newKeyHiddenMs": 1, "tagsLagMs": 2, "replicaCreatingMs": 3, "keyStateLagMs": 4},
            "scripts": [
                {"operation": "Sign", "key": ARN, "times": 3, "fault": "closeAfter"},
                {"fault": {"signature": "shortR"}},
            ],
        });
        let switches: Switches = serde_json::from_value(json).unwrap();
        let lags = Lags { new_key_hidden_ms: 1, tags_lag_ms: 2, replica_creating_ms: 3, key_state_lag_ms: 4 };
        assert_eq!(switches.lags, lags);
        assert_eq!(switches.scripts[1], Script { operation: None, key: None, times: 1, fault: Defect::ShortR.into() });
        assert_eq!(serde_json::from_value::<Switches>(serde_json::to_value(&switches).unwrap()).unwrap(), switches);
        assert_eq!(serde_json::from_str::<Switches>("{}").unwrap(), Switches::default());
        assert_eq!(Switches::aws_quotas().get(&Operation::CreateKey), Some(&5));
    }
}
