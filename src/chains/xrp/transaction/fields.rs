//! Fields and their values, and the one form in which the ledger writes them.
//! <https://xrpl.org/docs/references/protocol/binary-format>
//!
//! The numbers are those of the ledger's own definitions (rippled's `sfields.macro`, which a server's `server_definitions` answers).

use serde_json::{Map, Value, json};

use super::amount::{Amount, Currency};
use crate::chains::xrp::AccountId;

/// What a field holds, with the ledger's number of the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldType {
    UInt16 = 1,
    UInt32 = 2,
    Hash128 = 4,
    Hash256 = 5,
    Amount = 6,
    Blob = 7,
    AccountId = 8,
    Object = 14,
    Array = 15,
    UInt8 = 16,
    PathSet = 18,
}

macro_rules! fields {
    ($($name:ident $kind:ident $code:literal;)*) => {
        /// A field under the ledger's own name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Field { $($name,)* }

        impl Field {
            #[cfg(test)]
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As it stands in a transaction's JSON.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What it holds.
            pub const fn kind(self) -> FieldType {
                match self { $(Self::$name => FieldType::$kind,)* }
            }

            /// Its number among the fields of its type.
            pub const fn code(self) -> u8 {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}

fields! {
    TransactionType UInt16 2;
    Flags UInt32 2;
    SourceTag UInt32 3;
    Sequence UInt32 4;
    Expiration UInt32 10;
    TransferRate UInt32 11;
    WalletSize UInt32 12;
    DestinationTag UInt32 14;
    QualityIn UInt32 20;
    QualityOut UInt32 21;
    OfferSequence UInt32 25;
    LastLedgerSequence UInt32 27;
    SetFlag UInt32 33;
    ClearFlag UInt32 34;
    CancelAfter UInt32 36;
    FinishAfter UInt32 37;
    TicketCount UInt32 40;
    TicketSequence UInt32 41;
    EmailHash Hash128 1;
    WalletLocator Hash256 7;
    AccountTxnID Hash256 9;
    InvoiceID Hash256 17;
    Amount Amount 1;
    LimitAmount Amount 3;
    TakerPays Amount 4;
    TakerGets Amount 5;
    Fee Amount 8;
    SendMax Amount 9;
    DeliverMin Amount 10;
    MessageKey Blob 2;
    SigningPubKey Blob 3;
    TxnSignature Blob 4;
    Domain Blob 7;
    MemoType Blob 12;
    MemoData Blob 13;
    MemoFormat Blob 14;
    Fulfillment Blob 16;
    Condition Blob 17;
    Account AccountId 1;
    Owner AccountId 2;
    Destination AccountId 3;
    NFTokenMinter AccountId 9;
    Memo Object 10;
    Signer Object 16;
    Signers Array 3;
    Memos Array 9;
    TickSize UInt8 16;
    Paths PathSet 1;
}

/// What ends an object within an array, and an array.
const OBJECT_END: u8 = 0xe1;
const ARRAY_END: u8 = 0xf1;
/// What stands between two paths, and after the last.
const NEXT_PATH: u8 = 0xff;
const PATHS_END: u8 = 0x00;

impl Field {
    /// By it fields stand in order: the type's number, then the field's.
    fn order(self) -> (u8, u8) {
        (self.kind() as u8, self.code())
    }

    /// The field's id: each of the two numbers in half a byte where it is below 16, else in a byte of its own.
    pub fn id(self) -> Vec<u8> {
        let (kind, code) = self.order();
        match (kind, code) {
            (..16, ..16) => vec![kind << 4 | code],
            (..16, _) => vec![kind << 4, code],
            (_, ..16) => vec![code, kind],
            _ => vec![0, kind, code],
        }
    }
}

/// What a field has in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue {
    UInt8(u8),
    UInt32(u32),
    /// The type of the transaction: its number and its name.
    TransactionType(u16, &'static str),
    Hash128([u8; 16]),
    Hash256([u8; 32]),
    Amount(Amount),
    Blob(Vec<u8>),
    Account(AccountId),
    Memos(Vec<Fields>),
    Signers(Vec<Signer>),
    Paths(Vec<Vec<PathStep>>),
}

/// One signature of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    pub account: AccountId,
    /// 33 bytes: of secp256k1 compressed, or of Ed25519 after 0xed.
    pub public_key: Vec<u8>,
    /// 1 to 72 bytes.
    pub signature: Vec<u8>,
}

impl Signer {
    fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.set(Field::SigningPubKey, FieldValue::Blob(self.public_key.clone()));
        fields.set(Field::TxnSignature, FieldValue::Blob(self.signature.clone()));
        fields.set(Field::Account, FieldValue::Account(self.account));
        fields
    }
}

/// One step of a path: at least one of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathStep {
    pub account: Option<AccountId>,
    pub currency: Option<Currency>,
    pub issuer: Option<AccountId>,
}

impl PathStep {
    /// Which of the three are there.
    pub fn kind(&self) -> u8 {
        let bit = |there: bool, bit: u8| if there { bit } else { 0 };
        bit(self.account.is_some(), 0x01) | bit(self.currency.is_some(), 0x10) | bit(self.issuer.is_some(), 0x20)
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.push(self.kind());
        bytes.extend(self.account.iter().flat_map(AccountId::as_bytes));
        bytes.extend(self.currency.iter().flat_map(Currency::as_bytes));
        bytes.extend(self.issuer.iter().flat_map(AccountId::as_bytes));
    }

