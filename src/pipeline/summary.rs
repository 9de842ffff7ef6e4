//! A decoded content in words: for policy_explain, for people who are asked whether to go on, and for the audit.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::content::{Considered, wallets};
use crate::chains::effects::Effect;
use crate::outcome::{Answer, Failure, Outcome};
use crate::policy::{Action, Replaced, Spend};
use crate::rpc::methods::Method;
use crate::store::wallets::Wallet;
use crate::wallets::content::{Content, OwnRecipient};

/// Effects that the audit lists of what was not signed; all are counted. Whoever is denied must not fill the disk.
const AUDITED_EFFECTS: usize = 100;
/// Longest details that the audit keeps, in bytes of JSON.
const AUDITED_DETAILS_BYTES: usize = 64 << 10;

/// What a content does, in the words of the API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    method: &'static str,
    /// What the policy is asked for.
    actions: Vec<&'static str>,
    asset: String,
    network: String,
    /// Ids of the wallets that sign; `None` for who may not know them all.
    #[serde(skip_serializing_if = "Option::is_none")]
    wallets: Option<Vec<String>>,
    effects: Vec<Effect>,
    total_out: u64,
    fee: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    fee_rate: Option<u64>,
    unknown_amount: bool,
    unknown_parts: bool,
    /// What it would take the place of.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<Replaced>,
    warnings: Vec<String>,
    /// `None` beside `wallets`: they name the wallets too.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
}

/// A summary with what the policy says of it.
#[derive(Serialize)]
struct Explained {
    action: &'static str,
    reason: String,
    #[serde(flatten)]
    summary: Summary,
}

impl Summary {
    pub fn new(method: &'static Method, actions: &[Action], content: &Content, spend: &Spend<'_>) -> Self {
        let decoded = &content.decoded;
        Self {
            method: method.name,
            actions: actions.iter().map(|action| action.as_str()).collect(),
            asset: content.network.asset().to_owned(),
            network: content.network.network().to_owned(),
            wallets: Some(wallets(&content.payloads).into_iter().map(|wallet| wallet.wallet_id.to_string()).collect()),
            effects: decoded.effects.clone(),
            total_out: decoded.total_out,
            fee: decoded.fee,
            fee_rate: decoded.fee_rate,
            unknown_amount: spend.unknown_amount(),
            unknown_parts: spend.unknown_parts(),
            replaces: spend.replaced.clone(),
            warnings: decoded.warnings.clone(),
            details: Some(decoded.details.clone()),
        }
    }

    /// What the audit keeps for good: of what the policy allows every effect, of what it denies the first ones.
    pub fn for_audit(&self, recipients: &[OwnRecipient], allowed: bool) -> Arc<Value> {
        let most = if allowed { usize::MAX } else { AUDITED_EFFECTS };
        let wallets = self.wallets.as_deref().unwrap_or_default();
        let details = self.details.as_ref().filter(|details| details.to_string().len() <= AUDITED_DETAILS_BYTES);
        let told = recipients.iter().filter_map(OwnRecipient::warning);
        let warnings: Vec<_> = self.warnings.iter().cloned().chain(told).take(AUDITED_EFFECTS).collect();
        Arc::new(json!({
            "actions": self.actions,
            "wallets": wallets.get(..most).unwrap_or(wallets),
            "effects": self.effects.get(..most).unwrap_or(&self.effects),
            "effectsInAll": self.effects.len(),
            "totalOut": self.total_out,
            "fee": self.fee,
            "feeRate": self.fee_rate,
            "unknownAmount": self.unknown_amount,
            "unknownParts": self.unknown_parts,
            "replaces": self.replaces.as_ref().map(|replaced| if allowed { json!(replaced) } else { true.into() }),
            "warnings": warnings,
            "details": details,
        }))
    }

    /// For a caller who may not read all wallets that sign.
    fn leave_signers_out(&mut self) {
        (self.wallets, self.details) = (None, None);
    }

    /// Tells of the recipients that are wallets here. One that the caller may not read is shown as the stranger that it must take it
    /// for.
    fn tell_of(&mut self, recipients: &[OwnRecipient], may_read: impl Fn(&Wallet) -> bool) {
        let (readable, hidden): (Vec<_>, Vec<_>) = recipients.iter().partition(|known| may_read(&known.wallet));
        let hidden: HashSet<_> = hidden.into_iter().map(|known| known.address.as_str()).collect();
        for effect in &mut self.effects {
            effect.to_own_wallet &= effect.recipient.as_deref().is_none_or(|recipient| !hidden.contains(recipient));
        }
        self.warnings.extend(readable.into_iter().filter_map(OwnRecipient::warning));
    }

    /// For a caller who may not replace it: what others pay is not its to know.
    fn leave_replaced_out(&mut self) {
        self.replaces = None;
        self.warnings.push("Another content has its nonce, or one of its coins, and would be replaced.".to_owned());
    }
}

impl Considered {
    /// The answer of policy_explain. A fee over the limit and a replacement that is not permitted deny too: the call itself would be
    /// refused. Of wallets that the caller may not read it is not told that they are ours.
    pub fn explain(self, over_max_fee: Option<Failure>, may_read: impl Fn(&Wallet) -> bool) -> Outcome {
        let Self { content, decision, mut summary, refused_replacement, hides_signers, .. } = self;
        let decisive = refused_replacement.as_ref().unwrap_or(&decision);
        let reason = match &over_max_fee {
            Some(failure) if decisive.is_allowed() => failure.to_string(),
            _ => decisive.reason(),
        };
        summary.tell_of(&content.recipients, may_read);
        if hides_signers {
            summary.leave_signers_out();
        }
        if refused_replacement.is_some() {
            summary.leave_replaced_out();
        }
        Answer::of(&json!({
            "decision": if decisive.is_allowed() && over_max_fee.is_none() { "allow" } else { "deny" },
            "policies": decisive.policies(),
            "summary": Explained { action: decisive.action().as_str(), reason, summary },
        }))
    }
}
