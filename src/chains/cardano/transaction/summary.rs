//! What a transaction does, for policy and people.
//!
//! What leaves is what outputs, fee, deposits, donation and burning say: the ledger lets nothing else go. Where the inputs come from is
//! not needed for that, so that without `resolvedInputs` nothing is hidden, and with false ones neither.

use serde_json::{Map, Value, json};

use super::body::{Asset, Datum, Input, Output};
use super::certificates::{Certificate, Deposit, Does};
use super::checks::{self, Balance};
use super::resolved::{Resolved, ResolvedInput, resolve};
use super::witnesses::Witness;
use super::{CardanoTransactionRequest, MAX_TRANSACTION_BYTES};
use crate::chains::cardano::address::{Credential, Hash28, Payable, RewardAccount, StakePart};
use crate::chains::cardano::{CardanoNetwork, key_hash};
use crate::chains::decoded::{DecodeError, Decoded};
use crate::chains::effects::{Effect, EffectKind};
use crate::chains::networks::{Family, Network};
use crate::chains::tokens::Tokens;

/// Who gets a donation, which has no address.
const TREASURY: &str = "treasury";
/// Most entries of a list that people are shown.
const MAX_LISTED: usize = 100;
/// A fee in lovelace that must be a mistake: the largest transaction without scripts costs less than 1,000,000.
const ABSURD_FEE: u64 = 10_000_000;

/// The wallet that is to sign.
#[derive(Debug, Clone)]
pub struct Signer {
    key: [u8; 32],
    hash: Hash28,
    /// The wallet's own address, which may have a stake part that is another wallet's.
    address: Option<String>,
}

impl Signer {
    /// `key`: the wallet's public key. `address`: the one that it was made with.
    pub fn new(key: &[u8; 32], address: Option<&str>) -> Self {
        Self { key: *key, hash: *key_hash(key), address: address.map(str::to_owned) }
    }

    /// The key by its hash.
    pub(super) const fn hash(&self) -> &Hash28 {
        &self.hash
    }

    /// Whether this key alone can spend what is there.
    fn spends(&self, address: &Payable) -> bool {
        address.payment.is_some_and(|payment| payment.is_key(&self.hash))
    }

    /// Whether what is paid there stays the wallet's. An address of its payment key with somebody else's stake part gives that one
    /// the rewards and the votes.
    fn owns(&self, address: &Payable) -> bool {
        let stake_is_own = match &address.stake {
            StakePart::None => true,
            StakePart::Credential(credential) => credential.is_key(&self.hash),
            StakePart::Pointer => false,
        };
        self.spends(address) && (stake_is_own || self.address.as_ref() == Some(&address.text))
    }
}

impl CardanoTransactionRequest {
    /// What it does, and whether it may be signed for this wallet. No other wallet is known here: `to_own_wallet` is false everywhere.
    ///
    /// # Errors
    /// [`DecodeError::Refused`] with [`Rule::Network`](crate::chains::decoded::Rule::Network) for anything of another network,
    /// `AlreadySigned` for a witness that does not hold, and with `resolved` `NotNeeded` and `Amount`; [`DecodeError::Invalid`] if
    /// `resolved` are not its inputs, or if it gets too long by the witness.
    pub fn decode(
        &self,
        network: &Network,
        signer: &Signer,
        resolved: Option<&[ResolvedInput]>,
        tokens: &Tokens,
    ) -> Result<Decoded, DecodeError> {
        let Family::Cardano(params) = network.params() else {
            return Err(DecodeError::invalid("transaction", "is one of Cardano, and the wallet is none"));
        };
        checks::network(&self.body, network, params)?;
        self.witnesses.prove(&self.tx_id())?;
        self.check_length(signer)?;
        let resolved = resolved.map(|said| resolve(&self.body, said, params)).transpose()?;
        let balance = match &resolved {
            Some(resolved) => {
                checks::need(self, signer, resolved)?;
                Some(checks::balance(&self.body, resolved)?)
            }
            None => None,
        };
        let collateral = checks::collateral(&self.body, resolved.as_ref())?;
        let mut told = Told { transaction: self, network, params, signer, tokens, effects: Vec::new(), warnings: Vec::new() };
        Ok(told.all(resolved.as_ref(), balance, collateral))
    }

