//! What reads answer. Nothing here asks KMS, writes, or waits.

use std::sync::OnceLock;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::judge::{Subject, denied};
use super::{Services, SyncState};
use crate::caller::Caller;
use crate::outcome::{Answer, Failure, Outcome};
use crate::policy::{Action, Context, Decision, Effect, EffectKind, Resource, Spend};
use crate::rpc::{AuditQuery, Explained, Request, openrpc};
use crate::store::drift::Drift;
use crate::store::wallets::Wallet;
use crate::store::{AuditRow, StoreError};
use crate::transport::Readiness;
use crate::wallets::{list, unreadable, with_facts};

/// Stuck wallets and orphans that admin_status lists; all are counted.
const LISTED: u32 = 1000;

impl Services {
    /// Answers a permitted read.
    pub(super) fn read(&self, caller: &Caller, request: &Request, subject: Subject) -> Outcome {
        match (request, subject) {
            (Request::WalletGet(_), Subject::Wallet(wallet)) => list::wallet(&wallet),
            (Request::WalletAddresses(query), Subject::Wallet(wallet)) => list::addresses(&self.networks, &wallet, query.tag),
            (Request::GetPublicKey(_), Subject::Wallet(wallet)) => list::public_key(&wallet),
            (Request::WalletList(page), _) => list::page(&self.store, page, |wallet| self.may_read(caller, wallet)),
            (Request::AddressValidate(query), _) => list::validity(query),
            (Request::EthAccounts, _) => list::accounts(&self.store, &self.networks, |wallet| self.may_sign(caller, wallet)),
            (Request::EthChainId, _) => {
                let id = self.networks.default_evm().chain_id();
                id.map_or_else(
                    || Err(Failure::Internal("no default EVM network".to_owned())),
                    |id| Answer::of(&format!("{id:#x}")),
                )
            }
            (Request::ClientVersion, _) => Answer::of(&concat!("kmsignd/", env!("CARGO_PKG_VERSION"))),
            (Request::PolicyExplain(explained), _) => self.explain(caller, explained),
            (Request::AuditTail(query), _) => self.audit_tail(query),
            (Request::AuditVerify, _) => self.audit_verify(),
            (Request::AdminStatus, _) => self.status(caller),
            (Request::Discover, _) => {
                static DOCUMENT: OnceLock<Result<Answer, Failure>> = OnceLock::new();
                DOCUMENT.get_or_init(|| Answer::of(&openrpc::document())).clone()
            }
            (request, _) => Err(Failure::Internal(format!("{request:?} is no read"))),
        }
    }

    /// Whether this caller may sign anything at all with the wallet: a transfer to itself, a message or a digest.
    fn may_sign(&self, caller: &Caller, wallet: &Wallet) -> bool {
        let now = self.clock.now();
        let own = Effect {
            recipient: wallet.address.clone(),
            amount: Some(0),
            to_own_wallet: true,
            ..Effect::new(EffectKind::Transfer)
        };
        let spends = [
            (Action::Sign, Spend::new("eth_signTransaction", now, vec![own])),
            (Action::SignMessage, Spend::new("personal_sign", now, vec![Effect::new(EffectKind::Message)])),
            (Action::SignRaw, Spend::raw("kms_signTransactionHash", now)),
        ];
        with_facts(wallet, &self.networks, |facts| {
            spends
                .iter()
                .any(|(action, spend)| self.ask(caller, *action, Resource::Wallet(facts), Context::Spend(spend)).is_allowed())
        })
    }

    fn explain(&self, caller: &Caller, explained: &Explained) -> Outcome {
        let request = &*explained.request;
        if request.has_content() {
            return self.explain_content(caller, explained.method, request);
        }
        let subject = self.subject(request)?;
        let decision = self.decide(caller, explained.method, request, &subject);
        if let (false, Some(failure)) = (decision.is_allowed(), self.told_instead(caller, request, &subject)) {
            return Err(failure);
        }
        if let Subject::Unknown(failure) = subject {
            return Err(if decision.is_allowed() { failure } else { denied(&decision) });
        }
        if let (true, Request::WalletCreate(new)) = (decision.is_allowed(), request) {
            self.stake(caller, new)?;
        }
        Answer::of(&Explanation::new(explained, &decision))
    }

    fn audit_tail(&self, query: &AuditQuery) -> Outcome {
        let page = self.store.audit_page(query.after, query.limit).map_err(unreadable)?;
        let records = page.rows.iter().map(with_hash).collect::<Result<Vec<_>, _>>()?;
        Answer::of(&json!({
            "records": records,
            "head": { "sequence": page.head.sequence, "hash": hex::encode(page.head.hash) },
        }))
    }

