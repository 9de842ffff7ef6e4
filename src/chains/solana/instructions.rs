//! What single instructions do, of the programs that people pay with. An instruction counts as read only if every byte and every
//! account of it is what its program defines: programs take more than that, and what they make of it is not known here.
//!
//! Ids: crate `solana-sdk-ids` 3.1 and the repositories of <https://github.com/solana-program>.

mod associated_token;
mod compute_budget;
mod system;
mod token;

use serde_json::{Value, json};

use super::Pubkey;
use super::wire::{Instruction, Message, Reader};
use crate::chains::effects::{Effect, EffectKind};
use crate::chains::text::is_shown_as_it_is;

pub use self::compute_budget::Budget;

const SYSTEM: &str = "11111111111111111111111111111111";
const COMPUTE_BUDGET: &str = "ComputeBudget111111111111111111111111111111";
const TOKEN: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
const TOKEN_2022: &str = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb";
const ASSOCIATED_TOKEN: &str = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL";
const MEMO_V1: &str = "Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo";
const MEMO_V3: &str = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr";
const MEMO_V4: &str = "Memo4c2pN8afCj432Lb7RMVKi9PbQnnW7ewFFaV3oAH";
const SYSVAR_RENT: &str = "SysvarRent111111111111111111111111111111111";

/// Programs that verify signatures; the network is paid for each of these as for one of the transaction's own. The first byte of
/// an instruction says how many.
const VERIFIERS: [&str; 3] = [
    "Ed25519SigVerify111111111111111111111111111",
    "KeccakSecp256k11111111111111111111111111111",
    "Secp256r1SigVerify1111111111111111111111111",
];

/// Programs by the names that people know them by. Only those with a reader above are read.
const NAMES: &[(&str, &str)] = &[
    (SYSTEM, "System"),
    (COMPUTE_BUDGET, "Compute Budget"),
    (TOKEN, "Token"),
    (TOKEN_2022, "Token-2022"),
    (ASSOCIATED_TOKEN, "Associated Token Account"),
    (MEMO_V1, "Memo"),
    (MEMO_V3, "Memo"),
    (MEMO_V4, "Memo"),
    (VERIFIERS[0], "Ed25519 Signature Verification"),
    (VERIFIERS[1], "Secp256k1 Signature Verification"),
    (VERIFIERS[2], "Secp256r1 Signature Verification"),
    ("Stake11111111111111111111111111111111111111", "Stake"),
    ("Vote111111111111111111111111111111111111111", "Vote"),
    ("AddressLookupTab1e1111111111111111111111111", "Address Lookup Table"),
    ("BPFLoaderUpgradeab1e11111111111111111111111", "BPF Upgradeable Loader"),
    ("LoaderV411111111111111111111111111111111111", "Loader v4"),
];

/// The name of a program, if it is a known one.
pub fn program_name(program: &Pubkey) -> Option<&'static str> {
    let id = program.to_string();
    NAMES.iter().find(|(known, _)| *known == id).map(|(_, name)| *name)
}

/// Whether a transaction that has this as its first instruction is one with a durable nonce. Validators look at the program and the
/// first four bytes alone.
pub fn advances_nonce(program: &Pubkey, data: &[u8]) -> bool {
    program.to_string() == SYSTEM && data.starts_with(&system::ADVANCE_NONCE.to_le_bytes())
}

/// How many signatures an instruction has verified, for which the network is paid.
pub fn verified_signatures(program: &Pubkey, data: &[u8]) -> u64 {
    let verifies = VERIFIERS.contains(&program.to_string().as_str());
    data.first().filter(|_| verifies).map_or(0, |count| u64::from(*count))
}

/// An account of an instruction.
#[derive(Debug, Clone, Copy)]
pub enum Account {
    Named {
        key: Pubkey,
        signs: bool,
    },
    /// What stands there, the chain alone knows.
    LookedUp {
        table: Pubkey,
        entry: u8,
    },
}

impl Account {
    pub const fn is_looked_up(&self) -> bool {
        matches!(self, Self::LookedUp { .. })
    }

    const fn key(&self) -> Option<&Pubkey> {
        match self {
            Self::Named { key, .. } => Some(key),
            Self::LookedUp { .. } => None,
        }
    }

    const fn signs(&self) -> bool {
        matches!(self, Self::Named { signs: true, .. })
    }

    fn is(&self, other: &Pubkey) -> bool {
        self.key() == Some(other)
    }

    fn has_id(&self, id: &str) -> bool {
        self.address().is_some_and(|address| address == id)
    }

    /// As an effect names it.
    fn address(&self) -> Option<String> {
        self.key().map(Pubkey::to_string)
    }

    /// As people see it: base58, or the table and the number of its entry.
    pub fn text(&self) -> String {
        match self {
            Self::Named { key, .. } => key.to_string(),
            Self::LookedUp { table, entry } => format!("{table}[{entry}]"),
        }
    }
}

/// The accounts of a message by their index: its keys, then what is looked up to be written, then what is looked up to be read.
pub fn accounts(message: &Message) -> Vec<Account> {
    let signers = usize::from(message.required_signatures);
    let named = message.keys.iter().enumerate().map(|(index, key)| Account::Named { key: *key, signs: index < signers });
    let looked_up = |table: Pubkey, entries: &[u8]| -> Vec<Account> {
        entries.iter().map(|entry| Account::LookedUp { table, entry: *entry }).collect()
    };
    let writable = message.lookups.iter().flat_map(|lookup| looked_up(lookup.table, &lookup.writable));
    let readonly = message.lookups.iter().flat_map(|lookup| looked_up(lookup.table, &lookup.readonly));
    named.chain(writable).chain(readonly).collect()
}