    fn check_length(&self, signer: &Signer) -> Result<(), DecodeError> {
        let witness = Witness { key: signer.key, signature: [0; 64] };
        let with = self.witnesses.with(&self.bytes, &witness, self.body.tags_sets);
        let is_there = self.witnesses.of(&signer.key).is_some();
        match with.map(|bytes| bytes.len()).filter(|length| !is_there && *length > MAX_TRANSACTION_BYTES) {
            Some(length) => {
                let reason = format!("has {length} bytes with the wallet's witness, more than {MAX_TRANSACTION_BYTES}");
                Err(DecodeError::invalid("transaction", reason))
            }
            None => Ok(()),
        }
    }

    /// Whether scripts may run, data may be taken from elsewhere, or something was not read.
    fn has_unknown_parts(&self) -> bool {
        let body = &self.body;
        body.script_data_hash.is_some()
            || !body.collateral.is_empty()
            || !body.reference_inputs.is_empty()
            || !body.voters.is_empty()
            || !body.proposals.is_empty()
            || self.witnesses.has_plutus
            || body.certificates.iter().any(|certificate| !certificate.is_read)
            || body.all_outputs().any(|output| output.datum.is_some() || output.script)
    }
}

struct Told<'a> {
    transaction: &'a CardanoTransactionRequest,
    network: &'a Network,
    params: CardanoNetwork,
    signer: &'a Signer,
    tokens: &'a Tokens,
    effects: Vec<Effect>,
    warnings: Vec<String>,
}

