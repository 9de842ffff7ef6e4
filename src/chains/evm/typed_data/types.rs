//! The struct types of typed data: their grammar, and `encodeType` of EIP-712.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::sync::Arc;

use alloy_primitives::{B256, keccak256};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use super::domain::DOMAIN;
use super::values::Fault;
use super::{MAX_NAME_BYTES, MAX_TYPES, MAX_TYPES_BYTES, MAX_VALUES};

/// A struct type, with what follows from it and from the types that it refers to.
#[derive(Debug, PartialEq, Eq)]
pub struct StructType {
    pub name: String,
    pub members: Vec<Member>,
    /// `encodeType`: this type, then every type that it reaches, by name.
    pub encoded: String,
    /// Keccak-256 of `encoded`.
    pub hash: B256,
}

/// A member of a struct type. Its JSON is the one that `types` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    pub name: String,
    #[serde(rename = "type", serialize_with = "as_text")]
    pub kind: MemberType,
}

/// What a member holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberType {
    Bool,
    Address,
    String,
    Bytes,
    /// 1..32 bytes.
    FixedBytes(usize),
    /// 8..256 bits, in steps of 8.
    Uint(usize),
    /// 8..256 bits, in steps of 8.
    Int(usize),
    /// By its name.
    Struct(String),
    /// Of any length, or of one.
    Array(Box<Self>, Option<usize>),
}

impl fmt::Display for MemberType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Address => f.write_str("address"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::FixedBytes(bytes) => write!(f, "bytes{bytes}"),
            Self::Uint(bits) => write!(f, "uint{bits}"),
            Self::Int(bits) => write!(f, "int{bits}"),
            Self::Struct(name) => f.write_str(name),
            Self::Array(of, None) => write!(f, "{of}[]"),
            Self::Array(of, Some(length)) => write!(f, "{of}[{length}]"),
        }
    }
}

impl MemberType {
    /// The struct type that it is made of, if it is made of one.
    fn named(&self) -> Option<&str> {
        match self {
            Self::Struct(name) => Some(name),
            Self::Array(of, _) => of.named(),
            _ => None,
        }
    }
}

impl StructType {
    /// A type that refers to no other.
    pub fn alone(name: &str, members: Vec<Member>) -> Self {
        Self::new(name, members, &[])
    }

    fn new(name: &str, members: Vec<Member>, reached: &[(&str, &[Member])]) -> Self {
        let mut encoded = String::new();
        for (name, members) in std::iter::once((name, members.as_slice())).chain(reached.iter().copied()) {
            let members: Vec<_> = members.iter().map(|member| format!("{} {}", member.kind, member.name)).collect();
            // A String takes whatever is written.
            let _ = write!(encoded, "{name}({})", members.join(","));
        }
        Self { name: name.to_owned(), members, hash: keccak256(&encoded), encoded }
    }
}

/// Struct types by name, each of which refers to no others than these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Types(BTreeMap<String, Arc<StructType>>);

impl Types {
    pub fn get(&self, name: &str) -> Option<Arc<StructType>> {
        self.0.get(name).cloned()
    }

    /// Those that values of a type can hold, itself included.
    pub fn reached_from(&self, name: &str) -> Option<Self> {
        let mut reached = BTreeMap::new();
        let mut waiting = vec![self.get(name)?];
        while let Some(found) = waiting.pop() {
            if reached.contains_key(&found.name) {
                continue;
            }
            waiting.extend(found.members.iter().filter_map(|member| self.get(member.kind.named()?)));
            reached.insert(found.name.clone(), found);
        }
        Some(Self(reached))
    }

    /// As JSON, with one more.
    pub fn with<'a>(&'a self, domain: &'a StructType) -> impl Serialize + 'a {
        struct Listed<'a>(&'a Types, &'a StructType);
        impl Serialize for Listed<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry(&self.1.name, &self.1.members)?;
                for (name, of) in &self.0.0 {
                    map.serialize_entry(name, &of.members)?;
                }
                map.end()
            }
        }
        Listed(self, domain)
    }
}

/// Reads `types`: the struct types, and the members of `EIP712Domain` if it is listed.
///
/// # Errors
/// A [`Fault`] for a name that is no identifier or stands for an atomic type, a type that is not there, a member that is there
/// twice, and for more than the bounds of this module's parent.
pub fn read(json: &Json) -> Result<(Types, Option<Vec<Member>>), Fault> {
    let Json::Object(listed) = json else { return Err(Fault::new("must be an object")) };
    if listed.len() > MAX_TYPES {
        return Err(Fault::new(format!("has {} types; at most {MAX_TYPES} are read", listed.len())));
    }
    let mut bytes_left = MAX_TYPES_BYTES;
    let mut read = BTreeMap::new();
    for (name, members) in listed {
        type_name(name).map_err(|reason| Fault::new(reason).at(name))?;
        read.insert(name.as_str(), read_members(members, &mut bytes_left).map_err(|fault| fault.at(name))?);
    }
    let domain = read.remove(DOMAIN);
    for (name, member) in read.iter().flat_map(|(name, members)| members.iter().map(move |member| (name, member))) {
        if let Some(missing) = member.kind.named().filter(|named| !read.contains_key(named)) {
            let shown: String = missing.chars().take(64).collect();
            let reason = format!("is of type {shown}, which is neither atomic nor one of the types");
            return Err(Fault::new(reason).at(&member.name).at(name));
        }
    }
    let types = read.iter().map(|(name, members)| {
        let others: Vec<_> = reached(&read, name).into_iter().filter(|other| other != name).collect();
        let others: Vec<_> = others.into_iter().filter_map(|other| Some((other, read.get(other)?.as_slice()))).collect();
        ((*name).to_owned(), Arc::new(StructType::new(name, members.clone(), &others)))
    });
    Ok((Types(types.collect()), domain))
}