    fn audit_verify(&self) -> Outcome {
        let verdict = self.store.audit_verify().map_err(unreadable)?;
        let mut answer = json!({
            "records": verdict.records,
            "head": { "sequence": verdict.head.sequence, "hash": hex::encode(verdict.head.hash) },
            "ok": verdict.first_bad.is_none(),
        });
        if let (Some(first_bad), Value::Object(members)) = (verdict.first_bad, &mut answer) {
            tracing::error!(alarm = "audit_tampered", first_bad, "the audit's hash chain is broken");
            members.insert("firstBad".to_owned(), first_bad.into());
        }
        Answer::of(&answer)
    }

    fn status(&self, caller: &Caller) -> Outcome {
        let Readiness { ready, reasons } = self.readiness();
        let wallets: serde_json::Map<String, Value> = self
            .store
            .count_wallets()
            .map_err(unreadable)?
            .into_iter()
            .map(|(status, count)| (status.as_str().to_owned(), count.into()))
            .collect();
        let (pending, _) = self.store.count_pending().map_err(unreadable)?;
        let policy = self.policy();
        let head = self.store.audit_head().map_err(unreadable)?;
        let uptime = self.clock.now().unix_millis().saturating_sub(self.started_at.unix_millis()) / 1000;
        Answer::of(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "uptimeSeconds": uptime,
            "startedAt": self.started_at,
            "ready": ready,
            "reasons": reasons,
            "kms": [{ "region": self.kms.region(), "answers": self.kms_health() == super::KmsHealth::Answers }],
            "store": { "bytes": self.store.bytes_on_disk(), "writable": self.store.write_health().is_ok(), "auditSequence": head.sequence },
            "policy": { "policies": policy.len(), "digest": policy.digest() },
            "wallets": wallets,
            "freezes": self.store.freezes().map_err(unreadable)?,
            "pending": { "wallets": pending, "stuck": self.store.stuck_wallets(LISTED).map_err(unreadable)? },
            "orphans": {
                "count": self.store.count_orphans().map_err(unreadable)?,
                "keys": self.store.orphans(LISTED).map_err(unreadable)?,
            },
            "keyDrives": self.store.key_drive_summary().map_err(unreadable)?,
            "drift": self.drift(caller)?,
            "sync": self.sync_status().map_err(unreadable)?,
        }))
    }

    /// How wallets get to MongoDB.
    fn sync_status(&self) -> Result<Value, StoreError> {
        /// The oldest ones; the count beside them is of all.
        const PARKED: u32 = 100;
        let state = self.store.outbox_state()?;
        let parked = self.store.parked(PARKED)?;
        let parked: Vec<Value> =
            parked.into_iter().map(|(wallet_id, reason)| json!({ "walletId": wallet_id, "reason": reason })).collect();
        let health = self.sync.as_ref().map(SyncState::health);
        Ok(json!({
            "configured": self.sync.is_some(),
            "pending": state.waiting,
            "maxPending": self.sync.as_ref().map(|sync| sync.config.max_pending),
            "oldestAgeSeconds": state.oldest_age(self.clock.now()).as_secs(),
            "parkedCount": state.parked,
            "parked": parked,
            "lastError": health.as_ref().and_then(|health| health.last_error.as_ref()),
            "indexProblems": health.as_ref().map(|health| health.index_problems.as_slice()).unwrap_or_default(),
        }))
    }

    /// Drift of the wallets that this caller may read.
    fn drift(&self, caller: &Caller) -> Result<Vec<Drift>, Failure> {
        const MOST: u32 = 1000;
        let mut drift = self.store.drift(MOST).map_err(unreadable)?;
        let readable =
            |drift: &Drift| self.store.wallet(drift.wallet_id).ok().flatten().is_some_and(|it| self.may_read(caller, &it));
        drift.retain(readable);
        Ok(drift)
    }
}

/// What the policy says of a call.
#[derive(Serialize)]
struct Explanation<'a> {
    decision: &'static str,
    /// Ids of the policies that decided.
    policies: &'a [String],
    summary: Value,
}

impl<'a> Explanation<'a> {
    fn new(explained: &Explained, decision: &'a Decision) -> Self {
        let effects = match &*explained.request {
            Request::SignHash(signing) => json!([{ "kind": "raw", "digest": signing.digest.to_string(), "unknownAmount": true }]),
            _ => json!([]),
        };
        Self {
            decision: if decision.is_allowed() { "allow" } else { "deny" },
            policies: decision.policies(),
            summary: json!({
                "method": explained.method.name,
                "action": decision.action().as_str(),
                "reason": decision.reason(),
                "effects": effects,
            }),
        }
    }
}

/// The stored record with its hash as one more member.
fn with_hash(row: &AuditRow) -> Result<Box<RawValue>, Failure> {
    let text = match row.record.strip_suffix('}') {
        Some(open) => format!("{open},\"hash\":\"{}\"}}", hex::encode(row.hash)),
        None => return Err(Failure::Internal(format!("audit record {} is not an object", row.sequence))),
    };
    RawValue::from_string(text).map_err(|error| Failure::Internal(format!("audit record {}: {error}", row.sequence)))
}
