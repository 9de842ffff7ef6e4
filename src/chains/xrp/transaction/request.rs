//! Reads a transaction's JSON as the ledger's servers and libraries write it. Nothing is filled in, nothing is dropped: a type or a field
//! that is not known here is refused by its name.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::amount::{Amount, Currency, Issued, MAX_DROPS};
use super::fields::{Field, FieldType, FieldValue, Fields, PathStep, Signer, memos_length};
use super::formats::{self, COMMON, FORMATS, Format};
use super::rules;
use super::{MAX_BLOB_BYTES, MAX_MEMOS_BYTES, MAX_PATHS, MAX_SIGNERS, MAX_STEPS};
use crate::chains::decoded::{DecodeError, Rule};
use crate::chains::xrp::{AccountId, Parsed, XAddress, read};

/// Of a name or a value that an error repeats.
const MAX_REPEATED_CHARS: usize = 64;
/// Characters of `MemoType` and `MemoFormat`, beside letters and digits: those of URLs (RFC 3986).
const URL_SYMBOLS: &[u8] = b"-._~:/?#[]@!$&'()*+,;=%";

/// A transaction as it is asked for: complete, typed, and within every limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XrpTransactionRequest {
    pub(super) format: &'static Format,
    /// All but `SigningPubKey`, `TxnSignature` and `Signers`.
    pub(super) fields: Fields,
    /// As it was given: empty for one that several sign, or that nobody has signed yet.
    pub(super) signing_pub_key: Option<Vec<u8>>,
    /// Those who signed before, in the order of their accounts.
    pub(super) signers: Vec<Signer>,
    /// The X-addresses in it, whose network must be the wallet's.
    pub(super) x_addresses: Vec<(&'static str, XAddress)>,
}

/// Its JSON has the transaction as it would be signed and those who signed it, so that two spellings of one are one content.
impl Serialize for XrpTransactionRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut signers = Fields::default();
        signers.set(Field::Signers, FieldValue::Signers(self.signers.clone()));
        let mut fields = serializer.serialize_struct("XrpTransactionRequest", 2)?;
        fields.serialize_field("unsigned", &hex::encode(self.fields.encode()))?;
        fields.serialize_field("signers", &hex::encode(signers.encode()))?;
        fields.end()
    }
}

/// Reads a transaction's JSON. A member that is null counts as absent.
///
/// # Errors
/// [`DecodeError::Invalid`] with the member below `transaction`; [`Rule::TransactionType`], [`Rule::UnknownField`], [`Rule::AlreadySigned`]
/// and [`Rule::Network`].
pub fn parse(json: &Value) -> Result<XrpTransactionRequest, DecodeError> {
    let Value::Object(members) = json else {
        return Err(DecodeError::invalid("transaction", "must be an object: a transaction as the XRP Ledger has it"));
    };
    let format = format(members)?;
    let mut request = XrpTransactionRequest {
        format,
        fields: Fields::default(),
        signing_pub_key: None,
        signers: Vec::new(),
        x_addresses: Vec::new(),
    };
    request.fields.set(Field::TransactionType, FieldValue::TransactionType(format.code, format.name));
    let mut tags = Vec::new();
    for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
        request.member(name, value, &mut tags)?;
    }
    for (field, tag) in tags {
        match (request.fields.uint32(field), tag) {
            (Some(other), Some(tag)) if other != tag => {
                return Err(invalid(field.name(), format!("is {other}, but the X-address says {tag}")));
            }
            // XLS-5: such an address says that there is none.
            (Some(other), None) => {
                return Err(invalid(field.name(), format!("is {other}, but the X-address says that there is no tag")));
            }
            (_, Some(tag)) => request.fields.set(field, FieldValue::UInt32(tag)),
            (None, None) => {}
        }
    }
    for (field, required) in COMMON.iter().chain(format.fields) {
        if *required && !request.fields.has(*field) {
            let (name, missing) = (format.name, field.name());
            return Err(DecodeError::invalid("transaction", format!("has no {missing}; {name} needs it, and it is not guessed")));
        }
    }
    rules::check(format, &request.fields)?;
    Ok(request)
}

/// The type that it says it is of.
fn format(members: &Map<String, Value>) -> Result<&'static Format, DecodeError> {
    match members.get(Field::TransactionType.name()) {
        None | Some(Value::Null) => Err(DecodeError::invalid("transaction", "has no TransactionType")),
        Some(Value::String(name)) => FORMATS.iter().find(|format| format.name == name).ok_or_else(|| {
            let (name, served) = (shown(name), formats::served());
            let reason = format!("transactions of the type {name} are not signed here; those of {served} are");
            DecodeError::refused(Rule::TransactionType, reason)
        }),
        Some(_) => Err(invalid("TransactionType", "must be a type's name in a string")),
    }
}

