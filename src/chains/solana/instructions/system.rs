//! The System program: lamports, accounts, and nonces.
//!
//! Layouts: `SystemInstruction` of crate `solana-system-interface` 3.3, in bincode.

use serde_json::json;

use super::{Account, Call, Data, Reading};
use crate::chains::effects::{Effect, EffectKind};
use crate::chains::solana::Pubkey;

/// The number of AdvanceNonceAccount.
pub const ADVANCE_NONCE: u32 = 4;

/// Reads an instruction. `None` if it has other data or other accounts than are defined.
pub fn read(call: &Call<'_>) -> Option<Reading> {
    let mut data = Data::of(call);
    let reading = match data.u32()? {
        0 => {
            let [from, to] = call.accounts()?;
            create("createAccount", call, from, to, &New::read(&mut data)?)
        }
        1 => {
            let [account] = call.accounts()?;
            assign("assign", call, account, &data.pubkey()?)
        }
        2 => {
            let [from, to] = call.accounts()?;
            let lamports = data.u64()?;
            moving("transfer", call, from, from, to, lamports)
        }
        3 => {
            let base = data.pubkey()?;
            data.seed()?;
            let new = New::read(&mut data)?;
            match call.accounts.as_slice() {
                [from, to] => create("createAccountWithSeed", call, from, to, &new),
                [from, to, named] if named.is(&base) => create("createAccountWithSeed", call, from, to, &new),
                _ => return None,
            }
        }
        ADVANCE_NONCE => {
            let [nonce, _, authority] = call.accounts()?;
            let details = json!({ "nonceAccount": nonce.text(), "authority": authority.text() });
            // That of the first instruction is told for the whole transaction.
            let effect = (!call.first).then(|| call.effect(EffectKind::Authority));
            Reading::new("advanceNonceAccount", details).doing(effect)
        }
        5 => {
            let [nonce, to, _, _, authority] = call.accounts()?;
            let lamports = data.u64()?;
            // Of an account that holds no nonce the program asks for its own signature, whatever authority is named.
            let payer = if nonce.is(&call.wallet) { nonce } else { authority };
            moving("withdrawNonceAccount", call, payer, nonce, to, lamports)
        }
        6 => {
            let [nonce, _, _] = call.accounts()?;
            authority("initializeNonceAccount", call, nonce, &data.pubkey()?)
        }
        7 => {
            let [nonce, _] = call.accounts()?;
            authority("authorizeNonceAccount", call, nonce, &data.pubkey()?)
        }
        8 => {
            let [account] = call.accounts()?;
            let details = json!({ "account": account.text(), "space": data.u64()? });
            let mut reading = Reading::new("allocate", details).doing([call.effect_for(EffectKind::Create, account)]);
            if account.is(&call.wallet) {
                reading.effects = vec![call.effect_for(EffectKind::Authority, account)];
                reading
                    .warnings
                    .push("It gives the wallet's own account data, with which it can make no transfer any more.".to_owned());
            }
            reading
        }
        9 => {
            let [account, base] = call.accounts()?;
            let named = data.pubkey().filter(|named| base.is(named));
            data.seed()?;
            let (space, owner) = (data.u64()?, data.pubkey()?);
            named?;
            let details = json!({ "account": account.text(), "space": space, "owner": owner.to_string() });
            // It is handed to the owner at once.
            Reading::new("allocateWithSeed", details).doing([to_authority(call, &owner)])
        }
        10 => {
            let [account, base] = call.accounts()?;
            let named = data.pubkey().filter(|named| base.is(named));
            data.seed()?;
            named?;
            assign("assignWithSeed", call, account, &data.pubkey()?)
        }
        11 => {
            let [from, base, to] = call.accounts()?;
            let lamports = data.u64()?;
            data.seed()?;
            data.pubkey()?;
            moving("transferWithSeed", call, base, from, to, lamports)
        }
        12 => {
            let [nonce] = call.accounts()?;
            let details = json!({ "nonceAccount": nonce.text() });
            Reading::new("upgradeNonceAccount", details).doing([call.effect(EffectKind::Call)])
        }
        13 => {
            let new = New::read(&mut data)?;
            match call.accounts.as_slice() {
                [to] if new.lamports == 0 => create("createAccountAllowPrefund", call, to, to, &new),
                [to, from] => create("createAccountAllowPrefund", call, from, to, &new),
                _ => return None,
            }
        }
        _ => return None,
    };
    data.is_empty().then_some(reading)
}

/// What a new account gets.
struct New {
    lamports: u64,
    space: u64,
    owner: Pubkey,
}

impl New {
    fn read(data: &mut Data<'_>) -> Option<Self> {
        Some(Self { lamports: data.u64()?, space: data.u64()?, owner: data.pubkey()? })
    }
}

fn create(name: &'static str, call: &Call<'_>, from: &Account, to: &Account, new: &New) -> Reading {
    let New { lamports, space, owner } = new;
    let details = json!({
        "from": from.text(),
        "account": to.text(),
        "lamports": lamports,
        "space": space,
        "owner": owner.to_string(),
    });
    let paid = (*lamports > 0).then(|| call.transfer(to, *lamports));
    // An account that is there already is handed over.
    let handed = to.is(&call.wallet).then(|| to_authority(call, owner));
    let effects = paid.into_iter().chain([call.effect_for(EffectKind::Create, to)]).chain(handed);
    Reading { out: call.leaving(from, to, *lamports), ..Reading::new(name, details).doing(effects) }
}

/// Lamports that go from an account to another, which `payer` lets them.
fn moving(name: &'static str, call: &Call<'_>, payer: &Account, from: &Account, to: &Account, lamports: u64) -> Reading {
    let details = json!({ "from": from.text(), "to": to.text(), "lamports": lamports });
    let reading = Reading::new(name, details).doing([call.transfer(to, lamports)]);
    Reading { out: call.leaving(payer, to, lamports), ..reading }
}

fn assign(name: &'static str, call: &Call<'_>, account: &Account, owner: &Pubkey) -> Reading {
    let details = json!({ "account": account.text(), "owner": owner.to_string() });
    let mut reading = Reading::new(name, details).doing([to_authority(call, owner)]);
    reading.warnings.push(format!("It hands the account {} to the program {owner}.", account.text()));
    reading
}

fn authority(name: &'static str, call: &Call<'_>, nonce: &Account, authority: &Pubkey) -> Reading {
    let details = json!({ "nonceAccount": nonce.text(), "authority": authority.to_string() });
    Reading::new(name, details).doing([to_authority(call, authority)])
}

/// Who controls something from then on.
fn to_authority(call: &Call<'_>, to: &Pubkey) -> Effect {
    Effect { recipient: Some(to.to_string()), ..call.effect(EffectKind::Authority) }
}