/// The names that a type reaches, in order.
fn reached<'a>(types: &'a BTreeMap<&str, Vec<Member>>, name: &'a str) -> BTreeSet<&'a str> {
    let (mut reached, mut waiting) = (BTreeSet::new(), vec![name]);
    while let Some(name) = waiting.pop() {
        if reached.insert(name) {
            waiting.extend(types.get(name).into_iter().flatten().filter_map(|member| member.kind.named()));
        }
    }
    reached
}

fn read_members(json: &Json, bytes_left: &mut usize) -> Result<Vec<Member>, Fault> {
    let Json::Array(listed) = json else { return Err(Fault::new("must be an array of {name, type}")) };
    let mut members: Vec<Member> = Vec::new();
    for (index, member) in listed.iter().enumerate() {
        let at = |fault: Fault| fault.index(index);
        let (name, kind) = name_and_type(member).map_err(at)?;
        *bytes_left = (bytes_left.checked_sub(name.len()))
            .and_then(|left| left.checked_sub(kind.len()))
            .ok_or_else(|| Fault::new(format!("is too much: all names have at most {MAX_TYPES_BYTES} bytes")))
            .map_err(at)?;
        let kind = member_type(kind).map_err(|reason| at(Fault::new(reason).at("type")))?;
        if !is_identifier(name) {
            return Err(at(Fault::new(NOT_IDENTIFIER).at("name")));
        }
        if members.iter().any(|known| known.name == name) {
            return Err(at(Fault::new("is there twice in one type").at("name")));
        }
        members.push(Member { name: name.to_owned(), kind });
    }
    Ok(members)
}

fn name_and_type(json: &Json) -> Result<(&str, &str), Fault> {
    const EXPECTED: &str = "must be an object with a name and a type, and nothing else";
    let (Some(name), Some(kind), Some(2)) = (json.get("name"), json.get("type"), json.as_object().map(serde_json::Map::len))
    else {
        return Err(Fault::new(EXPECTED));
    };
    name.as_str().zip(kind.as_str()).ok_or_else(|| Fault::new(EXPECTED))
}

/// Reads what a member holds. `T[][3]` is three arrays of any length.
fn member_type(text: &str) -> Result<MemberType, String> {
    if text.len() > MAX_NAME_BYTES {
        return Err(format!("has more than {MAX_NAME_BYTES} bytes"));
    }
    let (base, mut sizes) = text.find('[').map_or((text, ""), |at| text.split_at(at));
    let mut kind = match atomic(base)? {
        Some(atomic) => atomic,
        None => {
            type_name(base)?;
            MemberType::Struct(base.to_owned())
        }
    };
    while !sizes.is_empty() {
        let size = sizes.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (size, rest) = size.ok_or("is no type: an array is written T[] or T[3]")?;
        let length =
            if size.is_empty() { None } else { Some(number(size, 1..=MAX_VALUES).ok_or("has an array of no such length")?) };
        kind = MemberType::Array(Box::new(kind), length);
        sizes = rest;
    }
    Ok(kind)
}

/// An atomic type, or none if the name may be a struct type's. Solidity's aliases `uint` and `int` are not part of EIP-712.
fn atomic(name: &str) -> Result<Option<MemberType>, String> {
    let digits_of = |prefix| name.strip_prefix(prefix).filter(|digits: &&str| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let bits = |digits: &str| {
        number(digits, 8..=256)
            .filter(|bits| bits.is_multiple_of(8))
            .ok_or("is no type: integers have 8 to 256 bits, in steps of 8")
    };
    Ok(Some(match name {
        "bool" => MemberType::Bool,
        "address" => MemberType::Address,
        "string" => MemberType::String,
        "bytes" => MemberType::Bytes,
        "function" | "fixed" | "ufixed" => return Err(format!("is {name}, which EIP-712 does not have")),
        _ => {
            if let Some(digits) = digits_of("uint") {
                MemberType::Uint(bits(digits)?)
            } else if let Some(digits) = digits_of("int") {
                MemberType::Int(bits(digits)?)
            } else if let Some(digits) = digits_of("bytes") {
                MemberType::FixedBytes(number(digits, 1..=32).ok_or("is no type: bytes1 to bytes32, or bytes")?)
            } else {
                return Ok(None);
            }
        }
    }))
}

/// Digits without needless zeros: other libraries would hash them as they are written.
fn number(digits: &str, range: std::ops::RangeInclusive<usize>) -> Option<usize> {
    let canonical = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    digits.parse().ok().filter(|number| canonical && range.contains(number))
}

const NOT_IDENTIFIER: &str = "must be an identifier: letters, digits, _ and $, no digit first, and at most 128 bytes: other characters could make one type look like another";

/// A name that a struct type may have. Colons are within some that are in use.
fn type_name(name: &str) -> Result<(), String> {
    if name.len() > MAX_NAME_BYTES || !name.split(':').all(is_identifier) {
        return Err(NOT_IDENTIFIER.to_owned());
    }
    match atomic(name) {
        Ok(None) => Ok(()),
        Ok(Some(_)) | Err(_) => Err("is a name that atomic types have".to_owned()),
    }
}

fn is_identifier(name: &str) -> bool {
    let of = |letters: fn(&u8) -> bool| move |byte: u8| letters(&byte) || byte == b'_' || byte == b'$';
    name.len() <= MAX_NAME_BYTES
        && name.bytes().all(of(u8::is_ascii_alphanumeric))
        && name.bytes().next().is_some_and(of(u8::is_ascii_alphabetic))
}

fn as_text<S: Serializer>(kind: &MemberType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(kind)
}
