//! What a caller says that the inputs are. Nothing proves it: a Cardano transaction does not carry the ones that it spends.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};

use super::body::{Amounts, Asset, Body, Input};
use crate::chains::cardano::CardanoNetwork;
use crate::chains::cardano::address::Payable;
use crate::chains::decoded::{DecodeError, Rule};

/// Most resolved inputs: more than the largest transaction has room for.
pub const MAX_RESOLVED_INPUTS: usize = 500;
/// Most tokens of one of them: more than the largest output has room for.
pub const MAX_TOKENS: usize = 2_000;

/// One coin, as the caller says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedInput {
    tx_id: String,
    index: u16,
    address: String,
    lovelace: u64,
    /// By [`Asset`]'s written form.
    assets: BTreeMap<String, u64>,
    #[serde(skip)]
    pub(super) input: Input,
    #[serde(skip)]
    pub(super) payable: Payable,
    #[serde(skip)]
    pub(super) amounts: Amounts,
}

/// Reads `resolvedInputs`: an array of `{txId (64 hex digits), index (0..65535), address, value: {lovelace, assets?}}`, where assets is
/// an object of quantities by `policyId.assetName`, both in hex, or by `policyId` alone for the empty name. Quantities and lovelace are
/// JSON numbers or decimal strings of at most 64 bits. Each input once, in any order.
///
/// # Errors
/// [`DecodeError::Invalid`] names the field.
pub fn parse_resolved_inputs(json: &Value) -> Result<Vec<ResolvedInput>, DecodeError> {
    let list = json.as_array().ok_or_else(|| DecodeError::invalid("resolvedInputs", "must be an array"))?;
    if list.len() > MAX_RESOLVED_INPUTS {
        let reason = format!("must have at most {MAX_RESOLVED_INPUTS} entries");
        return Err(DecodeError::invalid("resolvedInputs", reason));
    }
    let mut inputs = Vec::with_capacity(list.len());
    let mut seen = BTreeSet::new();
    for (place, entry) in list.iter().enumerate() {
        let input = resolved_input(&Place(format!("resolvedInputs[{place}]")), entry)?;
        if !seen.insert(input.input) {
            let reason = format!("resolves the input {} a second time", input.input);
            return Err(DecodeError::invalid(format!("resolvedInputs[{place}]"), reason));
        }
        inputs.push(input);
    }
    // In whatever order they come, they say the same.
    inputs.sort_by_key(|input| input.input);
    Ok(inputs)
}

/// Of a number that is none.
const QUANTITY: &str = "must be a whole number of at most 64 bits, as a JSON number or a decimal string";

/// Where an error is.
struct Place(String);

impl Place {
    fn invalid(&self, member: &str, reason: impl std::fmt::Display) -> DecodeError {
        let dot = if member.is_empty() { "" } else { "." };
        DecodeError::invalid(format!("{}{dot}{member}", self.0), reason)
    }

    /// The members of an object that has no others than `known`.
    fn members<'v>(&self, name: &str, value: &'v Value, known: &[&str]) -> Result<&'v Map<String, Value>, DecodeError> {
        let members = value.as_object().ok_or_else(|| self.invalid(name, "must be an object"))?;
        match members.keys().find(|member| !known.contains(&member.as_str())) {
            Some(_) => Err(self.invalid(name, format_args!("must have no other members than {}", known.join(", ")))),
            None => Ok(members),
        }
    }
}

fn resolved_input(place: &Place, entry: &Value) -> Result<ResolvedInput, DecodeError> {
    let members = place.members("", entry, &["txId", "index", "address", "value"])?;
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let tx_id: [u8; 32] = text("txId")
        .and_then(|text| hex::decode(text).ok()?.try_into().ok())
        .ok_or_else(|| place.invalid("txId", "must be 64 hex digits"))?;
    let index = members
        .get("index")
        .and_then(Value::as_u64)
        .and_then(|index| u16::try_from(index).ok())
        .ok_or_else(|| place.invalid("index", "must be a whole number from 0 to 65535"))?;
    let address = text("address").ok_or_else(|| place.invalid("address", "must be a text"))?;
    if address.len() > crate::chains::MAX_ADDRESS_BYTES {
        return Err(place.invalid("address", crate::chains::InvalidAddress::Length));
    }
    let payable = Payable::from_text(address).map_err(|error| place.invalid("address", error))?;

    let value = members.get("value").unwrap_or(&Value::Null);
    let value = place.members("value", value, &["lovelace", "assets"])?;
    let lovelace = value.get("lovelace").and_then(quantity).ok_or_else(|| place.invalid("value.lovelace", QUANTITY))?;
    let mut tokens = BTreeMap::new();
    if let Some(assets) = value.get("assets") {
        let assets = assets.as_object().ok_or_else(|| place.invalid("value.assets", "must be an object"))?;
        if assets.len() > MAX_TOKENS {
            return Err(place.invalid("value.assets", format_args!("must have at most {MAX_TOKENS} members")));
        }
        for (name, amount) in assets {
            let asset = Asset::parse(name).ok_or_else(|| {
                place.invalid("value.assets", "must have members named policyId.assetName in hex, or policyId for an empty name")
            })?;
            let amount = quantity(amount).ok_or_else(|| place.invalid("value.assets", QUANTITY))?;
            if tokens.insert(asset, amount).is_some() {
                return Err(place.invalid("value.assets", "names a token twice"));
            }
        }
    }
    tokens.retain(|_, amount| *amount > 0);
    Ok(ResolvedInput {
        tx_id: hex::encode(tx_id),
        index,
        address: payable.text.clone(),
        lovelace,
        assets: tokens.iter().map(|(asset, amount)| (asset.to_string(), *amount)).collect(),
        input: Input { tx_id, index },
        payable,
        amounts: Amounts { lovelace, tokens: tokens.into_iter().collect() },
    })
}

/// A JSON number, or a decimal string as it is written.
fn quantity(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok().filter(|number: &u64| number.to_string() == *text),
        _ => None,
    }
}

/// What every input and every collateral input is.
pub(super) struct Resolved<'a> {
    pub inputs: Vec<&'a ResolvedInput>,
    pub collateral: Vec<&'a ResolvedInput>,
}

/// Finds each input of the transaction among what was said.
///
/// # Errors
/// [`DecodeError::Invalid`] names what is missing or not there, and an address of another network.
pub(super) fn resolve<'a>(body: &Body, said: &'a [ResolvedInput], network: CardanoNetwork) -> Result<Resolved<'a>, DecodeError> {
    let invalid = |reason: String| DecodeError::invalid("resolvedInputs", reason);
    let by_input: BTreeMap<Input, &ResolvedInput> = said.iter().map(|said| (said.input, said)).collect();
    let find = |inputs: &[Input]| -> Result<Vec<&'a ResolvedInput>, DecodeError> {
        let one = |input| by_input.get(input).copied().ok_or_else(|| invalid(format!("must have the input {input} too")));
        inputs.iter().map(one).collect()
    };
    let resolved = Resolved { inputs: find(&body.inputs)?, collateral: find(&body.collateral)? };
    for (place, said) in said.iter().enumerate() {
        if !body.inputs.contains(&said.input) && !body.collateral.contains(&said.input) {
            return Err(invalid(format!("has {}, which is no input of the transaction", said.input)));
        }
        if said.payable.network != network {
            let reason = format!("resolvedInputs[{place}].address is an address of another network than the wallet's.");
            return Err(DecodeError::refused(Rule::Network, reason));
        }
    }
    Ok(resolved)
}
