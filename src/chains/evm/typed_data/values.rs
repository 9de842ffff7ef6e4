//! The values of typed data: read by their types, hashed, and written in one canonical form.

use std::sync::Arc;

use alloy_primitives::{Address, B256, I256, Keccak256, Sign, U256, keccak256};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use super::types::{MemberType, StructType, Types};
use super::{MAX_BYTES, MAX_DEPTH, MAX_VALUES, too_long};
use crate::chains::evm;

/// Of a path that an error names.
const MAX_PATH_BYTES: usize = 256;

/// What is wrong, and where. The reason completes "`field` ...".
#[derive(Debug)]
pub struct Fault {
    /// From the inside out.
    path: Vec<String>,
    pub reason: String,
}

impl Fault {
    pub fn new(reason: impl Into<String>) -> Self {
        Self { path: Vec::new(), reason: reason.into() }
    }

    /// It is inside this member.
    pub fn at(mut self, member: &str) -> Self {
        self.path.push(format!(".{}", member.chars().take(64).collect::<String>()));
        self
    }

    /// It is inside this element.
    pub fn index(mut self, index: usize) -> Self {
        self.path.push(format!("[{index}]"));
        self
    }

    /// The path below a parameter.
    pub fn field(&self, parameter: &str) -> String {
        let mut field = parameter.to_owned();
        for part in self.path.iter().rev() {
            if field.len().saturating_add(part.len()) > MAX_PATH_BYTES {
                field.push_str("...");
                break;
            }
            field.push_str(part);
        }
        field
    }
}

/// A value of its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Bool(bool),
    Address(Address),
    String(String),
    Bytes(Vec<u8>),
    /// 1..32 bytes.
    FixedBytes(Vec<u8>),
    Uint(U256),
    Int(I256),
    Array(Vec<Self>),
    Struct(StructValue),
}

/// A value of a struct type: its members in the type's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StructValue {
    of: Arc<StructType>,
    members: Vec<Value>,
}

impl StructValue {
    pub fn of(&self) -> &StructType {
        &self.of
    }

    pub fn members(&self) -> &[Value] {
        &self.members
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.named().find_map(|(known, value)| (known == name).then_some(value))
    }

    fn named(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.of.members.iter().map(|member| member.name.as_str()).zip(&self.members)
    }

    /// `hashStruct`: Keccak-256 of the type's hash and `encodeData`.
    pub fn hash(&self) -> B256 {
        let mut hasher = Keccak256::new();
        hasher.update(self.of.hash);
        for member in &self.members {
            hasher.update(member.word());
        }
        hasher.finalize()
    }
}

impl Value {
    /// The 32 bytes that stand for it in `encodeData`.
    fn word(&self) -> B256 {
        match self {
            Self::Bool(flag) => B256::with_last_byte(u8::from(*flag)),
            Self::Address(address) => address.into_word(),
            Self::String(text) => keccak256(text),
            Self::Bytes(bytes) => keccak256(bytes),
            Self::FixedBytes(bytes) => B256::right_padding_from(bytes),
            Self::Uint(number) => B256::from(*number),
            Self::Int(number) => B256::from(number.into_raw()),
            Self::Array(elements) => {
                let mut hasher = Keccak256::new();
                for element in elements {
                    hasher.update(element.word());
                }
                hasher.finalize()
            }
            Self::Struct(value) => value.hash(),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(flag) => serializer.serialize_bool(*flag),
            Self::Address(address) => serializer.serialize_str(&address.to_checksum(None)),
            Self::String(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) | Self::FixedBytes(bytes) => serializer.collect_str(&format_args!("0x{}", hex::encode(bytes))),
            Self::Uint(number) => serializer.collect_str(number),
            Self::Int(number) => serializer.collect_str(number),
            Self::Array(elements) => {
                let mut list = serializer.serialize_seq(Some(elements.len()))?;
                for element in elements {
                    list.serialize_element(element)?;
                }
                list.end()
            }
            Self::Struct(value) => value.serialize(serializer),
        }
    }
}

impl Serialize for StructValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.members.len()))?;
        for (name, value) in self.named() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Reads values within the bounds of this module's parent.
pub struct Reader<'a> {
    types: &'a Types,
    values_left: usize,
    bytes_left: usize,
}

impl<'a> Reader<'a> {
    pub const fn new(types: &'a Types) -> Self {
        Self { types, values_left: MAX_VALUES, bytes_left: MAX_BYTES }
    }

    /// Every member of the type must be there, and nothing else.
    pub fn structure(&mut self, of: &Arc<StructType>, json: &Json, depth_left: usize) -> Result<StructValue, Fault> {
        let depth_left = enter(depth_left)?;
        let Json::Object(given) = json else { return Err(Fault::new(format!("must be an object, a {}", of.name))) };
        let mut members = Vec::with_capacity(of.members.len());
        for member in &of.members {
            let value = given.get(&member.name).ok_or_else(|| Fault::new(format!("is missing, {}", member.kind)));
            let value = value.and_then(|value| self.value(&member.kind, value, depth_left));
            members.push(value.map_err(|fault| fault.at(&member.name))?);
        }
        // Every member is there, and each key once: if there are more keys, one of them is none of the type's.
        if given.len() > members.len()
            && let Some(extra) = given.keys().find(|name| of.members.iter().all(|member| member.name != **name))
        {
            return Err(Fault::new(format!("is no member of {}, and would not be signed", of.name)).at(extra));
        }
        Ok(StructValue { of: Arc::clone(of), members })
    }

