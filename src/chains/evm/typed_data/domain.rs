//! The domain of typed data: for which contract on which chain a signature is meant.

use std::sync::Arc;

use serde_json::Value as Json;

use super::MAX_DEPTH;
use super::types::{Member, MemberType, StructType};
use super::values::{Fault, Reader, StructValue};

/// The domain's type.
pub const DOMAIN: &str = "EIP712Domain";

/// What a domain may have, in the order in which it is hashed.
const MEMBERS: [(&str, MemberType); 5] = [
    ("name", MemberType::String),
    ("version", MemberType::String),
    ("chainId", MemberType::Uint(256)),
    ("verifyingContract", MemberType::Address),
    ("salt", MemberType::FixedBytes(32)),
];

/// Reads the domain. Its type follows from the members that it has; `listed` are those that `types` has of it.
///
/// # Errors
/// A [`Fault`] for another member, and for a list that is not this one: some libraries hash what is listed, others what is there.
pub fn read(json: &Json, listed: Option<&[Member]>, reader: &mut Reader<'_>) -> Result<StructValue, Fault> {
    let Json::Object(given) = json else { return Err(Fault::new("must be an object").at("domain")) };
    let members: Vec<_> = MEMBERS
        .into_iter()
        .filter(|(name, _)| given.contains_key(*name))
        .map(|(name, kind)| Member { name: name.to_owned(), kind })
        .collect();
    if listed.is_some_and(|listed| listed != members) {
        let reason = "must list exactly the members that the domain has, as string name, string version, uint256 chainId, \
                      address verifyingContract, bytes32 salt, in this order";
        return Err(Fault::new(reason).at(DOMAIN).at("types"));
    }
    let of = Arc::new(StructType::alone(DOMAIN, members));
    reader.structure(&of, json, MAX_DEPTH).map_err(|fault| fault.at("domain"))
}
