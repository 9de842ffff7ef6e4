//! What is decoded on its way: from the content to the decision, from there to the proven signatures of every payload.
//!
//! It must never judge what it does not sign, nor sign what it did not judge: both are one [`Content`].

use std::collections::HashSet;
use std::sync::Arc;

use super::Services;
use super::attempt::{Attempt, Attempts, prove_stored};
use super::judge::{Subject, denied, judged};
use super::summary::Summary;
use crate::audit::record::Facts;
use crate::caller::Caller;
use crate::chains::Address;
use crate::chains::decoded::Rule;
use crate::guards::{Guarded, GuardsError};
use crate::outcome::{Failure, Outcome};
use crate::policy::{Action, Context, Decision, Principal, Question, Replaced, Resource, Spend};
use crate::rpc::methods::Method;
use crate::rpc::{Call, Request, Selector};
use crate::store::CachedWallet;
use crate::store::commits::{GuardedContent, Judged, Recorded, Reserved, ReservedGuarded, SlotPayload};
use crate::store::wallets::Wallet;
use crate::verify::VerifiedSignature;
use crate::wallets::content::{Assemble, Content, ContentPayload, Lookup, Spends};
use crate::wallets::{
    facts_of, select, sign_cardano, sign_evm, sign_message, sign_psbt, sign_solana, sign_xrp, unknown, unreadable,
};

/// A content with what the policy says of it.
pub struct Considered {
    pub content: Content,
    pub decision: Decision,
    /// What is reserved, for what spends.
    pub guarded: Option<GuardedContent>,
    pub summary: Summary,
    /// Whether it would replace others, and may not.
    pub refused_replacement: Option<Decision>,
    /// Whether a wallet would sign that the caller may not read.
    pub hides_signers: bool,
    /// What a denied caller is told instead, if it may not know of that wallet.
    pub told: Option<Failure>,
}

