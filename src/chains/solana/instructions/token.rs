//! The Token program and Token-2022, which takes the same instructions and more.
//!
//! Layouts: `TokenInstruction` of crates `spl-token-interface` 2.0 and `spl-token-2022-interface` 2.1.

use serde_json::{Value, json};

use super::{Account, Call, Data, Reading, SYSVAR_RENT};
use crate::chains::effects::{Effect, EffectKind};
use crate::chains::solana::Pubkey;

/// Most signers of an account that belongs to several.
const MAX_SIGNERS: usize = 11;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Token,
    Token2022,
}

/// What authority an account of the Token program or a mint changes; Token-2022 has more, which are told by their number.
const AUTHORITIES: [&str; 4] = ["mintTokens", "freezeAccount", "accountOwner", "closeAccount"];

/// Reads an instruction. `None` if it has other data or other accounts than are defined.
pub fn read(call: &Call<'_>, program: Program) -> Option<Reading> {
    let mut data = Data::of(call);
    let number = data.u8()?;
    let reading = match number {
        0 | 1 | 2 | 16 | 18 | 19 | 20 | 22 => initialize(number, call, &mut data)?,
        _ => act(number, call, program, &mut data)?,
    };
    data.is_empty().then_some(reading)
}

/// What makes accounts and mints.
fn initialize(number: u8, call: &Call<'_>, data: &mut Data<'_>) -> Option<Reading> {
    Some(match number {
        0 => {
            let [mint, _] = call.accounts()?;
            initialize_mint("initializeMint", call, mint, data)?
        }
        1 => {
            let [account, mint, owner, _] = call.accounts()?;
            initialize_account("initializeAccount", call, account, mint, owner.text())
        }
        2 => {
            let [multisig, _, signers @ ..] = call.accounts.as_slice() else { return None };
            initialize_multisig("initializeMultisig", call, multisig, signers, data.u8()?)?
        }
        16 => {
            let [account, mint, _] = call.accounts()?;
            let owner = data.pubkey()?.to_string();
            initialize_account("initializeAccount2", call, account, mint, owner)
        }
        18 => {
            let [account, mint] = call.accounts()?;
            let owner = data.pubkey()?.to_string();
            initialize_account("initializeAccount3", call, account, mint, owner)
        }
        19 => {
            let [multisig, signers @ ..] = call.accounts.as_slice() else { return None };
            initialize_multisig("initializeMultisig2", call, multisig, signers, data.u8()?)?
        }
        20 => {
            let [mint] = call.accounts()?;
            initialize_mint("initializeMint2", call, mint, data)?
        }
        22 => {
            let [account] = call.accounts()?;
            let details = json!({ "account": account.text() });
            Reading::new("initializeImmutableOwner", details).doing([call.effect(EffectKind::Call)])
        }
        _ => return None,
    })
}

