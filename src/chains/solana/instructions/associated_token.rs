//! The Associated Token Account program: token accounts whose address says whose they are.
//!
//! Layouts: crate `spl-associated-token-account-interface` 2.0.

use serde_json::json;

use super::{Call, Pubkey, Reading, SYSTEM, SYSVAR_RENT, TOKEN, TOKEN_2022};
use crate::chains::effects::EffectKind;

/// What a token account of 165 bytes is paid with so that it stays: (128 + 165) * 6960 lamports.
const RENT: u64 = 2_039_280;
/// The same of one of Token-2022 with every extension that the program makes by itself, which has 195 bytes.
const RENT_2022: u64 = 2_248_080;

/// Reads an instruction. `None` if it has other data or other accounts than are defined, or makes another address than it derives.
pub fn read(call: &Call<'_>) -> Option<Reading> {
    let name = match call.data {
        [] | [0] => "create",
        [1] => "createIdempotent",
        _ => return None,
    };
    let (payer, account, owner, mint, system, token) = match call.accounts.as_slice() {
        [payer, account, owner, mint, system, token] => (payer, account, owner, mint, system, token),
        // Older clients name it still.
        [payer, account, owner, mint, system, token, rent] if rent.has_id(SYSVAR_RENT) => {
            (payer, account, owner, mint, system, token)
        }
        _ => return None,
    };
    // The program calls what it is handed as token program.
    let rent = match token.address()?.as_str() {
        TOKEN => RENT,
        TOKEN_2022 => RENT_2022,
        _ => return None,
    };
    let derived = derive(call, owner.key()?, token.key()?, mint.key()?)?;
    if !system.has_id(SYSTEM) || !account.is(&derived) {
        return None;
    }
    let details = json!({
        "payer": payer.text(),
        "account": account.text(),
        "owner": owner.text(),
        "mint": mint.text(),
        "tokenProgram": token.text(),
        "mostLamports": rent,
    });
    let effects = [call.transfer(account, rent), call.effect_for(EffectKind::Create, account)];
    Some(Reading {
        out: call.leaving(payer, account, rent),
        owner: owner.key().map(|owner| (derived, *owner)),
        ..Reading::new(name, details).doing(effects)
    })
}

fn derive(call: &Call<'_>, owner: &Pubkey, token: &Pubkey, mint: &Pubkey) -> Option<Pubkey> {
    Pubkey::derived(&[owner.as_bytes(), token.as_bytes(), mint.as_bytes()], &call.program)
}