impl Services {
    fn lookup(&self) -> Lookup<'_> {
        Lookup {
            store: &self.store,
            networks: &self.networks,
            tokens: &self.content_rules.tokens,
            allow_witness_utxo_only: self.content_rules.allow_witness_utxo_only,
        }
    }

    fn decode(&self, request: &Request) -> Result<Content, Failure> {
        let lookup = self.lookup();
        match request {
            Request::SignTransaction(transaction) => sign_evm::transaction(&lookup, transaction),
            Request::SignAuthorization(authorization) => sign_evm::authorization(&lookup, authorization),
            Request::SignPersonal(personal) => sign_message::personal(&lookup, &personal.address, personal.message.as_bytes()),
            Request::SignTypedData(signing) => sign_message::typed_data(&lookup, &signing.address, &signing.typed_data),
            Request::SignUtxoMessage(message) => {
                sign_message::utxo(&lookup, &message.selector, message.message.as_str(), message.format)
            }
            Request::SignPsbt(signing) => sign_psbt::psbt(&lookup, &signing.network, &signing.psbt, signing.finalize),
            Request::SignXrp(signing) => {
                sign_xrp::transaction(&lookup, &signing.selector, &signing.transaction, signing.multi_sign)
            }
            Request::SignSolana(signing) => sign_solana::transaction(&lookup, &signing.selector, &signing.transaction),
            Request::SignSolanaMessage(message) => sign_message::solana(&lookup, &message.selector, message.message.as_str()),
            Request::SignCardano(signing) => {
                sign_cardano::transaction(&lookup, &signing.selector, &signing.transaction, signing.resolved_inputs.as_deref())
            }
            request => Err(Failure::Internal(format!("{request:?} has no content"))),
        }
    }

    /// Decodes what is asked to be signed, and judges it. Takes up to a second: not for a thread that serves the socket.
    ///
    /// # Errors
    /// Why it can't be decoded, or what stands in the way whatever the policy says, as this caller may hear it.
    pub(super) fn consider(&self, caller: &Caller, method: &'static Method, request: &Request) -> Result<Considered, Failure> {
        let decoded = self.decode(request).and_then(|content| self.judge_content(caller, method, request, content));
        decoded.map_err(|failure| self.without_hidden_wallet(caller, request, failure))
    }

    fn judge_content(
        &self,
        caller: &Caller,
        method: &'static Method,
        request: &Request,
        content: Content,
    ) -> Result<Considered, Failure> {
        // Only messages may spend nothing: a transaction whose decoder forgot its guards is not signed.
        if matches!(content.spends, Spends::Nothing) && method.action != Action::SignMessage {
            return Err(Failure::Internal(format!("{} has no guards", method.name)));
        }
        let guarded = guard(&content)?;
        let in_the_way = match &guarded {
            Some(guarded) => self.store.in_the_way_of(guarded).map_err(unreadable)?,
            None => Vec::new(),
        };
        let mut replaced: Option<Replaced> = None;
        for other in &in_the_way {
            let known = serde_json::from_str::<Replaced>(&other.summary).map_err(|error| Failure::Internal(error.to_string()))?;
            replaced = Some(replaced.map_or(known.clone(), |sum| sum.and(known)));
        }
        let spend = Spend::decoded(method.name, self.clock.now(), &content.decoded, replaced);
        let actions: Vec<Action> = std::iter::once(method.action).chain(content.more_actions.iter().copied()).collect();
        let decision = self.ask_of_all(caller, &actions, &content, &spend);
        let refused_replacement = (decision.is_allowed() && !in_the_way.is_empty())
            .then(|| self.ask_of_all(caller, &[Action::Replace], &content, &spend))
            .filter(|decision| !decision.is_allowed());
        let may_replace = decision.is_allowed() && refused_replacement.is_none();
        let guarded = guarded.map(|GuardedContent { payloads, guarded }| {
            // Whoever may not replace gets the conflict, which says who has the guard.
            let permitted = if may_replace { in_the_way.iter().map(|other| other.content).collect() } else { Vec::new() };
            GuardedContent { payloads, guarded: guarded.replacing(permitted) }
        });
        let summary = Summary::new(method, &actions, &content, &spend);
        let hidden = self.hidden(caller, &content);
        let told = hidden.filter(|_| !decision.is_allowed()).and_then(|payload| self.told_of(caller, request, payload));
        let hides_signers = hidden.is_some();
        Ok(Considered { content, decision, guarded, summary, refused_replacement, hides_signers, told })
    }

    /// Every action, of every wallet that would sign.
    fn ask_of_all(&self, caller: &Caller, actions: &[Action], content: &Content, spend: &Spend<'_>) -> Decision {
        let facts: Vec<_> = wallets(&content.payloads).into_iter().map(|wallet| facts_of(wallet, &self.networks)).collect();
        let principal = Principal { uid: caller.uid(), groups: caller.groups() };
        let questions: Vec<Question<'_>> = facts
            .iter()
            .flat_map(|facts| actions.iter().map(move |action| (facts, *action)))
            .map(|(facts, action)| Question {
                principal,
                action,
                resource: Resource::Wallet(facts.borrowed()),
                context: Context::Spend(spend),
            })
            .collect();
        match questions.split_first() {
            Some((first, others)) => self.policy().decide_all(first, others),
            // Nothing to sign: asked about the daemon, for which no policy can permit it.
            None => self.ask(caller, actions.first().copied().unwrap_or(Action::Sign), Resource::Daemon, Context::Spend(spend)),
        }
    }

    /// The first payload of a wallet that the caller may not read.
    fn hidden<'c>(&self, caller: &Caller, content: &'c Content) -> Option<&'c ContentPayload> {
        let mut seen = HashSet::new();
        let mut each_wallet = content.payloads.iter().filter(|payload| seen.insert(payload.wallet.wallet_id));
        each_wallet.find(|payload| !self.may_read(caller, &payload.wallet))
    }

    /// What a denied caller is told that may not read the wallet of this payload.
    fn told_of(&self, caller: &Caller, request: &Request, hidden: &ContentPayload) -> Option<Failure> {
        if let Request::SignPsbt(_) = request
            && self.ask(caller, Action::Read, Resource::Daemon, Context::Method("wallet_get")).is_allowed()
        {
            return Some(sign_psbt::foreign_input(hidden.slot));
        }
        self.told_instead(caller, request, &Subject::Wallet(Arc::clone(&hidden.wallet)))
    }

    /// Whether no policy could let the caller sign this way, nor read: then nothing is decoded for it.
    fn has_no_say(&self, caller: &Caller, action: Action) -> Option<Failure> {
        let principal = Principal { uid: caller.uid(), groups: caller.groups() };
        let policy = self.policy();
        let has_say = policy.may_concern(principal, action) || policy.may_concern(principal, Action::Read);
        (!has_say).then(|| denied(&self.ask(caller, Action::Read, Resource::Daemon, Context::Method("wallet_get"))))
    }

    /// Decodes, judges, has signed and assembles.
    pub(super) async fn sign_content(self: Arc<Self>, caller: Caller, call: Call) -> Recorded {
        if let Some(denied) = self.has_no_say(&caller, call.method().action) {
            let (judged, _) = self.judge(caller, &call, &Subject::Unknown(denied));
            return self.store.record_denial(judged, None).await;
        }
        let deciding = Arc::clone(&self);
        // Decoding and judging take up to a second; they must not keep a thread from those who wait for the socket.
        let turns = Arc::clone(&self);
        let turn = turns.decoding.take(caller.uid()).await;
        let considering = tokio::task::spawn_blocking(move || {
            let considered = deciding.consider(&caller, call.method(), call.request());
            (caller, call, considered)
        });
        let (caller, call, considered) = match considering.await {
            Ok(considered) => considered,
            Err(error) => return Recorded::unreadable(Failure::Internal(error.to_string())),
        };
        drop(turn);
        let considered = match considered {
            Ok(considered) => considered,
            Err(failure @ (Failure::StoreUnavailable | Failure::Internal(_))) => return Recorded::unreadable(failure),
            // Who may read at all learns what is wrong; it is recorded, so that nobody can try contents out unseen.
            Err(failure) => {
                let (judged, told) = self.judge(caller, &call, &Subject::Unknown(failure.clone()));
                if judged.decision.is_allowed() {
                    return self.store.record_refusal(judged, failure).await;
                }
                return self.store.record_denial(judged, told).await;
            }
        };
        let Considered { content, decision, guarded, summary, told, .. } = considered;
        let facts = facts(&content, &summary, decision.is_allowed());
        let judged = judged(caller, &call, facts, decision);
        if !judged.decision.is_allowed() {
            return self.store.record_denial(judged, told).await;
        }
        if let Some(failure) = self.over_max_fee(&content) {
            return self.store.record_refusal(judged, failure).await;
        }
        match guarded {
            Some(guarded) => self.sign_guarded(judged, content, guarded).await,
            None => self.sign_unguarded(judged, content).await,
        }
    }

    /// What a content is refused for, as a caller may hear it who may not read the wallet that it names: as if there were none.
    fn without_hidden_wallet(&self, caller: &Caller, request: &Request, failure: Failure) -> Failure {
        let by_address =
            |address: &Address| Selector::Address { address: address.as_str().to_owned(), asset: None, network: None };
        let selector = match request {
            Request::SignTransaction(transaction) => by_address(&transaction.from),
            Request::SignAuthorization(authorization) => by_address(&authorization.address),
            Request::SignPersonal(personal) => by_address(&personal.address),
            Request::SignTypedData(signing) => by_address(&signing.address),
            Request::SignUtxoMessage(message) => message.selector.clone(),
            Request::SignXrp(signing) => signing.selector.clone(),
            Request::SignSolana(signing) => signing.selector.clone(),
            Request::SignSolanaMessage(message) => message.selector.clone(),
            Request::SignCardano(signing) => signing.selector.clone(),
            // An input of a wallet that is hidden is as one of nobody's.
            Request::SignPsbt(signing) => {
                let may_read = |wallet: &Wallet| self.may_read(caller, wallet);
                let foreign = sign_psbt::first_foreign(&self.lookup(), &signing.network, &signing.psbt, &may_read);
                return match foreign {
                    Ok(Some(input)) => sign_psbt::foreign_input(input),
                    Ok(None) => failure,
                    Err(unreadable) => unreadable,
                };
            }
            _ => return failure,
        };
        match select(&self.store, &self.networks, &selector) {
            Ok(wallet) if !self.may_read(caller, &wallet) => unknown(request.selector_name()),
            _ => failure,
        }
    }

    /// Why its fee is too high, whatever the policy says.
    fn over_max_fee(&self, content: &Content) -> Option<Failure> {
        let (asset, fee) = (content.network.asset(), content.decoded.fee);
        let limit = self.content_rules.max_fee.of(asset).filter(|limit| fee > *limit)?;
        let reason = format!("the fee may come to {fee}, and [limits] max_fee of {asset} is {limit}");
        Some(Failure::TransactionRefused { rule: Rule::MaxFee, reason })
    }

    /// Has a content signed that spends nothing that can be guarded.
    async fn sign_unguarded(self: Arc<Self>, judged: Judged, content: Content) -> Recorded {
        let Content { payloads, assemble, .. } = content;
        let [ContentPayload { wallet, payload, .. }] = &payloads[..] else {
            let failure = Failure::Internal("a content without guards needs one signature".to_owned());
            return self.store.record_refusal(judged, failure).await;
        };
        match self.store.reserve_signing(judged, wallet.wallet_id, payload.clone()).await {
            Reserved::Proceed((permit, key), open) => {
                let attempt = self.attempt(permit, &key, wallet).await;
                let (lost, Attempt { result, request_ids, .. }) = (attempt.was_lost(), attempt);
                let outcome = result.and_then(|verified| assemble_proven(assemble, &payloads, vec![verified]));
                self.store.record_signing(open, outcome, lost, request_ids).await
            }
            Reserved::Settled(recorded) => recorded,
        }
    }

    /// Has every payload of a content signed, and releases all of them or none.
    async fn sign_guarded(self: Arc<Self>, judged: Judged, content: Content, guarded: GuardedContent) -> Recorded {
        let Content { payloads, assemble, .. } = content;
        match self.store.reserve_guarded(judged, guarded).await {
            ReservedGuarded::Sign(signing, open) => {
                let Attempts { result, made, request_ids } = Arc::clone(&self).attempt_all(signing, &payloads).await;
                let outcome = assemble_beside(assemble, payloads, result).await;
                self.store.record_guarded(open, outcome, made, request_ids).await
            }
            ReservedGuarded::Signed(signed, repeat) => {
                let proven: Result<Vec<_>, _> =
                    payloads.iter().zip(signed).map(|(payload, signed)| prove_stored(payload, &signed)).collect();
                let outcome = assemble_beside(assemble, payloads, proven).await;
                self.store.record_repeat(repeat, outcome).await
            }
            ReservedGuarded::Settled(recorded) => recorded,
        }
    }

    /// The answer of policy_explain about a content.
    pub(super) fn explain_content(&self, caller: &Caller, method: &'static Method, request: &Request) -> Outcome {
        let considered = match self.consider(caller, method, request) {
            Ok(considered) => considered,
            Err(failure @ (Failure::StoreUnavailable | Failure::Internal(_))) => return Err(failure),
            Err(failure) => {
                let decision = self.decide(caller, method, request, &Subject::Unknown(failure.clone()));
                return Err(if decision.is_allowed() { failure } else { denied(&decision) });
            }
        };
        if let Some(told) = considered.told {
            return Err(told);
        }
        let over_max_fee = self.over_max_fee(&considered.content);
        considered.explain(over_max_fee, |wallet| self.may_read(caller, wallet))
    }
}

