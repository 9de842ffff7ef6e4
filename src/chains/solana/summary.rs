//! What a transaction does, in the words of policy and people.
//!
//! What leaves the wallet is counted where the wallet's own key lets it go. Tokens, and what others let go, are effects like any
//! other. A transaction of another account's that the wallet only signs along has the same effects.

use serde_json::{Map, Value, json};

use super::Pubkey;
use super::instructions::{self, Account, Budget, Call, Reading};
use super::wire::{Transaction, Version};
use crate::chains::decoded::Decoded;
use crate::chains::effects::{Effect, EffectKind};

/// Lamports that the network is paid for each signature, on every cluster.
const LAMPORTS_PER_SIGNATURE: u64 = 5_000;
/// Most instructions, their accounts and warnings that are listed one by one. No validator runs more than 64 instructions.
const MAX_LISTED: usize = 100;

/// Says what a transaction does if `wallet` signs it.
pub fn summary(transaction: &Transaction, wallet: &Pubkey) -> Decoded {
    let mut summary = Summary {
        transaction,
        wallet,
        accounts: instructions::accounts(&transaction.message),
        decoded: Decoded::new(Vec::new(), Value::Null),
        details: Map::new(),
    };
    summary.frame();
    summary.durable_nonce();
    summary.instructions();
    summary.lookups();
    summary.fee();
    summary.decoded.details = Value::Object(summary.details);
    summary.decoded
}

struct Summary<'a> {
    transaction: &'a Transaction,
    wallet: &'a Pubkey,
    /// Of the message, by index.
    accounts: Vec<Account>,
    decoded: Decoded,
    details: Map<String, Value>,
}

