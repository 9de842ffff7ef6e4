//! EIP-712 typed data: the request, its digest, and what it does.
//!
//! Libraries coerce what does not fit a type, each in its own way, and then sign something that nobody wrote. Here every value must
//! fit its type, none may be missing and none may be there that the type does not name: what is shown is all that is signed. The
//! digest is made of what was read, never of the caller's text.

mod domain;
mod standards;
mod types;
mod values;

use std::borrow::Cow;

use alloy_primitives::{Address, Keccak256, U256};
use serde::Serialize;
use serde::ser::SerializeStruct;
use serde_json::{Value as Json, json};

use self::types::Types;
use self::values::{Fault, Reader, StructValue, Value};
use crate::chains::decoded::DecodeError;
use crate::keys::Digest32;
use crate::strict_json;

pub use self::standards::decode;

/// Longest typed data, in bytes: of the string that holds it, or of all text in the object.
pub const MAX_BYTES: usize = 256 << 10;
/// Most struct types, whether or not the message uses them.
pub const MAX_TYPES: usize = 64;
/// All names in the types together, in bytes.
pub const MAX_TYPES_BYTES: usize = 16 << 10;
/// Longest name of a type or a member, in bytes.
pub const MAX_NAME_BYTES: usize = 128;
/// Most values in domain and message: structs, arrays and what they hold.
pub const MAX_VALUES: usize = 16 << 10;
/// Structs and arrays inside one another.
pub const MAX_DEPTH: usize = 32;
/// Domain and message are shown if their JSON has no more bytes.
const MAX_SHOWN_BYTES: usize = 64 << 10;
/// Of the JSON in a string: what the daemon honours in a request.
const MAX_JSON_DEPTH: usize = 64;

const MEMBERS: [&str; 4] = ["types", "primaryType", "domain", "message"];

/// Typed data as eth_signTypedData_v4 is asked for it, every value of its type. Two spellings of one content are equal, and so is
/// their JSON: numbers in decimal, bytes in lower case, addresses with their checksum, types that the message can't reach left out.
#[derive(Debug, Clone, PartialEq)]
pub struct TypedDataRequest {
    types: Types,
    domain: StructValue,
    message: StructValue,
}

/// Reads typed data, given as an object or as a string that holds one. `EIP712Domain` may be left out of `types`: it follows from
/// the domain.
///
/// Taken are: whole numbers as JSON numbers of at most 64 bits, as decimal digits in a string or as `0x` and hex digits; bytes as
/// `0x` and hex digits in pairs, as many as the type says; addresses in one case or with a right EIP-55 checksum; `true` and
/// `false`. A null is no value of any type, although some libraries sign a missing struct as zeros.
///
/// # Errors
/// [`DecodeError::Invalid`] with the path of the member, such as `typedData.message.to[2]`.
pub fn parse(value: &Json) -> Result<TypedDataRequest, DecodeError> {
    let read = match value {
        Json::String(text) => from_text(text),
        value => from_json(value),
    };
    read.map_err(|fault| DecodeError::invalid(Cow::Owned(fault.field("typedData")), fault.reason))
}

fn from_text(text: &str) -> Result<TypedDataRequest, Fault> {
    if text.len() > MAX_BYTES {
        return Err(too_long());
    }
    // The same rules as for the request that the string stands in.
    strict_json::check(text, MAX_JSON_DEPTH)
        .and_then(|()| serde_json::from_str::<Json>(text))
        .map_err(|error| Fault::new(format!("is a string that is not acceptable JSON: {error}")))
        .and_then(|value| from_json(&value))
}

fn from_json(value: &Json) -> Result<TypedDataRequest, Fault> {
    let Json::Object(members) = value else {
        return Err(Fault::new("must be an object with types, primaryType, domain and message, or a string that holds one"));
    };
    if let Some(unknown) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        return Err(Fault::new("is no member of typed data; it has types, primaryType, domain and message").at(unknown));
    }
    let member = |name: &str| members.get(name).ok_or_else(|| Fault::new("is missing").at(name));
    let (types, listed_domain) = types::read(member("types")?).map_err(|fault| fault.at("types"))?;
    let Json::String(primary_type) = member("primaryType")? else {
        return Err(Fault::new("must be a string").at("primaryType"));
    };
    let (Some(primary), Some(types)) = (types.get(primary_type), types.reached_from(primary_type)) else {
        return Err(Fault::new("must be one of the types, and not EIP712Domain").at("primaryType"));
    };
    let mut reader = Reader::new(&types);
    let domain = domain::read(member("domain")?, listed_domain.as_deref(), &mut reader)?;
    let message = reader.structure(&primary, member("message")?, MAX_DEPTH).map_err(|fault| fault.at("message"))?;
    Ok(TypedDataRequest { types, domain, message })
}

fn too_long() -> Fault {
    Fault::new(format!("has more than {MAX_BYTES} bytes"))
}

impl TypedDataRequest {
    /// What is signed: Keccak-256 over `0x19 0x01`, the domain's separator and the message's hash.
    pub fn digest(&self) -> Digest32 {
        let mut hasher = Keccak256::new();
        hasher.update([0x19, 0x01]);
        hasher.update(self.domain.hash());
        hasher.update(self.message.hash());
        Digest32::new(hasher.finalize().0)
    }

    pub fn primary_type(&self) -> &str {
        &self.message.of().name
    }

    /// The chain that the domain names.
    pub fn chain_id(&self) -> Option<U256> {
        match self.domain.get("chainId") {
            Some(Value::Uint(chain_id)) => Some(*chain_id),
            _ => None,
        }
    }

    fn verifying_contract(&self) -> Option<Address> {
        match self.domain.get("verifyingContract") {
            Some(Value::Address(contract)) => Some(*contract),
            _ => None,
        }
    }

    /// What people are shown.
    fn details(&self) -> Json {
        let shown = json!({ "primaryType": self.primary_type(), "domain": self.domain, "message": self.message });
        let bytes = shown.to_string().len();
        if bytes <= MAX_SHOWN_BYTES {
            return shown;
        }
        json!({ "primaryType": self.primary_type(), "tooLongToShow": bytes })
    }
}

impl Serialize for TypedDataRequest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut typed_data = serializer.serialize_struct("TypedData", MEMBERS.len())?;
        typed_data.serialize_field("types", &self.types.with(self.domain.of()))?;
        typed_data.serialize_field("primaryType", self.primary_type())?;
        typed_data.serialize_field("domain", &self.domain)?;
        typed_data.serialize_field("message", &self.message)?;
        typed_data.end()
    }
}

#[cfg(test)]
mod tests;