/// What is to be reserved.
fn guard(content: &Content) -> Result<Option<GuardedContent>, Failure> {
    let Spends::Once { content: hash, guards } = &content.spends else { return Ok(None) };
    let guarded = Guarded::new(*hash, guards.clone(), &Replaced::of(&content.decoded));
    let guarded = guarded.map_err(|error: GuardsError| Failure::TransactionRefused {
        rule: Rule::Guards,
        reason: format!("the transaction {error}"),
    })?;
    let payloads = content
        .payloads
        .iter()
        .map(|ContentPayload { wallet, slot, payload }| SlotPayload {
            wallet_id: wallet.wallet_id,
            slot: *slot,
            payload: payload.clone(),
        })
        .collect();
    Ok(Some(GuardedContent { payloads, guarded }))
}

/// As [`assemble_proven`]. Finalizing thousands of inputs takes a while, and must not keep others from the socket.
async fn assemble_beside(
    assemble: Assemble,
    payloads: Vec<ContentPayload>,
    verified: Result<Vec<VerifiedSignature>, Failure>,
) -> Outcome {
    const FEW: usize = 20;
    let verified = verified?;
    if verified.len() <= FEW {
        return assemble_proven(assemble, &payloads, verified);
    }
    let assembling = tokio::task::spawn_blocking(move || assemble_proven(assemble, &payloads, verified));
    assembling.await.unwrap_or_else(|error| Err(Failure::Internal(error.to_string())))
}

