//! A decoded content in words: for policy_explain, for people who are asked whether to go on, and for the audit.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::content::{Considered, wallets};
use crate::chains::effects::Effect;
use crate::outcome::{Answer, Failure, Outcome};
use crate::policy::{Action, Spend};
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
    /// Ids of the wallets that sign.
    wallets: Vec<String>,
    effects: Vec<EffectView>,
    total_out: u64,
    fee: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    fee_rate: Option<u64>,
    unknown_amount: bool,
    unknown_parts: bool,
    /// What it would take the place of.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<Value>,
    warnings: Vec<String>,
    details: Value,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct EffectView {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<String>,
    to_own_wallet: bool,
    unknown_amount: bool,
}

impl From<&Effect> for EffectView {
    fn from(effect: &Effect) -> Self {
        let Effect { kind, recipient, amount, token, selector, program, to_own_wallet, unknown_amount } = effect.clone();
        Self { kind: kind.as_str(), recipient, amount, token, selector, program, to_own_wallet, unknown_amount }
    }
}

impl Summary {
    pub fn new(method: &'static Method, actions: &[Action], content: &Content, spend: &Spend<'_>) -> Self {
        let decoded = &content.decoded;
        let replaces = spend.replaced.as_ref().map(|replaced| serde_json::to_value(replaced).unwrap_or(Value::Null));
        Self {
            method: method.name,
            actions: actions.iter().map(|action| action.as_str()).collect(),
            asset: content.network.asset().to_owned(),
            network: content.network.network().to_owned(),
            wallets: wallets(&content.payloads).into_iter().map(|wallet| wallet.wallet_id.to_string()).collect(),
            effects: decoded.effects.iter().map(EffectView::from).collect(),
            total_out: decoded.total_out,
            fee: decoded.fee,
            fee_rate: decoded.fee_rate,
            unknown_amount: spend.unknown_amount(),
            unknown_parts: spend.unknown_parts(),
            replaces,
            warnings: decoded.warnings.clone(),
            details: decoded.details.clone(),
        }
    }

    /// What the audit keeps for good: of what the policy allows every effect, of what it denies the first ones.
    pub fn for_audit(&self, allowed: bool) -> Arc<Value> {
        let most = if allowed { usize::MAX } else { AUDITED_EFFECTS };
        let details = if self.details.to_string().len() > AUDITED_DETAILS_BYTES { Value::Null } else { self.details.clone() };
        Arc::new(json!({
            "actions": self.actions,
            "wallets": self.wallets.get(..most).unwrap_or(&self.wallets),
            "effects": self.effects.get(..most).unwrap_or(&self.effects),
            "effectsInAll": self.effects.len(),
            "totalOut": self.total_out,
            "fee": self.fee,
            "feeRate": self.fee_rate,
            "unknownAmount": self.unknown_amount,
            "unknownParts": self.unknown_parts,
            "replaces": if allowed { self.replaces.clone() } else { self.replaces.as_ref().map(|_| Value::Bool(true)) },
            "warnings": self.warnings.get(..AUDITED_EFFECTS).unwrap_or(&self.warnings),
            "details": details,
        }))
    }
}

/// Takes out what names the wallets that sign.
fn leave_signers_out(summary: &mut Map<String, Value>) {
    for name in ["wallets", "details"] {
        summary.remove(name);
    }
}

/// Shows these recipients as the strangers that a caller must take them for who may not read their wallets.
fn hide_recipients(summary: &mut Map<String, Value>, hidden: &[&OwnRecipient]) {
    for effect in summary.get_mut("effects").and_then(Value::as_array_mut).into_iter().flatten() {
        let recipient = effect.get("recipient").and_then(Value::as_str);
        if hidden.iter().any(|known| recipient == Some(&known.address))
            && let Value::Object(members) = effect
        {
            members.insert("toOwnWallet".to_owned(), false.into());
        }
    }
    if let Some(Value::Array(warnings)) = summary.get_mut("warnings") {
        let names: Vec<_> = hidden.iter().flat_map(|known| [known.address.clone(), known.wallet.wallet_id.to_string()]).collect();
        let tells = |warning: &Value| {
            let text = warning.as_str().unwrap_or_default();
            // Of a stranger's address other warnings may speak, and none of them tells a wallet's state.
            text.contains("wallet") && names.iter().any(|name| text.contains(name.as_str()))
        };
        warnings.retain(|warning| !tells(warning));
    }
}

impl Considered {
    /// The answer of policy_explain. A fee over the limit and a replacement that is not permitted deny too: the call itself would be
    /// refused. Of wallets that the caller may not read it is not told that they are ours.
    pub fn explain(self, over_max_fee: Option<Failure>, may_read: impl Fn(&Wallet) -> bool) -> Outcome {
        let Self { content, decision, summary, refused_replacement, .. } = self;
        let hides_signers = content.payloads.iter().any(|payload| !may_read(&payload.wallet));
        let hidden: Vec<_> = content.recipients.iter().filter(|known| !may_read(&known.wallet)).collect();
        let decisive = refused_replacement.as_ref().unwrap_or(&decision);
        let allowed = decisive.is_allowed() && over_max_fee.is_none();
        let reason = match &over_max_fee {
            Some(failure) if decisive.is_allowed() => failure.to_string(),
            _ => decisive.reason(),
        };
        let mut summary = serde_json::to_value(&summary).map_err(|error| Failure::Internal(error.to_string()))?;
        if let Value::Object(members) = &mut summary {
            members.insert("action".to_owned(), decisive.action().as_str().into());
            members.insert("reason".to_owned(), reason.into());
            if hides_signers {
                leave_signers_out(members);
            }
            hide_recipients(members, &hidden);
            // Whoever may not replace it need not know what others pay.
            if refused_replacement.is_some() {
                members.remove("replaces");
                let taken = "Another content has its nonce, or one of its coins, and would be replaced.";
                if let Some(Value::Array(warnings)) = members.get_mut("warnings") {
                    warnings.push(taken.into());
                }
            }
        }
        Answer::of(&json!({
            "decision": if allowed { "allow" } else { "deny" },
            "policies": decisive.policies(),
            "summary": summary,
        }))
    }
}