impl Summary<'_> {
    fn tell(&mut self, name: &str, value: Value) {
        self.details.insert(name.to_owned(), value);
    }

    fn warn(&mut self, sentence: String) {
        if self.decoded.warnings.len() < MAX_LISTED {
            self.decoded.warnings.push(sentence);
        }
    }

    fn payer(&self) -> Option<&Pubkey> {
        self.transaction.message.keys.first()
    }

    fn frame(&mut self) {
        let message = &self.transaction.message;
        let signed = |place: usize| self.transaction.signatures.get(place).is_some_and(|signature| *signature != [0; 64]);
        let signers: Vec<_> = message
            .signers()
            .enumerate()
            .map(|(place, key)| json!({ "address": key.to_string(), "signed": signed(place) }))
            .collect();
        let version = match message.version {
            Version::Legacy => json!("legacy"),
            Version::V0 => json!(0),
        };
        let blockhash = bs58::encode(message.blockhash).into_string();
        self.tell("version", version);
        self.tell("feePayer", json!(self.payer().map(Pubkey::to_string)));
        self.tell("recentBlockhash", json!(blockhash));
        self.tell("signers", Value::Array(signers));
    }

    /// With a durable nonce a transaction can be sent at any time: whoever has it has what it pays.
    fn durable_nonce(&mut self) {
        let message = &self.transaction.message;
        let Some(instruction) = message.instructions.first() else { return };
        let Some(call) = Call::new(message, &self.accounts, instruction, *self.wallet, true, &[]) else { return };
        if !instructions::advances_nonce(&call.program, call.data) {
            return;
        }
        let nonce = call.accounts.first().map(Account::text);
        let authority = call.accounts.get(2).map(Account::text);
        let effect = Effect { selector: Some("advanceNonceAccount".to_owned()), ..call.effect(EffectKind::Authority) };
        self.warn("It does not expire: it has a durable nonce in place of a recent blockhash.".to_owned());
        self.tell("durableNonce", json!({ "nonceAccount": nonce, "authority": authority }));
        self.decoded.effects.push(effect);
    }

    fn instructions(&mut self) {
        let message = &self.transaction.message;
        let mut owners = Vec::new();
        let mut listed = Vec::new();
        for (index, instruction) in message.instructions.iter().enumerate() {
            let Some(call) = Call::new(message, &self.accounts, instruction, *self.wallet, index == 0, &owners) else {
                self.decoded.unknown_parts = true;
                continue;
            };
            let reading = instructions::read(&call);
            let number = index.saturating_add(1);
            if listed.len() < MAX_LISTED {
                listed.push(in_words(&call, reading.as_ref()));
            }
            let owner = reading.as_ref().and_then(|reading| reading.owner);
            match reading {
                Some(reading) => self.take(number, &call, reading),
                None => self.unknown(number, &call),
            }
            owners.extend(owner);
        }
        self.tell("instructionCount", json!(message.instructions.len()));
        self.tell("instructions", Value::Array(listed));
    }

    fn take(&mut self, number: usize, call: &Call<'_>, reading: Reading) {
        // So that a policy can tell what hands over what: several do it without naming anybody.
        let named = |effect: Effect| match effect.kind {
            EffectKind::Authority => Effect { selector: Some(reading.name.to_owned()), ..effect },
            _ => effect,
        };
        self.decoded.effects.extend(reading.effects.into_iter().map(named));
        self.decoded.total_out = self.decoded.total_out.saturating_add(reading.out);
        self.decoded.unknown_parts |= reading.unknown;
        for warning in reading.warnings {
            self.warn(format!("Instruction {number}: {warning}"));
        }
        if call.accounts.iter().any(Account::is_looked_up) {
            self.decoded.unknown_parts = true;
            self.warn(format!("Instruction {number}: it has accounts of a lookup table, which the chain alone knows."));
        }
    }

    fn unknown(&mut self, number: usize, call: &Call<'_>) {
        let program = call.program;
        self.decoded.unknown_parts = true;
        self.decoded.effects.push(Effect { unknown_amount: true, ..call.effect(EffectKind::Call) });
        let signs =
            call.accounts.iter().any(|account| matches!(account, Account::Named { key, signs: true } if key == self.wallet));
        let may = if signs { "it may do anything in the name of the wallet" } else { "the wallet is none of its accounts" };
        self.warn(format!("Instruction {number}: what it has the program {program} do is not read; {may}."));
    }

    fn lookups(&mut self) {
        let lookups = &self.transaction.message.lookups;
        let shown = lookups.iter().map(|lookup| {
            json!({ "table": lookup.table.to_string(), "writable": lookup.writable.len(), "readonly": lookup.readonly.len() })
        });
        let shown: Vec<_> = shown.collect();
        if lookups.iter().any(|lookup| !lookup.writable.is_empty()) {
            self.decoded.unknown_parts = true;
            self.warn("It may write to accounts of a lookup table, which the chain alone knows.".to_owned());
        }
        if !shown.is_empty() {
            self.tell("addressTableLookups", Value::Array(shown));
        }
    }

    /// A maximum: what is not used of the compute units is paid all the same, what validators count without a limit may be less.
    fn fee(&mut self) {
        let message = &self.transaction.message;
        let verified = message.instructions.iter().filter_map(|instruction| {
            let program = message.keys.get(usize::from(instruction.program))?;
            Some(instructions::verified_signatures(program, &instruction.data))
        });
        let signatures = verified.fold(u64::from(message.required_signatures), u64::saturating_add);
        let for_signatures = signatures.saturating_mul(LAMPORTS_PER_SIGNATURE);
        let budget = Budget::of(message);
        let fee = for_signatures.saturating_add(budget.fee());
        self.tell("computeUnits", json!(budget.units));
        self.tell("computeUnitPrice", json!(budget.micro_lamports));
        self.tell("signatureFee", json!(for_signatures));
        self.tell("priorityFee", json!(budget.fee()));
        if self.payer() != Some(self.wallet) {
            return;
        }
        self.decoded.fee = fee;
        self.decoded.effects.push(Effect { amount: Some(fee), ..Effect::new(EffectKind::Fee) });
    }
}

fn in_words(call: &Call<'_>, reading: Option<&Reading>) -> Value {
    let mut words = json!({ "program": call.program.to_string(), "programName": instructions::program_name(&call.program) });
    let Value::Object(members) = &mut words else { return words };
    match reading {
        Some(Reading { name, details: Value::Object(details), .. }) => {
            members.insert("instruction".to_owned(), json!(name));
            members.extend(details.clone());
        }
        _ => {
            let accounts: Vec<_> = call.accounts.iter().take(MAX_LISTED).map(Account::text).collect();
            members.insert("accounts".to_owned(), json!(accounts));
            members.insert("data".to_owned(), json!(hex::encode(call.data)));
        }
    }
    words
}
