//! One request from its admission to its place in the log: quota, scripted fault, effect, entry.

use std::io;
use std::sync::Arc;

use super::EmulatorConfig;
use super::errors::KmsError;
use super::faults::{Fault, Faults};
use super::keys::{Keys, Tags};
use super::log::{LogEntry, OperationLog};
use super::operations::{Done, Operation, Request};
use crate::clock::Clock;
use crate::ids::Region;

pub(super) struct Service {
    pub keys: Keys,
    pub faults: Faults,
    pub log: OperationLog,
    /// Whether a change waits for the disk.
    pub durable: bool,
    clock: Arc<dyn Clock>,
}

/// What the client gets to see of a request.
pub(super) enum Reply {
    /// The answer's JSON, or the exception.
    Answer(Result<Vec<u8>, KmsError>),
    /// The connection closes.
    Close,
    /// Nothing, ever.
    Hang,
}

impl Service {
    pub fn open(config: &EmulatorConfig) -> io::Result<Self> {
        Ok(Self {
            keys: Keys::open(config.directory.as_deref())?,
            faults: Faults::default(),
            log: OperationLog::open(config.log_file.as_deref())?,
            durable: config.directory.is_some(),
            clock: Arc::clone(&config.clock),
        })
    }

    /// Takes one request to its end. Blocks on the disk if the operation changes keys.
    pub fn call(&self, operation: Operation, region: &Region, body: &[u8], request_id: &str) -> Reply {
        let at = self.clock.now();
        let now = at.unix_millis();
        let admitted = self.faults.admit(region, operation, now);
        let fault = if admitted { self.scripted(operation, region, body, now) } else { None };
        let refusal = if admitted { None } else { Some(throttled()) };
        let result = match (refusal.or_else(|| refused_by(fault, operation, region)), fault) {
            (Some(refusal), _) => Some(Err(refusal)),
            (None, Some(Fault::CloseBefore | Fault::HangBefore)) => None,
            (None, fault) => {
                let defect = if let Some(Fault::Signature(defect)) = fault { Some(defect) } else { None };
                let lags = self.faults.lags();
                Some(Request { keys: &self.keys, region, now, lags, body, defect }.execute(operation))
            }
        };
        let done = result.as_ref().and_then(|result| result.as_ref().ok());
        let arn = |done: &Done| done.key.as_ref().map(|key| key.arn.to_string());
        self.log.add(LogEntry {
            sequence: 0,
            at,
            region: region.clone(),
            operation,
            key: done.map_or_else(|| Request::names_key(body), arn),
            request_id: request_id.to_owned(),
            effect: done.is_some() && operation.has_effect(),
            error: result.as_ref().and_then(|result| result.as_ref().err()).map(|error| error.code.to_owned()),
            fault,
            digest: done.and_then(|done| done.digest).map(hex::encode),
        });
        match (fault, result) {
            (Some(Fault::HangBefore | Fault::HangAfter), _) => Reply::Hang,
            (Some(Fault::CloseBefore | Fault::CloseAfter), _) | (_, None) => Reply::Close,
            (_, Some(result)) => Reply::Answer(result.map(|done| done.body)),
        }
    }

    /// Makes keys past the protocol. One that can't be made is left out.
    pub fn add_signing_keys(&self, region: &Region, tags: impl Iterator<Item = Tags>) {
        let (now, lags) = (self.clock.now().unix_millis(), self.faults.lags());
        let request = Request { keys: &self.keys, region, now, lags, body: &[], defect: None };
        for tags in tags {
            if let Err(error) = request.make_signing_key(tags) {
                tracing::error!(code = error.code, "the KMS emulator could not make a key");
            }
        }
    }

    fn scripted(&self, operation: Operation, region: &Region, body: &[u8], now: u64) -> Option<Fault> {
        if !self.faults.has_scripts() {
            return None;
        }
        let named = Request::names_key(body).map(|reference| {
            let found = self.keys.find(region, &reference, now, self.faults.lags());
            found.map_or(reference, |key| key.arn.to_string())
        });
        self.faults.take(operation, named.as_deref())
    }
}

/// The exception that `fault` is, if it is one.
fn refused_by(fault: Option<Fault>, operation: Operation, region: &Region) -> Option<KmsError> {
    match fault? {
        Fault::Throttle => Some(throttled()),
        Fault::Deny => {
            let service = if operation == Operation::GetResources { "tag" } else { "kms" };
            let message = format!(
                "User: arn:aws:iam::{account}:user/emulated is not authorized to perform: {service}:{operation:?} in {region} \
                 because no identity-based policy allows the {service}:{operation:?} action",
                account = super::ACCOUNT,
            );
            Some(KmsError::new("AccessDeniedException", message))
        }
        Fault::Internal => Some(KmsError::internal("a fault that was asked for")),
        Fault::CloseBefore | Fault::CloseAfter | Fault::HangBefore | Fault::HangAfter | Fault::Signature(_) => None,
    }
}

fn throttled() -> KmsError {
    KmsError::new(
        "ThrottlingException",
        "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
    )
}