/// What is done with accounts and mints that are there.
fn act(number: u8, call: &Call<'_>, program: Program, data: &mut Data<'_>) -> Option<Reading> {
    Some(match number {
        3 => {
            let [source, destination, owner] = call.with_owner(program)?;
            let amount = data.u64()?;
            let mut reading = transfer("transfer", call, source, destination, owner, Amount { raw: amount, unit: None });
            reading.warnings.push("It moves a token that it does not name.".to_owned());
            reading
        }
        4 => {
            let [source, delegate, owner] = call.with_owner(program)?;
            let amount = Amount { raw: data.u64()?, unit: None };
            approve("approve", call, source, delegate, owner, amount)
        }
        5 => {
            let [source, owner] = call.with_owner(program)?;
            let details = json!({ "account": source.text(), "owner": owner.text() });
            Reading::new("revoke", details).doing([call.effect(EffectKind::Call)])
        }
        6 => {
            let [account, authority] = call.with_owner(program)?;
            let (kind, new) = (data.u8()?, data.optional_pubkey()?);
            let kind = match AUTHORITIES.get(usize::from(kind)) {
                Some(known) => json!(known),
                None if program == Program::Token2022 => json!(kind),
                None => return None,
            };
            let new = new.as_ref().map(Pubkey::to_string);
            let details = json!({
                "account": account.text(),
                "authorityType": kind,
                "authority": authority.text(),
                "newAuthority": new,
            });
            Reading::new("setAuthority", details).doing([Effect { recipient: new, ..call.effect(EffectKind::Authority) }])
        }
        7 => {
            let [mint, account, _] = call.with_owner(program)?;
            let amount = Amount { raw: data.u64()?, unit: None };
            minting("mintTo", call, mint, Some(account), account, amount)
        }
        8 => {
            let [account, mint, _] = call.with_owner(program)?;
            let amount = Amount { raw: data.u64()?, unit: None };
            minting("burn", call, mint, None, account, amount)
        }
        9 => {
            let [account, destination, owner] = call.with_owner(program)?;
            let details = json!({ "account": account.text(), "destination": destination.text(), "owner": owner.text() });
            let effect = Effect { unknown_amount: true, ..call.effect_for(EffectKind::Authority, destination) };
            Reading::new("closeAccount", details).doing([effect])
        }
        10 | 11 => {
            let [account, mint, authority] = call.with_owner(program)?;
            let details = json!({ "account": account.text(), "mint": mint.text(), "authority": authority.text() });
            let name = if number == 10 { "freezeAccount" } else { "thawAccount" };
            Reading::new(name, details).doing([call.effect_for(EffectKind::Authority, account)])
        }
        12 => {
            let [source, mint, destination, owner] = call.with_owner(program)?;
            let amount = Amount::checked(data, mint)?;
            transfer("transferChecked", call, source, destination, owner, amount)
        }
        13 => {
            let [source, mint, delegate, owner] = call.with_owner(program)?;
            let amount = Amount::checked(data, mint)?;
            approve("approveChecked", call, source, delegate, owner, amount)
        }
        14 => {
            let [mint, account, _] = call.with_owner(program)?;
            let amount = Amount::checked(data, mint)?;
            minting("mintToChecked", call, mint, Some(account), account, amount)
        }
        15 => {
            let [account, mint, _] = call.with_owner(program)?;
            let amount = Amount::checked(data, mint)?;
            minting("burnChecked", call, mint, None, account, amount)
        }
        17 => {
            // Newer clients name the rent too.
            let account = match call.accounts.as_slice() {
                [account] => account,
                [account, rent] if rent.has_id(SYSVAR_RENT) => account,
                _ => return None,
            };
            Reading::new("syncNative", json!({ "account": account.text() })).doing([call.effect(EffectKind::Call)])
        }
        26 if program == Program::Token2022 && data.u8()? == 1 => {
            let [source, mint, destination, owner] = call.with_owner(program)?;
            let amount = Amount::checked(data, mint)?;
            let fee = data.u64()?;
            let mut reading = transfer("transferCheckedWithFee", call, source, destination, owner, amount);
            if let Value::Object(details) = &mut reading.details {
                details.insert("fee".to_owned(), json!(fee.to_string()));
            }
            reading
        }
        _ => return None,
    })
}

/// An amount of tokens, of a mint and with the decimals that the program checks against it.
#[derive(Clone, Copy)]
struct Amount<'a> {
    raw: u64,
    unit: Option<(&'a Account, u8)>,
}

impl<'a> Amount<'a> {
    fn checked(data: &mut Data<'_>, mint: &'a Account) -> Option<Self> {
        Some(Self { raw: data.u64()?, unit: Some((mint, data.u8()?)) })
    }

    /// Whole tokens, rounded up.
    fn whole(&self) -> Option<u64> {
        let (_, decimals) = self.unit?;
        // No amount of 64 bits has as much as one where this is more.
        Some(10_u64.checked_pow(u32::from(decimals)).map_or(u64::from(self.raw > 0), |unit| self.raw.div_ceil(unit)))
    }

    fn mint(&self) -> Option<&'a Account> {
        self.unit.map(|(mint, _)| mint)
    }

    fn effect(&self, call: &Call<'_>, kind: EffectKind, recipient: Option<&Account>) -> Effect {
        let amount = self.whole();
        Effect {
            recipient: recipient.and_then(Account::address),
            amount,
            token: self.mint().and_then(Account::address),
            unknown_amount: amount.is_none(),
            ..call.effect(kind)
        }
    }

    fn tell(&self, details: &mut Value) {
        let Value::Object(details) = details else { return };
        details.insert("amount".to_owned(), json!(self.raw.to_string()));
        if let Some((mint, decimals)) = self.unit {
            details.insert("mint".to_owned(), json!(mint.text()));
            details.insert("decimals".to_owned(), json!(decimals));
        }
    }
}

