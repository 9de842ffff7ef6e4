//! What a transaction does, for policy and people.
//!
//! A payment that costs what it delivers is one effect, of the most that it may cost. One that converts is two: what is given, to whoever
//! trades, so that no policy takes it for something that stays with its recipient; and what the recipient gets.

use serde_json::{Map, Value, json};

use super::Transaction;
use super::amount::{Amount, Asset, Issued};
use super::fields::{Field, FieldValue, Fields};
use super::formats::{ACCOUNT_FLAGS, AUTHORIZED_MINTER, FULLY_CANONICAL, Kind, PARTIAL_PAYMENT};
use super::rules::{ONE, has_flag, source_asset};
use crate::chains::decoded::Decoded;
use crate::chains::effects::{Effect, EffectKind};
use crate::chains::text::is_shown_as_it_is;
use crate::chains::xrp::AccountId;

impl Transaction {
    /// What it does, effect by effect. Nobody's wallet is known here: `to_own_wallet` is false everywhere.
    pub fn decode(&self) -> Decoded {
        let mut summary = Summary { transaction: self, fields: &self.fields, decoded: Decoded::new(Vec::new(), Value::Null) };
        match self.format.kind {
            Kind::Payment => summary.payment(),
            Kind::TrustSet => summary.trust_set(),
            Kind::AccountSet => summary.account_set(),
            Kind::OfferCreate => summary.offer_create(),
            // It takes back what nobody took, and moves nothing.
            Kind::OfferCancel => {}
            Kind::EscrowCreate => summary.escrow_create(),
            Kind::EscrowFinish => {
                summary.escrow_end("It releases an escrow: what the escrow holds goes to the recipient that it was made for.");
            }
            Kind::EscrowCancel => summary.escrow_end("It cancels an escrow: what the escrow holds goes back to its owner."),
            Kind::TicketCreate => summary.call(EffectKind::Create, None),
        }
        summary.fee();
        summary.odd_members();
        summary.decoded.details = Value::Object(summary.details());
        summary.decoded
    }
}

/// `program` of the effect that says for whose account one of several signers signs.
const MULTI_SIGN: &str = "multiSign";

struct Summary<'a> {
    transaction: &'a Transaction,
    fields: &'a Fields,
    decoded: Decoded,
}

/// A movement of an amount. `tokens` is the amount in whole tokens.
fn movement(asset: Asset, amount: u64, recipient: Option<AccountId>) -> Effect {
    let recipient = recipient.map(|account| account.to_string());
    match asset {
        Asset::Xrp => Effect { amount: Some(amount), recipient, ..Effect::new(EffectKind::Transfer) },
        Asset::Issued(..) => {
            Effect { amount: Some(amount), recipient, token: Some(asset.to_string()), ..Effect::new(EffectKind::Token) }
        }
    }
}

/// Drops, or whole tokens rounded up.
fn units(amount: &Amount) -> u64 {
    match amount {
        Amount::Drops(drops) => *drops,
        Amount::Issued(issued) => issued.whole(),
    }
}