impl XrpTransactionRequest {
    fn member(&mut self, name: &str, value: &Value, tags: &mut Vec<(Field, Option<u32>)>) -> Result<(), DecodeError> {
        match name {
            "TransactionType" => return Ok(()),
            "SigningPubKey" => {
                let key = hex_bytes(value, "SigningPubKey")?;
                if !key.is_empty() && !is_public_key(&key) {
                    return Err(invalid(name, "must be 33 bytes of hex, or empty"));
                }
                self.signing_pub_key = Some(key);
                return Ok(());
            }
            "TxnSignature" => {
                let reason = "the transaction has a TxnSignature already; it is given without one, and signed here";
                return Err(DecodeError::refused(Rule::AlreadySigned, reason));
            }
            "Signers" => {
                self.signers = signers(value)?;
                return Ok(());
            }
            "NetworkID" => {
                let reason = "the transaction has a NetworkID, which networks with a number of 1024 or less refuse, and so the main \
                              network, testnet and devnet";
                return Err(DecodeError::refused(Rule::Network, reason));
            }
            _ => {}
        }
        let known = COMMON.iter().chain(self.format.fields).find(|(field, _)| field.name() == name);
        let Some((field, _)) = known else {
            let reason = format!("{} has no field {} that is read here", self.format.name, shown(name));
            return Err(DecodeError::refused(Rule::UnknownField, reason));
        };
        let value = match field.kind() {
            FieldType::AccountId => FieldValue::Account(self.account(*field, value, tags)?),
            _ => field_value(*field, value)?,
        };
        self.fields.set(*field, value);
        Ok(())
    }

    /// An account, where it may be an X-address: as the libraries have it, its tag becomes the field beside it.
    fn account(&mut self, field: Field, value: &Value, tags: &mut Vec<(Field, Option<u32>)>) -> Result<AccountId, DecodeError> {
        let text = string(value, field.name())?;
        let tag_field = match field {
            Field::Account => Field::SourceTag,
            Field::Destination => Field::DestinationTag,
            _ => return classic(text, field.name()),
        };
        match read(text).map_err(|error| invalid(field.name(), error))? {
            Parsed::Classic(account) => Ok(account),
            Parsed::X(address) => {
                tags.push((tag_field, address.tag));
                self.x_addresses.push((field.name(), address));
                Ok(address.account)
            }
        }
    }
}

/// Reads a field's value by its type.
fn field_value(field: Field, value: &Value) -> Result<FieldValue, DecodeError> {
    let name = field.name();
    Ok(match field.kind() {
        FieldType::UInt8 => {
            let number = u8::try_from(number(value, name)?).map_err(|_| invalid(name, "must be 0 to 255"))?;
            FieldValue::UInt8(number)
        }
        FieldType::UInt32 => FieldValue::UInt32(number(value, name)?),
        FieldType::Hash128 => FieldValue::Hash128(hash(value, name)?),
        FieldType::Hash256 => FieldValue::Hash256(hash(value, name)?),
        FieldType::Amount => FieldValue::Amount(amount(value, name)?),
        FieldType::Blob => FieldValue::Blob(blob(value, name)?),
        FieldType::PathSet => FieldValue::Paths(paths(value)?),
        FieldType::Array => FieldValue::Memos(memos(value)?),
        FieldType::UInt16 | FieldType::AccountId | FieldType::Object => return Err(invalid(name, "is not read this way")),
    })
}

/// A whole number of 32 bits, as a number or in a string of digits.
fn number(value: &Value, name: &str) -> Result<u32, DecodeError> {
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(digits) => whole_number(digits),
        _ => None,
    };
    number
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| invalid(name, "must be a whole number from 0 to 4294967295"))
}

/// Digits without needless zeros.
fn whole_number(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|digit| digit.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|_| plain)
}

fn string<'a>(value: &'a Value, name: &str) -> Result<&'a str, DecodeError> {
    value.as_str().ok_or_else(|| invalid(name, "must be a string"))
}

fn object<'a>(value: &'a Value, name: &str, members: &[&str]) -> Result<&'a Map<String, Value>, DecodeError> {
    let Value::Object(given) = value else { return Err(invalid(name, "must be an object")) };
    match given.keys().find(|known| !members.contains(&known.as_str())) {
        Some(unknown) => {
            let reason = format!("{name} has a member {} that is not read here", shown(unknown));
            Err(DecodeError::refused(Rule::UnknownField, reason))
        }
        None => Ok(given),
    }
}

fn array<'a>(value: &'a Value, name: &str, most: usize) -> Result<&'a [Value], DecodeError> {
    match value {
        Value::Array(members) if (1..=most).contains(&members.len()) => Ok(members),
        Value::Array(_) => Err(invalid(name, format!("must have 1 to {most} members"))),
        _ => Err(invalid(name, "must be an array")),
    }
}

