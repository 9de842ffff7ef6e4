//! Every metric: its name, help, unit and labels. Labels are enums only, so their number is bounded.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::kms::{AttemptError, Operation};
use crate::outcome::Outcome;

const SUCCESS: &str = "success";
const REQUESTS: &str = "kmsignd_requests_total";
const REQUEST_SECONDS: &str = "kmsignd_request_duration_seconds";
const REFUSED: &str = "kmsignd_requests_refused_total";
const KMS_ATTEMPTS: &str = "kmsignd_kms_attempts_total";
const KMS_SECONDS: &str = "kmsignd_kms_attempt_duration_seconds";
const CONNECTIONS: &str = "kmsignd_connections";
const KEY_DRIVES: &str = "kmsignd_key_drives";
const KEY_DRIVE_FAILURES: &str = "kmsignd_key_drive_failures_total";
const KEY_DRIFT: &str = "kmsignd_key_drift";

const OUTBOX_PENDING: &str = "kmsignd_outbox_pending";
const OUTBOX_MAX_PENDING: &str = "kmsignd_outbox_max_pending";
const OUTBOX_PARKED: &str = "kmsignd_outbox_parked";
const OUTBOX_OLDEST_AGE: &str = "kmsignd_outbox_oldest_age_seconds";
const OUTBOX_WRITES: &str = "kmsignd_outbox_writes_total";
const OUTBOX_INDEX_PROBLEMS: &str = "kmsignd_outbox_index_problems";
const PENDING: &str = "kmsignd_pending_wallets";
const STUCK: &str = "kmsignd_stuck_wallets";
const ORPHANS: &str = "kmsignd_orphan_keys";

static EXPORTER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
static BY_METHOD: OnceLock<HashMap<&'static str, OfMethod>> = OnceLock::new();

/// What every answered request touches, looked up once.
struct OfMethod {
    succeeded: Counter,
    seconds: Histogram,
}

/// Starts collecting for these methods. Without it (or if another collector is installed in this process) every call below
/// does nothing.
pub fn install(methods: impl Iterator<Item = &'static str>) {
    EXPORTER.get_or_init(|| {
        let seconds = [0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
        let handle = PrometheusBuilder::new().set_buckets(&seconds).ok()?.install_recorder().ok()?;
        describe_counter!(REQUESTS, Unit::Count, "Requests that reached a method, by method and outcome");
        describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "Time from a request's frame to its reply, by method");
        describe_counter!(REFUSED, Unit::Count, "Requests refused before any method saw them, by kind of error");
        describe_counter!(KMS_ATTEMPTS, Unit::Count, "Attempts at KMS, by operation and outcome");
        describe_histogram!(KMS_SECONDS, Unit::Seconds, "Time of one attempt at KMS, by operation");
        describe_gauge!(CONNECTIONS, Unit::Count, "Open connections on the socket");
        describe_gauge!(PENDING, Unit::Count, "Wallets whose key is not proven yet");
        describe_gauge!(STUCK, Unit::Count, "PENDING wallets that need an operator");
        describe_gauge!(ORPHANS, Unit::Count, "Keys of this deployment that belong to no wallet");
        describe_gauge!(
            KEY_DRIVES,
            Unit::Count,
            "Keys that KMS is still to be brought to, after their wallets' state has changed"
        );
        describe_counter!(KEY_DRIVE_FAILURES, Unit::Count, "Failed tries to bring a key in KMS to its wallet's state");
        describe_gauge!(
            KEY_DRIFT,
            Unit::Count,
            "Keys in another state in KMS than their wallets, though nothing here asked for it"
        );
        describe_gauge!(OUTBOX_PENDING, Unit::Count, "Wallets that wait for MongoDB, without the parked ones");
        describe_gauge!(
            OUTBOX_MAX_PENDING,
            Unit::Count,
            "At so many, the parked ones included, no wallet is made; 0 without MongoDB"
        );
        describe_gauge!(OUTBOX_PARKED, Unit::Count, "Wallets whose documents MongoDB refuses");
        describe_gauge!(OUTBOX_OLDEST_AGE, Unit::Seconds, "Age of the oldest wallet that waits for MongoDB");
        describe_counter!(
            OUTBOX_WRITES,
            Unit::Count,
            "Wallets that MongoDB took or refused, by result; for `failed`, attempts that came to nothing"
        );
        describe_gauge!(OUTBOX_INDEX_PROBLEMS, Unit::Count, "Indexes in MongoDB that are not as they should be");
        Some(handle)
    });
    let of_method = |method| {
        let succeeded = counter!(REQUESTS, "method" => method, "outcome" => SUCCESS);
        (method, OfMethod { succeeded, seconds: histogram!(REQUEST_SECONDS, "method" => method) })
    };
    BY_METHOD.get_or_init(|| methods.map(of_method).collect());
}