impl Told<'_> {
    fn all(&mut self, resolved: Option<&Resolved<'_>>, balance: Option<Balance>, collateral: Option<u64>) -> Decoded {
        let body = &self.transaction.body;
        let mut sent: u64 = 0;
        for output in &body.outputs {
            sent = sent.saturating_add(self.payment(output));
        }
        // Only one of the two happens: all of it, or, if scripts fail, this.
        let returned_to_others = body.collateral_return.iter().fold(0, |_, output| self.payment(output));
        self.minted();
        let deposits = checks::deposits(body);
        let mut others = u64::try_from(deposits.paid).unwrap_or(u64::MAX);
        if let Some(Balance::Deposits(unsaid)) = balance {
            others = others.saturating_add(unsaid);
        }
        for certificate in &body.certificates {
            self.certificate(certificate);
        }
        self.governance();
        if let Some(donation) = body.donation {
            others = others.saturating_add(donation);
            self.effects.push(Effect {
                recipient: Some(TREASURY.to_owned()),
                amount: Some(donation),
                ..Effect::new(EffectKind::Transfer)
            });
        }
        let fee = self.fee(collateral);
        let total_out = sent.saturating_add(others).max(returned_to_others);
        self.warn(total_out, resolved.is_some(), balance);
        Decoded {
            effects: std::mem::take(&mut self.effects),
            total_out,
            fee,
            fee_rate: None,
            unknown_parts: self.transaction.has_unknown_parts(),
            warnings: std::mem::take(&mut self.warnings),
            details: self.details(resolved, collateral),
        }
    }

    /// What of an output is no change. Gives its lovelace, if it leaves.
    fn payment(&mut self, output: &Output) -> u64 {
        if self.signer.owns(&output.address) {
            return 0;
        }
        let recipient = &output.address.text;
        if self.signer.spends(&output.address) {
            self.warnings.push(format!(
                "{recipient} has the wallet's payment key and another stake part: rewards and votes of what is there are somebody else's."
            ));
        }
        let lovelace = output.amounts.lovelace;
        let transfer = Effect::new(EffectKind::Transfer);
        self.effects.push(Effect { recipient: Some(recipient.clone()), amount: Some(lovelace), ..transfer });
        for (asset, quantity) in &output.amounts.tokens {
            self.token(asset, *quantity, Some(recipient.clone()));
        }
        lovelace
    }

    fn token(&mut self, asset: &Asset, quantity: u64, recipient: Option<String>) {
        let token = asset.to_string();
        let amount = self.tokens.whole_asset(self.network, &token, quantity);
        let effect = Effect::new(EffectKind::Token);
        self.effects.push(Effect { recipient, amount, unknown_amount: amount.is_none(), token: Some(token), ..effect });
    }

    /// Tokens that come to be or cease to be; where those go that come to be, the outputs say.
    fn minted(&mut self) {
        for (asset, quantity) in &self.transaction.body.mint {
            self.token(asset, quantity.unsigned_abs(), None);
        }
    }

    fn certificate(&mut self, certificate: &Certificate) {
        let deposit = match certificate.deposit {
            Deposit::Paid(lovelace) => Some(lovelace),
            _ => None,
        };
        let unknown_amount = certificate.deposit == Deposit::PaidUnsaid;
        if certificate.does == Does::Authority {
            self.effects.push(Effect { amount: deposit, unknown_amount, ..Effect::new(EffectKind::Authority) });
            return;
        }
        if certificate.registers_stake() {
            // Whoever has the credential gets the deposit back.
            let recipient = Some(RewardAccount::of(self.params, certificate.credential).to_string());
            self.effects.push(Effect { recipient, amount: deposit, unknown_amount, ..Effect::new(EffectKind::Create) });
        } else if certificate.pool.is_none() && certificate.drep.is_none() {
            // What was delegated is nobody's any more.
            self.effects.push(Effect::new(EffectKind::Delegate));
        }
        let pool = certificate.pool.map(|pool| pool.to_string());
        let drep = certificate.drep.map(|drep| drep.to_string());
        for recipient in [pool, drep].into_iter().flatten() {
            self.effects.push(Effect { recipient: Some(recipient), ..Effect::new(EffectKind::Delegate) });
        }
    }

    fn governance(&mut self) {
        let body = &self.transaction.body;
        for _ in &body.voters {
            self.effects.push(Effect::new(EffectKind::Authority));
        }
        for proposal in &body.proposals {
            self.effects.push(Effect {
                recipient: Some(proposal.returned_to.to_string()),
                amount: Some(proposal.deposit),
                ..Effect::new(EffectKind::Authority)
            });
        }
    }

    /// The most that the network may take: the fee, or the collateral if scripts fail.
    fn fee(&mut self, collateral: Option<u64>) -> u64 {
        let body = &self.transaction.body;
        if body.collateral.is_empty() {
            self.effects.push(Effect { amount: Some(body.fee), ..Effect::new(EffectKind::Fee) });
            return body.fee;
        }
        // What resolvedInputs says of it is a claim; what the body says is held against the inputs by the ledger.
        let unknown_amount = body.total_collateral.is_none();
        let most = if unknown_amount { u64::MAX } else { body.fee.max(collateral.unwrap_or(0)) };
        self.effects.push(Effect { amount: Some(most), unknown_amount, ..Effect::new(EffectKind::Fee) });
        let how_much = match (body.total_collateral, collateral) {
            (Some(said), _) => format!("{said} lovelace of collateral"),
            (None, Some(claimed)) => format!("the collateral, which is said to be {claimed} lovelace,"),
            (None, None) => "the collateral, of which nothing says how much it is,".to_owned(),
        };
        self.warnings.push(format!("If a script fails, {how_much} may be taken instead of the fee."));
        most
    }

    fn warn(&mut self, total_out: u64, is_resolved: bool, balance: Option<Balance>) {
        let transaction = self.transaction;
        let body = &transaction.body;
        let fee = body.fee;
        let mut warn = |sentence: &str| self.warnings.push(sentence.to_owned());
        warn(if is_resolved {
            "What the inputs are is the caller's word, and not proven."
        } else {
            "The inputs are not resolved: what they are worth, and whether the wallet's key is needed, was not checked."
        });
        match balance {
            Some(Balance::Open) => {
                warn("A certificate gets a deposit back without saying how much, so that the amounts could not be compared.");
            }
            Some(Balance::Deposits(lovelace)) => {
                warn(&format!("{lovelace} lovelace are for deposits whose amounts the certificates do not say."));
            }
            Some(Balance::Even) | None => {}
        }
        if total_out > 0 && fee > total_out.div_ceil(10) {
            warn(&format!("The fee of {fee} lovelace is more than a tenth of the {total_out} that leave."));
        }
        if fee > ABSURD_FEE {
            warn(&format!("The fee is {fee} lovelace, far more than any transaction needs."));
        }
        if body.valid_until.is_none() {
            warn("It has no end of validity: it can be sent at any time later.");
        }
        if !transaction.is_valid {
            warn("It is marked as one whose scripts fail, which is not signed: anybody may mark it otherwise.");
        }
        if transaction.auxiliary.as_ref().is_some_and(|auxiliary| !auxiliary.labels.is_empty()) {
            warn("It has metadata, which is not read here.");
        }
    }

    fn details(&self, resolved: Option<&Resolved<'_>>, collateral: Option<u64>) -> Value {
        let transaction = self.transaction;
        let body = &transaction.body;
        let mut details = Map::new();
        let mut tell = |name: &str, value: Value| details.insert(name.to_owned(), value);
        tell("txId", json!(hex::encode(transaction.tx_id())));
        tell("inputsResolved", json!(resolved.is_some()));
        tell("inputCount", json!(body.inputs.len()));
        tell("inputs", self.inputs(&body.inputs, resolved.map(|resolved| &resolved.inputs[..])));
        tell("outputCount", json!(body.outputs.len()));
        let outputs = body.outputs.iter().enumerate().take(MAX_LISTED);
        tell("outputs", outputs.map(|(index, output)| self.output(index, output)).collect());
        tell("fee", json!(body.fee));
        tell("validFrom", json!(body.valid_from));
        tell("validUntil", json!(body.valid_until));
        tell(
            "signedBy",
            transaction.witnesses.witnesses.iter().take(MAX_LISTED).map(|one| json!(hex::encode(one.key))).collect(),
        );
        // What most transactions do not have.
        let mut tell_some = |name: &str, value: Option<Value>| value.and_then(|value| tell(name, value));
        tell_some("networkId", body.network_id.map(|id| json!(id)));
        tell_some("isValid", (!transaction.is_valid).then(|| json!(false)));
        tell_some("certificates", list(&body.certificates, |certificate| self.certificate_in_words(certificate)));
        tell_some(
            "withdrawals",
            list(
                &body.withdrawals,
                |(account, lovelace)| json!({ "account": account.to_string(), "amount": lovelace, "own": account.credential.is_key(&self.signer.hash) }),
            ),
        );
        tell_some(
            "mint",
            list(&body.mint, |(asset, quantity)| json!({ "token": asset.to_string(), "quantity": quantity.to_string() })),
        );
        tell_some("requiredSigners", list(&body.required_signers, |hash| json!(hex::encode(hash))));
        tell_some(
            "votes",
            list(
                &body.voters,
                |voter| json!({ "role": voter.role, "credential": credential_in_words(&voter.credential), "count": voter.votes }),
            ),
        );
        tell_some(
            "proposals",
            list(
                &body.proposals,
                |proposal| json!({ "deposit": proposal.deposit, "returnedTo": proposal.returned_to.to_string() }),
            ),
        );
        tell_some("treasury", body.treasury.map(|lovelace| json!(lovelace)));
        tell_some("donation", body.donation.map(|lovelace| json!(lovelace)));
        tell_some("scriptDataHash", body.script_data_hash.map(|hash| json!(hex::encode(hash))));
        let resolved_collateral = resolved.map(|resolved| &resolved.collateral[..]);
        tell_some("collateral", (!body.collateral.is_empty()).then(|| self.inputs(&body.collateral, resolved_collateral)));
        tell_some("totalCollateral", (!body.collateral.is_empty()).then(|| json!(collateral)));
        tell_some("collateralReturn", body.collateral_return.as_ref().map(|output| self.output(body.outputs.len(), output)));
        tell_some("referenceInputs", list(&body.reference_inputs, |input| json!(input.to_string())));
        tell_some(
            "auxiliaryData",
            transaction.auxiliary.as_ref().map(|auxiliary| {
                let labels: Vec<_> = auxiliary.labels.iter().take(MAX_LISTED).collect();
                json!({ "hash": hex::encode(auxiliary.hash), "metadataLabels": labels })
            }),
        );
        Value::Object(details)
    }

    fn inputs(&self, inputs: &[Input], resolved: Option<&[&ResolvedInput]>) -> Value {
        let Some(resolved) = resolved else {
            return inputs.iter().take(MAX_LISTED).map(|input| json!({ "outpoint": input.to_string() })).collect();
        };
        let one = |said: &&ResolvedInput| {
            json!({
                "outpoint": said.input.to_string(),
                "address": said.payable.text,
                "amount": said.amounts.lovelace,
                "tokens": tokens_in_words(&said.amounts.tokens),
                "own": self.signer.spends(&said.payable),
            })
        };
        resolved.iter().take(MAX_LISTED).map(one).collect()
    }

    fn output(&self, index: usize, output: &Output) -> Value {
        let mut words = json!({
            "output": index,
            "address": output.address.text,
            "amount": output.amounts.lovelace,
            "change": self.signer.owns(&output.address),
        });
        let mut tell = |name: &str, value: Value| {
            if let Value::Object(words) = &mut words {
                words.insert(name.to_owned(), value);
            }
        };
        if !output.amounts.tokens.is_empty() {
            tell("tokens", tokens_in_words(&output.amounts.tokens));
        }
        match &output.datum {
            Some(Datum::Hash(hash)) => tell("datumHash", json!(hex::encode(hash))),
            Some(Datum::Inline) => tell("inlineDatum", json!(true)),
            None => {}
        }
        if output.script {
            tell("referenceScript", json!(true));
        }
        words
    }

    fn certificate_in_words(&self, certificate: &Certificate) -> Value {
        let Certificate { name, credential, deposit, pool, drep, does, .. } = certificate;
        let mut words = Map::new();
        words.insert("certificate".to_owned(), json!(name));
        let whose = match does {
            Does::Stake => json!(RewardAccount::of(self.params, *credential).to_string()),
            Does::Authority => credential_in_words(credential),
        };
        words.insert("of".to_owned(), whose);
        words.insert("own".to_owned(), json!(credential.is_key(&self.signer.hash)));
        match deposit {
            Deposit::Paid(lovelace) => drop(words.insert("deposit".to_owned(), json!(lovelace))),
            Deposit::Returned(lovelace) => drop(words.insert("refund".to_owned(), json!(lovelace))),
            _ => {}
        }
        if let Some(pool) = pool {
            words.insert("pool".to_owned(), json!(pool.to_string()));
        }
        if let Some(drep) = drep {
            words.insert("drep".to_owned(), json!(drep.to_string()));
        }
        Value::Object(words)
    }
}

/// The first entries of a list; `None` if it has none.
fn list<T>(list: &[T], words: impl Fn(&T) -> Value) -> Option<Value> {
    (!list.is_empty()).then(|| list.iter().take(MAX_LISTED).map(words).collect())
}

fn credential_in_words(credential: &Credential) -> Value {
    let kind = if credential.is_script() { "script" } else { "key" };
    json!(format!("{kind} {}", hex::encode(credential.hash())))
}

/// Quantities are strings: they may be more than a double holds.
fn tokens_in_words(tokens: &[(Asset, u64)]) -> Value {
    tokens
        .iter()
        .take(MAX_LISTED)
        .map(|(asset, quantity)| json!({ "token": asset.to_string(), "quantity": quantity.to_string() }))
        .collect()
}