fn hex_bytes(value: &Value, name: &str) -> Result<Vec<u8>, DecodeError> {
    let text = string(value, name)?;
    if text.len() > 2 * MAX_BLOB_BYTES {
        return Err(invalid(name, format!("must have at most {MAX_BLOB_BYTES} bytes")));
    }
    hex::decode(text).map_err(|_| invalid(name, "must be hex digits in pairs"))
}

fn hash<const BYTES: usize>(value: &Value, name: &str) -> Result<[u8; BYTES], DecodeError> {
    hex_bytes(value, name)?.try_into().map_err(|_| invalid(name, format!("must be {BYTES} bytes of hex")))
}

/// Bytes within what the ledger takes of each field.
fn blob(value: &Value, name: &str) -> Result<Vec<u8>, DecodeError> {
    let bytes = hex_bytes(value, name)?;
    let (fits, expected) = match name {
        // rippled: maxDomainLength, maxSerializedCondition, maxSerializedFulfillment.
        "Domain" => (bytes.len() <= 256, "at most 256 bytes"),
        "Condition" => ((1..=128).contains(&bytes.len()), "1 to 128 bytes"),
        "Fulfillment" => ((1..=256).contains(&bytes.len()), "1 to 256 bytes"),
        "MessageKey" => (bytes.is_empty() || is_public_key(&bytes), "a public key of 33 bytes, or nothing"),
        _ => (true, ""),
    };
    if fits { Ok(bytes) } else { Err(invalid(name, format!("must be {expected}"))) }
}

/// The form of a public key: compressed secp256k1, or Ed25519 after 0xed.
fn is_public_key(bytes: &[u8]) -> bool {
    matches!(bytes, [0x02 | 0x03 | 0xed, rest @ ..] if rest.len() == 32)
}

fn classic(text: &str, name: &str) -> Result<AccountId, DecodeError> {
    match read(text).map_err(|error| invalid(name, error))? {
        Parsed::Classic(account) => Ok(account),
        Parsed::X(_) => Err(invalid(name, "must be a classic address; Account and Destination alone may be X-addresses")),
    }
}

/// Drops in a string of digits, or an object of an issued currency.
fn amount(value: &Value, name: &str) -> Result<Amount, DecodeError> {
    match value {
        Value::String(digits) => match whole_number(digits).filter(|drops| *drops <= MAX_DROPS) {
            Some(drops) => Ok(Amount::Drops(drops)),
            None => Err(invalid(name, format!("must be whole drops in a string of digits, at most {MAX_DROPS}"))),
        },
        Value::Object(members) if members.contains_key("mpt_issuance_id") => {
            let reason = format!("{name} is an amount of a multi-purpose token (mpt_issuance_id), which is not read here");
            Err(DecodeError::refused(Rule::UnknownField, reason))
        }
        Value::Object(_) => {
            let members = object(value, name, &["currency", "issuer", "value"])?;
            let text = |member: &str| {
                let name = format!("{name}.{member}");
                let value = members.get(member).ok_or_else(|| invalid(&name, "is missing"))?;
                string(value, &name).map(|text| (text, name))
            };
            let (currency, currency_name) = text("currency")?;
            let currency = Currency::parse(currency).map_err(|reason| invalid(&currency_name, reason))?;
            let (issuer, issuer_name) = text("issuer")?;
            let issuer = classic(issuer, &issuer_name)?;
            if issuer.as_bytes() == Currency::XRP.as_bytes() {
                return Err(invalid(&issuer_name, "must not be the account of XRP itself"));
            }
            let (value, value_name) = text("value")?;
            Issued::new(value, currency, issuer).map(Amount::Issued).map_err(|reason| invalid(&value_name, reason))
        }
        _ => Err(invalid(name, "must be drops in a string, or an object with currency, issuer and value")),
    }
}

fn memos(value: &Value) -> Result<Vec<Fields>, DecodeError> {
    // The least that one has is four bytes.
    let members = array(value, "Memos", MAX_MEMOS_BYTES / 4)?;
    let memos =
        members.iter().enumerate().map(|(at, member)| memo(member, &format!("Memos[{at}]"))).collect::<Result<Vec<_>, _>>()?;
    let bytes = memos_length(&memos);
    if bytes > MAX_MEMOS_BYTES {
        return Err(invalid("Memos", format!("have {bytes} bytes; the ledger takes {MAX_MEMOS_BYTES}")));
    }
    Ok(memos)
}