/// The answer, if these are the signatures of these payloads.
fn assemble_proven(assemble: Assemble, payloads: &[ContentPayload], verified: Vec<VerifiedSignature>) -> Outcome {
    let fits = payloads.len() == verified.len()
        && payloads
            .iter()
            .zip(&verified)
            .all(|(asked, verified)| asked.wallet.wallet_id == verified.wallet_id() && asked.payload == *verified.payload());
    if fits { assemble(verified) } else { Err(Failure::Internal("signatures of other payloads".to_owned())) }
}

/// Each wallet once, in the order in which they are first needed.
pub(super) fn wallets(payloads: &[ContentPayload]) -> Vec<&CachedWallet> {
    let mut seen = HashSet::new();
    payloads.iter().filter(|payload| seen.insert(payload.wallet.wallet_id)).map(|payload| &*payload.wallet).collect()
}

fn facts(content: &Content, summary: &Summary, allowed: bool) -> Facts {
    let wallet = match wallets(&content.payloads)[..] {
        [wallet] => Some(wallet),
        _ => None,
    };
    let digest = match (&content.payloads[..], &content.spends) {
        ([one], _) => Some(one.payload.digest()),
        (_, Spends::Once { content, .. }) => Some(content.to_string()),
        _ => None,
    };
    Facts {
        wallet_id: wallet.map(|wallet| wallet.wallet_id.to_string()),
        user_id: wallet.map(|wallet| wallet.user_id.to_string()),
        asset: Some(content.network.asset().to_owned()),
        network: Some(content.network.network().to_owned()),
        digest,
        summary: Some(summary.for_audit(&content.recipients, allowed)),
        ..Facts::default()
    }
}