    fn value(&mut self, kind: &MemberType, json: &Json, depth_left: usize) -> Result<Value, Fault> {
        self.values_left = self
            .values_left
            .checked_sub(1)
            .ok_or_else(|| Fault::new(format!("is too much: at most {MAX_VALUES} values are read")))?;
        if let Json::String(text) = json {
            self.bytes_left = self.bytes_left.checked_sub(text.len()).ok_or_else(too_long)?;
        }
        match kind {
            MemberType::Bool => json.as_bool().map(Value::Bool).ok_or_else(|| Fault::new("must be true or false")),
            MemberType::Address => address(json).map(Value::Address),
            MemberType::String => match json {
                Json::String(text) => Ok(Value::String(text.clone())),
                _ => Err(Fault::new("must be a string")),
            },
            MemberType::Bytes => bytes(json).map(Value::Bytes),
            MemberType::FixedBytes(length) => match bytes(json)? {
                bytes if bytes.len() == *length => Ok(Value::FixedBytes(bytes)),
                bytes => Err(Fault::new(format!("must have {length} bytes, but has {}", bytes.len()))),
            },
            MemberType::Uint(bits) => uint(json, *bits).map(Value::Uint),
            MemberType::Int(bits) => int(json, *bits).map(Value::Int),
            MemberType::Struct(name) => {
                let of = self.types.get(name).ok_or_else(|| Fault::new(format!("is of type {name}, which is not there")))?;
                self.structure(&of, json, depth_left).map(Value::Struct)
            }
            MemberType::Array(of, length) => self.array(of, *length, json, depth_left).map(Value::Array),
        }
    }

    fn array(&mut self, of: &MemberType, length: Option<usize>, json: &Json, depth_left: usize) -> Result<Vec<Value>, Fault> {
        let depth_left = enter(depth_left)?;
        let Json::Array(given) = json else { return Err(Fault::new("must be an array")) };
        if let Some(length) = length.filter(|length| *length != given.len()) {
            return Err(Fault::new(format!("must have {length} elements, but has {}", given.len())));
        }
        let elements = given.iter().enumerate();
        elements.map(|(index, value)| self.value(of, value, depth_left).map_err(|fault| fault.index(index))).collect()
    }
}

fn enter(depth_left: usize) -> Result<usize, Fault> {
    depth_left.checked_sub(1).ok_or_else(|| Fault::new(format!("is nested deeper than {MAX_DEPTH} levels")))
}

fn address(json: &Json) -> Result<Address, Fault> {
    let text = json.as_str().ok_or_else(|| Fault::new("must be an address, 0x and 40 hex digits"))?;
    let canonical = evm::parse(text).map_err(|error| Fault::new(error.to_string()))?;
    canonical.parse().map_err(|_| Fault::new("must be an address"))
}

fn bytes(json: &Json) -> Result<Vec<u8>, Fault> {
    let digits = json.as_str().and_then(|text| text.strip_prefix("0x"));
    digits.and_then(|digits| hex::decode(digits).ok()).ok_or_else(|| Fault::new("must be bytes, as 0x and hex digits in pairs"))
}

fn uint(json: &Json, bits: usize) -> Result<U256, Fault> {
    match whole_number(json)? {
        (false, number) if number.bit_len() <= bits => Ok(number),
        (true, _) => Err(Fault::new("must not be negative")),
        _ => Err(out_of_range("uint", bits)),
    }
}

fn int(json: &Json, bits: usize) -> Result<I256, Fault> {
    let (negative, magnitude) = whole_number(json)?;
    // Of two's complement: -128 fits into 8 bits, 128 does not.
    let digits = if negative { magnitude.saturating_sub(U256::ONE) } else { magnitude };
    let sign = if negative { Sign::Negative } else { Sign::Positive };
    I256::checked_from_sign_and_abs(sign, magnitude).filter(|_| digits.bit_len() < bits).ok_or_else(|| out_of_range("int", bits))
}

fn out_of_range(kind: &str, bits: usize) -> Fault {
    Fault::new(format!("does not fit into {kind}{bits}"))
}

/// Whether it is below zero, and how far from it.
fn whole_number(json: &Json) -> Result<(bool, U256), Fault> {
    const EXPECTED: &str =
        "must be a whole number, as digits or 0x and hex digits in a string, or as a JSON number of at most 64 bits";
    const TOO_LARGE: &str = "must fit into 256 bits";
    match json {
        Json::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Ok((false, U256::from(number))),
            (None, Some(number)) => Ok((true, U256::from(number.unsigned_abs()))),
            (None, None) => Err(Fault::new(EXPECTED)),
        },
        Json::String(text) => {
            let (negative, unsigned) = text.strip_prefix('-').map_or((false, text.as_str()), |rest| (true, rest));
            let (digits, radix) = match unsigned.strip_prefix("0x") {
                Some(digits) if !negative && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => (digits, 16),
                // What a needless zero in front means, octal or nothing, is not agreed on.
                None if unsigned.bytes().all(|byte| byte.is_ascii_digit())
                    && (unsigned == "0" && !negative || !unsigned.starts_with('0')) =>
                {
                    (unsigned, 10)
                }
                _ => return Err(Fault::new(EXPECTED)),
            };
            if digits.is_empty() {
                return Err(Fault::new(EXPECTED));
            }
            // 256 bits have at most 78 digits.
            if digits.len() > 78 {
                return Err(Fault::new(TOO_LARGE));
            }
            U256::from_str_radix(digits, radix).map(|number| (negative, number)).map_err(|_| Fault::new(TOO_LARGE))
        }
        _ => Err(Fault::new(EXPECTED)),
    }
}