fn memo(value: &Value, name: &str) -> Result<Fields, DecodeError> {
    let members = object(value, name, &["Memo"])?;
    let inner = members.get("Memo").ok_or_else(|| invalid(name, "has no Memo"))?;
    let all = [Field::MemoType, Field::MemoData, Field::MemoFormat];
    let members = object(inner, name, &all.map(Field::name))?;
    let mut memo = Fields::default();
    for field in all {
        let Some(value) = members.get(field.name()).filter(|value| !value.is_null()) else { continue };
        let name = format!("{name}.{}", field.name());
        let bytes = hex_bytes(value, &name)?;
        let of_urls = |byte: &u8| byte.is_ascii_alphanumeric() || URL_SYMBOLS.contains(byte);
        if field != Field::MemoData && !bytes.iter().all(of_urls) {
            return Err(invalid(&name, "must be the hex of characters that URLs have (RFC 3986)"));
        }
        memo.set(field, FieldValue::Blob(bytes));
    }
    if all.into_iter().any(|field| memo.has(field)) { Ok(memo) } else { Err(invalid(name, "says nothing")) }
}

fn paths(value: &Value) -> Result<Vec<Vec<PathStep>>, DecodeError> {
    let path = |(at, path): (usize, &Value)| {
        let name = format!("Paths[{at}]");
        let steps = array(path, &name, MAX_STEPS)?.iter().enumerate();
        steps.map(|(at, step)| path_step(step, &format!("{name}[{at}]"))).collect()
    };
    array(value, "Paths", MAX_PATHS)?.iter().enumerate().map(path).collect()
}

fn path_step(value: &Value, name: &str) -> Result<PathStep, DecodeError> {
    let members = object(value, name, &["account", "currency", "issuer", "type", "type_hex"])?;
    let text = |member: &str| {
        let value = members.get(member).filter(|value| !value.is_null());
        value.map(|value| string(value, name)).transpose()
    };
    let account = |member: &str| text(member)?.map(|text| classic(text, &format!("{name}.{member}"))).transpose();
    let step = PathStep {
        account: account("account")?,
        currency: match text("currency")? {
            Some("XRP") => Some(Currency::XRP),
            Some(code) => Some(Currency::parse(code).map_err(|reason| invalid(&format!("{name}.currency"), reason))?),
            None => None,
        },
        issuer: account("issuer")?,
    };
    let kind = step.kind();
    if kind == 0 {
        return Err(invalid(name, "must have an account, a currency or an issuer"));
    }
    // Servers say again what stands there.
    let agrees = |member: &str, expected: Value| members.get(member).is_none_or(|value| value.is_null() || *value == expected);
    if !agrees("type", kind.into()) || !agrees("type_hex", format!("{kind:016X}").into()) {
        return Err(invalid(name, "has a type that is not the one of its members"));
    }
    Ok(step)
}

/// Those who signed before. Their signatures are not checked here; the ledger does.
fn signers(value: &Value) -> Result<Vec<Signer>, DecodeError> {
    let members = array(value, "Signers", MAX_SIGNERS)?;
    let mut signers = members
        .iter()
        .enumerate()
        .map(|(at, member)| signer(member, &format!("Signers[{at}]")))
        .collect::<Result<Vec<_>, _>>()?;
    signers.sort_by_key(|signer| signer.account);
    match signers.array_windows().find(|[one, next]| one.account == next.account) {
        Some([twice, _]) => Err(invalid("Signers", format!("has {} twice", twice.account))),
        None => Ok(signers),
    }
}

fn signer(value: &Value, name: &str) -> Result<Signer, DecodeError> {
    let members = object(value, name, &["Signer"])?;
    let inner = members.get("Signer").ok_or_else(|| invalid(name, "has no Signer"))?;
    let members = object(inner, name, &["Account", "SigningPubKey", "TxnSignature"])?;
    let member = |member: &str| {
        let name = format!("{name}.{member}");
        let value = members.get(member).ok_or_else(|| invalid(&name, "is missing"))?;
        Ok((value, name))
    };
    let (account, account_name) = member("Account")?;
    let account = classic(string(account, &account_name)?, &account_name)?;
    let (key, key_name) = member("SigningPubKey")?;
    let public_key = hex_bytes(key, &key_name)?;
    if !is_public_key(&public_key) {
        return Err(invalid(&key_name, "must be 33 bytes of hex"));
    }
    let (signature, signature_name) = member("TxnSignature")?;
    let signature = hex_bytes(signature, &signature_name)?;
    if !(1..=72).contains(&signature.len()) {
        return Err(invalid(&signature_name, "must be 1 to 72 bytes of hex"));
    }
    Ok(Signer { account, public_key, signature })
}

/// What is wrong with a member of the transaction.
pub(super) fn invalid(name: &str, reason: impl std::fmt::Display) -> DecodeError {
    DecodeError::invalid(format!("transaction.{name}"), reason)
}

/// A text of the caller's in an error.
fn shown(text: &str) -> String {
    let start: String = text.chars().take(MAX_REPEATED_CHARS).collect();
    format!("{start:?}")
}