impl Call<'_> {
    /// The accounts of which the last one owns or rules another. Of the Token program it may belong to several, whose keys then
    /// follow; with Token-2022, what follows may be handed to a program that the mint names.
    fn with_owner<const N: usize>(&self, program: Program) -> Option<&[Account; N]> {
        let (accounts, signers) = self.accounts.split_first_chunk::<N>()?;
        let several = program == Program::Token
            && signers.len() <= MAX_SIGNERS
            && signers.iter().all(Account::signs)
            && accounts.last().is_some_and(|owner| !owner.signs());
        (signers.is_empty() || several).then_some(accounts)
    }
}

fn transfer(
    name: &'static str,
    call: &Call<'_>,
    source: &Account,
    destination: &Account,
    owner: &Account,
    amount: Amount<'_>,
) -> Reading {
    let whose = call.owners.iter().find(|(account, _)| destination.is(account)).map(|(_, whose)| whose.to_string());
    let mut details = json!({ "source": source.text(), "destination": destination.text(), "owner": owner.text() });
    amount.tell(&mut details);
    let mut reading = Reading::new(name, details).doing([amount.effect(call, EffectKind::Token, Some(destination))]);
    match whose {
        Some(whose) => {
            if let Value::Object(details) = &mut reading.details {
                details.insert("destinationOwner".to_owned(), json!(whose));
            }
        }
        None => reading
            .warnings
            .push(format!("It pays to the token account {}; whose that is, what is signed does not say.", destination.text())),
    }
    reading
}

/// It lets somebody else move tokens: both an approval and control that is given away.
fn approve(
    name: &'static str,
    call: &Call<'_>,
    source: &Account,
    delegate: &Account,
    owner: &Account,
    amount: Amount<'_>,
) -> Reading {
    let mut details = json!({ "account": source.text(), "delegate": delegate.text(), "owner": owner.text() });
    amount.tell(&mut details);
    let approval = amount.effect(call, EffectKind::Approval, Some(delegate));
    Reading::new(name, details).doing([approval, call.effect_for(EffectKind::Authority, delegate)])
}

/// Tokens that are made or destroyed.
fn minting(
    name: &'static str,
    call: &Call<'_>,
    mint: &Account,
    recipient: Option<&Account>,
    account: &Account,
    amount: Amount<'_>,
) -> Reading {
    let mut details = json!({ "account": account.text(), "mint": mint.text() });
    amount.tell(&mut details);
    let effect = Effect { token: mint.address(), ..amount.effect(call, EffectKind::Token, recipient) };
    Reading::new(name, details).doing([effect])
}

fn initialize_account(name: &'static str, call: &Call<'_>, account: &Account, mint: &Account, owner: String) -> Reading {
    let details = json!({ "account": account.text(), "mint": mint.text(), "owner": owner });
    Reading::new(name, details).doing([call.effect_for(EffectKind::Create, account)])
}

fn initialize_mint(name: &'static str, call: &Call<'_>, mint: &Account, data: &mut Data<'_>) -> Option<Reading> {
    let (decimals, mints, freezes) = (data.u8()?, data.pubkey()?, data.optional_pubkey()?);
    let details = json!({
        "mint": mint.text(),
        "decimals": decimals,
        "mintAuthority": mints.to_string(),
        "freezeAuthority": freezes.as_ref().map(Pubkey::to_string),
    });
    Some(Reading::new(name, details).doing([call.effect_for(EffectKind::Create, mint)]))
}

fn initialize_multisig(
    name: &'static str,
    call: &Call<'_>,
    multisig: &Account,
    signers: &[Account],
    needed: u8,
) -> Option<Reading> {
    let shown: Vec<_> = signers.iter().map(Account::text).collect();
    let details = json!({ "account": multisig.text(), "signers": shown, "needed": needed });
    let defined = (1..=MAX_SIGNERS).contains(&signers.len());
    defined.then(|| Reading::new(name, details).doing([call.effect_for(EffectKind::Create, multisig)]))
}