/// An instruction in its transaction.
#[derive(Debug)]
pub struct Call<'a> {
    pub program: Pubkey,
    pub accounts: Vec<Account>,
    pub data: &'a [u8],
    /// Whoever is asked to sign.
    pub wallet: Pubkey,
    /// It is the first one.
    pub first: bool,
    /// Token accounts that the instructions before this make sure to be somebody's: account, owner.
    pub owners: &'a [(Pubkey, Pubkey)],
}

impl<'a> Call<'a> {
    /// `None` if it names what is not there: no message that was checked does.
    pub fn new(
        message: &Message,
        accounts: &[Account],
        instruction: &'a Instruction,
        wallet: Pubkey,
        first: bool,
        owners: &'a [(Pubkey, Pubkey)],
    ) -> Option<Self> {
        let at = |index: &u8| accounts.get(usize::from(*index)).copied();
        Some(Self {
            program: *message.keys.get(usize::from(instruction.program))?,
            accounts: instruction.accounts.iter().map(at).collect::<Option<_>>()?,
            data: &instruction.data,
            wallet,
            first,
            owners,
        })
    }

    fn accounts<const N: usize>(&self) -> Option<&[Account; N]> {
        self.accounts.as_slice().try_into().ok()
    }

    /// An effect of the program that runs.
    pub fn effect(&self, kind: EffectKind) -> Effect {
        Effect { program: Some(self.program.to_string()), ..Effect::new(kind) }
    }

    fn effect_for(&self, kind: EffectKind, recipient: &Account) -> Effect {
        Effect { recipient: recipient.address(), ..self.effect(kind) }
    }

    /// Lamports that move.
    fn transfer(&self, to: &Account, lamports: u64) -> Effect {
        Effect { amount: Some(lamports), ..self.effect_for(EffectKind::Transfer, to) }
    }

    /// What of it leaves the wallet, if `payer` is who lets it go.
    fn leaving(&self, payer: &Account, to: &Account, lamports: u64) -> u64 {
        if payer.is(&self.wallet) && !to.is(&self.wallet) { lamports } else { 0 }
    }
}

/// What an instruction does.
#[derive(Debug)]
pub struct Reading {
    /// The instruction's name, in the words of its program.
    pub name: &'static str,
    pub effects: Vec<Effect>,
    /// Lamports that leave the wallet.
    pub out: u64,
    /// An object.
    pub details: Value,
    pub warnings: Vec<String>,
    /// A token account that is this owner's once the instruction succeeded.
    pub owner: Option<(Pubkey, Pubkey)>,
    /// Something in it can't be read by people.
    pub unknown: bool,
}

impl Reading {
    fn new(name: &'static str, details: Value) -> Self {
        Self { name, effects: Vec::new(), out: 0, details, warnings: Vec::new(), owner: None, unknown: false }
    }

    fn doing(self, effects: impl IntoIterator<Item = Effect>) -> Self {
        Self { effects: effects.into_iter().collect(), ..self }
    }
}

/// Reads an instruction. `None` if it is not read.
pub fn read(call: &Call<'_>) -> Option<Reading> {
    match call.program.to_string().as_str() {
        SYSTEM => system::read(call),
        COMPUTE_BUDGET => compute_budget::read(call),
        TOKEN => token::read(call, token::Program::Token),
        TOKEN_2022 => token::read(call, token::Program::Token2022),
        ASSOCIATED_TOKEN => associated_token::read(call),
        MEMO_V1 | MEMO_V3 => memo(call),
        // Whoever may upgrade it may make it do something with the accounts that it is handed.
        MEMO_V4 if call.accounts.is_empty() => memo(call),
        _ => None,
    }
}

/// A text in the transaction. All accounts are to sign, and that is all that is done with them.
fn memo(call: &Call<'_>) -> Option<Reading> {
    let text = str::from_utf8(call.data).ok()?;
    if !call.accounts.iter().all(Account::signs) {
        return None;
    }
    let signers: Vec<_> = call.accounts.iter().map(Account::text).collect();
    let readable = is_shown_as_it_is(text);
    let mut reading = Reading::new("memo", json!({ "text": text, "signers": signers }));
    if !readable {
        reading.unknown = true;
        reading.warnings.push("A memo has characters that are not shown as what they are.".to_owned());
    }
    Some(reading.doing([Effect { unknown_amount: !readable, ..call.effect(EffectKind::Message) }]))
}

/// The data of an instruction: little-endian numbers and keys.
#[derive(Debug, Clone, Copy)]
struct Data<'a>(Reader<'a>);

impl<'a> Data<'a> {
    /// Longest seed of an address.
    const MAX_SEED_BYTES: u64 = 32;

    const fn of(call: &Call<'a>) -> Self {
        Self(Reader::new(call.data))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.0.array("data").ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.0.u8("data").ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn pubkey(&mut self) -> Option<Pubkey> {
        self.array().map(Pubkey::new)
    }

    /// A byte that says whether a key follows.
    #[expect(clippy::option_option, reason = "that it can't be read is not that there is none")]
    fn optional_pubkey(&mut self) -> Option<Option<Pubkey>> {
        match self.u8()? {
            0 => Some(None),
            1 => self.pubkey().map(Some),
            _ => None,
        }
    }

    /// A length of 64 bits and as much text.
    fn seed(&mut self) -> Option<&'a str> {
        let length = self.u64().filter(|length| *length <= Self::MAX_SEED_BYTES)?;
        str::from_utf8(self.0.take(usize::try_from(length).ok()?, "data").ok()?).ok()
    }

    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