impl Summary<'_> {
    fn warn(&mut self, sentence: impl Into<String>) {
        self.decoded.warnings.push(sentence.into());
    }

    /// Something of this much leaves the account.
    fn leaves(&mut self, asset: Asset, amount: u64, recipient: Option<AccountId>) {
        if asset == Asset::Xrp {
            self.decoded.total_out = self.decoded.total_out.saturating_add(amount);
        }
        self.decoded.effects.push(movement(asset, amount, recipient));
    }

    fn payment(&mut self) {
        let (Some(amount), Some(source)) = (self.fields.amount(Field::Amount), source_asset(self.fields)) else { return };
        let send_max = self.fields.amount(Field::SendMax);
        let destination = self.fields.account(Field::Destination);
        let has_paths = self.fields.has(Field::Paths);
        let account = self.transaction.account;
        // Without SendMax and paths it goes straight to whom the currency is owed.
        let spent = if send_max.is_none() && !has_paths { amount.asset() } else { source };
        let most = units(send_max.unwrap_or(amount));
        if spent == amount.asset() && !has_paths {
            self.leaves(spent, most, destination);
        } else {
            self.leaves(spent, most, None);
            self.decoded.effects.push(movement(amount.asset(), units(amount), destination));
            let cost = send_max.unwrap_or(amount);
            self.warn(format!("It may cost up to {cost} to deliver {amount}: what it costs beyond that goes to whoever trades."));
        }
        if let Asset::Issued(currency, issuer) = spent
            && issuer == account
        {
            self.warn(format!("It may be paid in {currency} of any issuer whose {currency} the account has, or issue its own."));
            if send_max.is_some() || has_paths {
                // Whose tokens leave, the ledger finds out.
                self.decoded.unknown_parts = true;
            } else if let Some(destination) = destination {
                // What the account has of the destination's own goes back first.
                self.decoded.effects.push(movement(Asset::Issued(currency, destination), most, Some(destination)));
            }
        }
        // Whom an exchange credits: as much a part of the recipient as the address.
        if let Some(tag) = self.fields.uint32(Field::DestinationTag) {
            self.tag_recipient(destination, tag);
        }
        if has_flag(self.fields, PARTIAL_PAYMENT) {
            let least = match self.fields.amount(Field::DeliverMin) {
                Some(least) => format!("as little as {least}"),
                None => "next to nothing".to_owned(),
            };
            self.warn(format!("It is a partial payment: it may deliver {least} and count as made."));
        }
        self.warn_of_recipient(destination);
    }

    fn tag_recipient(&mut self, recipient: Option<AccountId>, tag: u32) {
        let recipient = recipient.map(|account| account.to_string());
        for effect in self.decoded.effects.iter_mut().filter(|effect| effect.recipient.is_some() && effect.recipient == recipient)
        {
            effect.selector = Some(format!("destinationTag:{tag}"));
        }
    }

    fn warn_of_recipient(&mut self, recipient: Option<AccountId>) {
        if let Some(nobody) = recipient.filter(AccountId::is_nobodys) {
            self.warn(format!("{nobody} is an account of which nobody has a key: what it gets is lost."));
        }
    }

    fn trust_set(&mut self) {
        let Some(Amount::Issued(limit)) = self.fields.amount(Field::LimitAmount).copied() else { return };
        let token = Some(Amount::Issued(limit).asset().to_string());
        let issuer = Some(limit.issuer.to_string());
        self.decoded.effects.push(Effect {
            recipient: issuer.clone(),
            amount: Some(limit.whole()),
            token: token.clone(),
            ..Effect::new(EffectKind::Approval)
        });
        // What lets others change the account's balances, or what they are worth.
        let flags = self.flags().into_iter().filter(|name| *name != FULLY_CANONICAL.1 && *name != "tfSetNoRipple");
        let qualities = [Field::QualityIn, Field::QualityOut].into_iter();
        let qualities = qualities.filter(|field| self.fields.uint32(*field).is_some_and(|rate| !matches!(rate, 0 | ONE)));
        for change in flags.chain(qualities.map(Field::name)).collect::<Vec<_>>() {
            self.decoded.effects.push(Effect {
                recipient: issuer.clone(),
                token: token.clone(),
                program: Some(self.transaction.format.name.to_owned()),
                selector: Some(change.to_owned()),
                ..Effect::new(EffectKind::Authority)
            });
            self.warn(match change {
                "tfClearNoRipple" => {
                    "tfClearNoRipple lets others move the account's balance of this currency to another issuer.".to_owned()
                }
                "QualityIn" | "QualityOut" => {
                    format!("{change} changes what the balance is worth when others' payments pass through it.")
                }
                flag => format!("{flag} authorizes or freezes what another account has of this currency."),
            });
        }
    }

    /// Every setting that changes is an effect of its own: `authority` where it changes who may sign for the account, or what is done
    /// with the tokens that it issues; else a `call`.
    fn account_set(&mut self) {
        let mut changes: Vec<(String, bool)> = Vec::new();
        for field in [Field::SetFlag, Field::ClearFlag] {
            let known = ACCOUNT_FLAGS.iter().find(|flag| self.fields.uint32(field) == Some(flag.number));
            changes.extend(known.map(|flag| (format!("{}:{}", field.name(), flag.name), flag.is_authority)));
        }
        for flag in self.flags().into_iter().filter(|name| *name != FULLY_CANONICAL.1) {
            changes.push((flag.to_owned(), matches!(flag, "tfRequireAuth" | "tfOptionalAuth")));
        }
        let settings = [
            (Field::TransferRate, true),
            (Field::MessageKey, true),
            (Field::TickSize, false),
            (Field::Domain, false),
            (Field::EmailHash, false),
            (Field::WalletLocator, false),
            (Field::WalletSize, false),
        ];
        changes.extend(
            settings.into_iter().filter(|(field, _)| self.fields.has(*field)).map(|(field, is)| (field.name().to_owned(), is)),
        );
        if changes.is_empty() {
            self.call(EffectKind::Call, None);
        }
        for (change, is_authority) in changes {
            if is_authority {
                self.warn(format!("{change} changes who controls the account, or what is done with the tokens that it issues."));
            }
            self.call(if is_authority { EffectKind::Authority } else { EffectKind::Call }, Some(change));
        }
        if self.fields.uint32(Field::SetFlag) == Some(AUTHORIZED_MINTER)
            && let (Some(minter), Some(effect)) = (self.fields.account(Field::NFTokenMinter), self.decoded.effects.first_mut())
        {
            effect.recipient = Some(minter.to_string());
        }
    }

    /// Something that the ledger does and that moves nothing of the account's.
    fn call(&mut self, kind: EffectKind, selector: Option<String>) {
        let program = Some(self.transaction.format.name.to_owned());
        self.decoded.effects.push(Effect { selector, program, ..Effect::new(kind) });
    }

    fn offer_create(&mut self) {
        let (Some(gives), Some(gets)) = (self.fields.amount(Field::TakerGets), self.fields.amount(Field::TakerPays)) else {
            return;
        };
        let fee_of = match gives {
            Amount::Issued(Issued { issuer, .. }) if *issuer != self.transaction.account => Some(*issuer),
            _ => None,
        };
        // rippled, `flowCross`: whoever made the offer pays the transfer fee, which is at most as much again.
        let most = if fee_of.is_some() { units(gives).saturating_mul(2) } else { units(gives) };
        self.leaves(gives.asset(), most, None);
        self.warn(format!("It offers {gives} to whoever gives {gets} for it."));
        if let Some(issuer) = fee_of {
            self.warn(format!(
                "{issuer} may take a transfer fee on top of what is offered, of as much again at most, which is counted."
            ));
        }
    }

    fn escrow_create(&mut self) {
        let Some(amount) = self.fields.amount(Field::Amount) else { return };
        let destination = self.fields.account(Field::Destination);
        self.leaves(amount.asset(), units(amount), destination);
        for effect in &mut self.decoded.effects {
            effect.program = Some(self.transaction.format.name.to_owned());
        }
        if let Some(tag) = self.fields.uint32(Field::DestinationTag) {
            self.tag_recipient(destination, tag);
        }
        if !self.fields.has(Field::CancelAfter) {
            self.warn("The escrow has no CancelAfter: what it holds never comes back.");
        }
        self.warn_of_recipient(destination);
    }

    fn escrow_end(&mut self, meaning: &str) {
        self.call(EffectKind::Call, None);
        self.warn(meaning);
    }

    fn fee(&mut self) {
        let drops = self.fields.amount(Field::Fee).and_then(Amount::drops).unwrap_or(0);
        self.decoded.fee = drops;
        self.decoded.effects.push(Effect { amount: Some(drops), ..Effect::new(EffectKind::Fee) });
    }

    fn odd_members(&mut self) {
        if !self.fields.has(Field::LastLedgerSequence) {
            self.warn("It has no LastLedgerSequence: it can be sent at any time until its sequence or ticket is used.");
        }
        if self.transaction.others.is_some() {
            let account = self.transaction.account;
            self.warn(format!("It is a transaction of {account}, of which the wallet is one of several signers."));
            // So that a policy can tell it, and whose it is.
            self.decoded.effects.push(Effect {
                recipient: Some(account.to_string()),
                program: Some(MULTI_SIGN.to_owned()),
                ..Effect::new(EffectKind::Call)
            });
        }
    }

    /// The names of the flags that are set.
    fn flags(&self) -> Vec<&'static str> {
        let known = self.transaction.format.flags.iter().chain([&FULLY_CANONICAL]);
        known.filter(|(bit, _)| has_flag(self.fields, *bit)).map(|(_, name)| *name).collect()
    }

    /// Every field, in the ledger's words beginning with a small letter; flags and memos in words as well.
    fn details(&self) -> Map<String, Value> {
        let shown = self.fields.iter().filter(|(field, _)| *field != Field::SigningPubKey);
        let mut details: Map<_, _> = shown
            .map(|(field, value)| match value {
                FieldValue::Memos(memos) => (in_details(field), memos.iter().map(memo).collect()),
                value => (in_details(field), value.to_json()),
            })
            .collect();
        let flags = self.flags();
        if !flags.is_empty() {
            details.insert("flagNames".to_owned(), json!(flags));
        }
        if let Some(others) = &self.transaction.others {
            details.insert("signer".to_owned(), json!(self.transaction.signer.to_string()));
            let others: Value = others.iter().map(|other| other.account.to_string()).collect();
            details.insert("signedBefore".to_owned(), others);
        }
        details
    }
}

fn in_details(field: Field) -> String {
    match field {
        Field::NFTokenMinter => "nftokenMinter".to_owned(),
        field => {
            let mut letters = field.name().chars();
            letters.next().into_iter().flat_map(char::to_lowercase).chain(letters).collect()
        }
    }
}

/// Each part as text where it is one that is shown as what it is, else as hex.
fn memo(memo: &Fields) -> Value {
    let part = |value: &FieldValue| match value {
        FieldValue::Blob(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if is_shown_as_it_is(text) => json!(text),
            _ => json!(format!("0x{}", hex::encode(bytes))),
        },
        value => value.to_json(),
    };
    Value::Object(memo.iter().map(|(field, value)| (in_details(field), part(value))).collect())
}