/// The Prometheus text of `/metrics`.
pub fn render() -> String {
    EXPORTER.get().and_then(Option::as_ref).map(PrometheusHandle::render).unwrap_or_default()
}

/// Folds the samples taken since the last time into their histograms; without it they would pile up until a scrape.
pub(crate) fn fold_samples() {
    if let Some(exporter) = EXPORTER.get().and_then(Option::as_ref) {
        exporter.run_upkeep();
    }
}

pub(crate) fn request(method: &'static str, outcome: &Outcome, took: Duration) {
    let Some(OfMethod { succeeded, seconds }) = BY_METHOD.get().and_then(|methods| methods.get(method)) else { return };
    match outcome {
        Ok(_) => succeeded.increment(1),
        Err(failure) => counter!(REQUESTS, "method" => method, "outcome" => failure.kind()).increment(1),
    }
    seconds.record(took.as_secs_f64());
}

pub(crate) fn refused(kind: &'static str) {
    counter!(REFUSED, "kind" => kind).increment(1);
}

pub(crate) fn connected(change: f64) {
    gauge!(CONNECTIONS).increment(change);
}

pub(crate) fn keys(pending: u64, stuck: u64, orphans: u64) {
    gauge!(PENDING).set(as_gauge(pending));
    gauge!(STUCK).set(as_gauge(stuck));
    gauge!(ORPHANS).set(as_gauge(orphans));
}

pub(crate) fn kms_attempt(operation: Operation, error: Option<&AttemptError>, took: Duration) {
    let outcome = match error {
        None => "success",
        Some(AttemptError::NotSent) => "not_sent",
        Some(AttemptError::NoCredentials) => "no_credentials",
        Some(AttemptError::Throttled) => "throttled",
        Some(AttemptError::Denied) => "denied",
        Some(AttemptError::Unavailable { .. }) => "unavailable",
        Some(AttemptError::Lost) => "lost",
        Some(AttemptError::NotFound) => "not_found",
        Some(AttemptError::KeyState { .. }) => "key_state",
        Some(AttemptError::Refused { .. }) => "refused",
    };
    counter!(KMS_ATTEMPTS, "operation" => operation.name(), "outcome" => outcome).increment(1);
    histogram!(KMS_SECONDS, "operation" => operation.name()).record(took.as_secs_f64());
}

/// Keys that KMS is still to be brought to.
pub(crate) fn key_drives(count: u64) {
    gauge!(KEY_DRIVES).set(as_gauge(count));
}

pub(crate) fn key_drive_failed() {
    counter!(KEY_DRIVE_FAILURES).increment(1);
}

pub(crate) fn key_drift(count: u64) {
    gauge!(KEY_DRIFT).set(as_gauge(count));
}

/// How much waits for MongoDB.
pub(crate) fn outbox(pending: u64, parked: u64, oldest_age: Duration, max_pending: Option<u64>) {
    gauge!(OUTBOX_PENDING).set(as_gauge(pending));
    gauge!(OUTBOX_PARKED).set(as_gauge(parked));
    gauge!(OUTBOX_OLDEST_AGE).set(oldest_age.as_secs_f64());
    gauge!(OUTBOX_MAX_PENDING).set(as_gauge(max_pending.unwrap_or(0)));
}

/// `result`: `acknowledged`, `already_there`, `refused` or `failed`.
pub(crate) fn outbox_writes(result: &'static str, wallets: usize) {
    counter!(OUTBOX_WRITES, "result" => result).increment(u64::try_from(wallets).unwrap_or(u64::MAX));
}

pub(crate) fn outbox_index_problems(problems: usize) {
    gauge!(OUTBOX_INDEX_PROBLEMS).set(as_gauge(u64::try_from(problems).unwrap_or(u64::MAX)));
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a double, and whole numbers are exact up to 2^53")]
fn as_gauge(number: u64) -> f64 {
    number as f64
}