    fn to_json(self) -> Value {
        let mut members = Map::new();
        let mut tell = |name: &str, text: Option<String>| text.map(|text| members.insert(name.to_owned(), text.into()));
        tell("account", self.account.map(|account| account.to_string()));
        tell("currency", self.currency.map(|currency| currency.to_string()));
        tell("issuer", self.issuer.map(|issuer| issuer.to_string()));
        Value::Object(members)
    }
}

impl FieldValue {
    fn encode(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::UInt8(number) => bytes.push(*number),
            Self::UInt32(number) => bytes.extend(number.to_be_bytes()),
            Self::TransactionType(number, _) => bytes.extend(number.to_be_bytes()),
            Self::Hash128(hash) => bytes.extend(hash),
            Self::Hash256(hash) => bytes.extend(hash),
            Self::Amount(amount) => bytes.extend(amount.to_bytes()),
            Self::Blob(blob) => with_length(blob, bytes),
            Self::Account(account) => with_length(account.as_bytes(), bytes),
            Self::Memos(memos) => {
                for memo in memos {
                    encode_object(Field::Memo, memo, bytes);
                }
                bytes.push(ARRAY_END);
            }
            Self::Signers(signers) => {
                for signer in signers {
                    encode_object(Field::Signer, &signer.fields(), bytes);
                }
                bytes.push(ARRAY_END);
            }
            Self::Paths(paths) => {
                for (number, path) in paths.iter().enumerate() {
                    if number > 0 {
                        bytes.push(NEXT_PATH);
                    }
                    for step in path {
                        step.encode(bytes);
                    }
                }
                bytes.push(PATHS_END);
            }
        }
    }

    /// As the ledger's servers write it.
    pub fn to_json(&self) -> Value {
        match self {
            Self::UInt8(number) => json!(number),
            Self::UInt32(number) => json!(number),
            Self::TransactionType(_, name) => json!(name),
            Self::Hash128(hash) => json!(hex::encode_upper(hash)),
            Self::Hash256(hash) => json!(hex::encode_upper(hash)),
            Self::Amount(amount) => amount.to_json(),
            Self::Blob(blob) => json!(hex::encode_upper(blob)),
            Self::Account(account) => json!(account.to_string()),
            Self::Memos(memos) => memos.iter().map(|memo| json!({ "Memo": memo.to_json() })).collect(),
            Self::Signers(signers) => signers.iter().map(|signer| json!({ "Signer": signer.fields().to_json() })).collect(),
            Self::Paths(paths) => paths.iter().map(|path| path.iter().map(|step| step.to_json()).collect::<Value>()).collect(),
        }
    }
}

fn encode_object(field: Field, fields: &Fields, bytes: &mut Vec<u8>) {
    bytes.extend(field.id());
    bytes.extend(fields.encode());
    bytes.push(OBJECT_END);
}

/// The length in front, in one to three bytes. No field here is longer than the third form can say.
fn with_length(blob: &[u8], bytes: &mut Vec<u8>) {
    const ONE_BYTE: u32 = 192;
    const TWO_BYTES: u32 = 12_480;
    let length = u32::try_from(blob.len()).unwrap_or(u32::MAX);
    let [_, high, middle, low] = match length {
        0..=ONE_BYTE => length,
        193..=TWO_BYTES => length.saturating_sub(193).saturating_add(193 << 8),
        _ => length.saturating_sub(12_481).saturating_add(241 << 16),
    }
    .to_be_bytes();
    match length {
        0..=ONE_BYTE => bytes.push(low),
        193..=TWO_BYTES => bytes.extend([middle, low]),
        _ => bytes.extend([high, middle, low]),
    }
    bytes.extend(blob);
}

/// Fields in the ledger's order, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(Field, FieldValue)>);

impl Fields {
    /// Puts a field in its place. One that is there is replaced.
    pub fn set(&mut self, field: Field, value: FieldValue) {
        match self.0.binary_search_by_key(&field.order(), |(known, _)| known.order()) {
            Ok(place) => {
                if let Some(entry) = self.0.get_mut(place) {
                    entry.1 = value;
                }
            }
            Err(place) => self.0.insert(place, (field, value)),
        }
    }

    pub fn get(&self, field: Field) -> Option<&FieldValue> {
        self.0.iter().find(|(known, _)| *known == field).map(|(_, value)| value)
    }

    pub fn has(&self, field: Field) -> bool {
        self.get(field).is_some()
    }

    pub fn uint32(&self, field: Field) -> Option<u32> {
        match self.get(field)? {
            FieldValue::UInt32(number) => Some(*number),
            _ => None,
        }
    }

    pub fn amount(&self, field: Field) -> Option<&Amount> {
        match self.get(field)? {
            FieldValue::Amount(amount) => Some(amount),
            _ => None,
        }
    }

    pub fn account(&self, field: Field) -> Option<AccountId> {
        match self.get(field)? {
            FieldValue::Account(account) => Some(*account),
            _ => None,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (Field, &FieldValue)> {
        self.0.iter().map(|(field, value)| (*field, value))
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (field, value) in &self.0 {
            bytes.extend(field.id());
            value.encode(&mut bytes);
        }
        bytes
    }

    /// As the ledger's servers write it.
    pub fn to_json(&self) -> Map<String, Value> {
        self.iter().map(|(field, value)| (field.name().to_owned(), value.to_json())).collect()
    }
}

/// What an array of memos counts for the ledger's limit of their length.
pub fn memos_length(memos: &[Fields]) -> usize {
    let mut bytes = Vec::new();
    for memo in memos {
        encode_object(Field::Memo, memo, &mut bytes);
    }
    bytes.len()
}
