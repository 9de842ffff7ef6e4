//! Parameters as methods take them: by name, or by position where the row says so; unknown ones refused with the nearest
//! known one named; each value parsed once into its type. Pure.

use std::str::FromStr;

use serde_json::{Map, Value};

use super::methods::{MAX_SUGGESTED_BYTES, Method, Param, ParamType};
use crate::chains::networks::{Network, Networks};
use crate::chains::{self, Address, AddressType};
use crate::outcome::Failure;

/// The parameters of one call, by name; those absent or null are not there.
pub struct Fields<'a> {
    values: Map<String, Value>,
    pub networks: &'a Networks,
}

impl<'a> Fields<'a> {
    /// Reads the raw JSON of `params` by the method's row.
    pub fn read(method: &Method, params: Option<&str>, networks: &'a Networks) -> Result<Self, Failure> {
        let values = match params.map(serde_json::from_str::<Value>).transpose() {
            Ok(None | Some(Value::Null)) => Map::new(),
            Ok(Some(Value::Object(named))) => named,
            Ok(Some(Value::Array(listed))) => by_position(method, listed)?,
            Ok(Some(_)) | Err(_) => return Err(Failure::invalid("params", "must be an object or an array")),
        };
        // A null counts as absent.
        let mut values: Map<_, _> = values.into_iter().filter(|(_, value)| !value.is_null()).collect();
        hoist(method, &mut values)?;
        for name in values.keys() {
            if method.params.iter().all(|param| param.name != name) {
                return Err(unknown(method, name));
            }
        }
        for param in method.params.iter().filter(|param| param.required) {
            if !values.contains_key(param.name) {
                return Err(Failure::invalid(
                    param.name,
                    format!("is missing; {} needs it: {}", method.name, param.kind.describe()),
                ));
            }
        }
        Ok(Self { values, networks })
    }

    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    pub fn text(&self, name: &'static str) -> Result<Option<&str>, Failure> {
        match self.values.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(Failure::invalid(name, format!("must be a string, but is {}", type_of(other)))),
        }
    }

    /// A text parsed into its type.
    pub fn optional<T>(&self, name: &'static str) -> Result<Option<T>, Failure>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        self.text(name)?.map(|text| text.parse().map_err(|error: T::Err| Failure::invalid(name, error))).transpose()
    }

    /// Like [`Fields::optional`], for a parameter that the row requires.
    pub fn required<T>(&self, name: &'static str) -> Result<T, Failure>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        self.optional(name)?.ok_or_else(|| Failure::invalid(name, "is missing"))
    }

    /// A whole number within `range`.
    pub fn number(&self, name: &'static str, range: std::ops::RangeInclusive<u64>) -> Result<Option<u64>, Failure> {
        let Some(value) = self.values.get(name) else { return Ok(None) };
        match value.as_u64().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(Failure::invalid(name, format!("must be a whole number from {} to {}", range.start(), range.end()))),
        }
    }

    /// A whole number of 32 bits.
    pub fn uint32(&self, name: &'static str) -> Result<Option<u32>, Failure> {
        let number = self.number(name, 0..=u32::MAX.into())?;
        Ok(number.and_then(|number| u32::try_from(number).ok()))
    }

    /// `asset` and `network`, the latter's default where it is absent.
    pub fn network(&self) -> Result<Network, Failure> {
        let asset = self.text("asset")?.ok_or_else(|| Failure::invalid("asset", "is missing"))?;
        self.networks.resolve(asset, self.text("network")?).map_err(|error| Failure::invalid(error.field(), &error))
    }

    pub fn flag(&self, name: &'static str) -> Result<Option<bool>, Failure> {
        match self.values.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(Failure::invalid(name, format!("must be true or false, but is {}", type_of(other)))),
        }
    }

    /// An address of Ethereum and the chains like it, which have the same ones.
    pub fn evm_address(&self, name: &'static str) -> Result<Address, Failure> {
        let text = self.text(name)?.ok_or_else(|| Failure::invalid(name, "is missing"))?;
        let (address, _) =
            chains::parse_address(self.networks.default_evm(), text).map_err(|error| Failure::invalid(name, error))?;
        Ok(address)
    }

    /// `addressType`, or the network's default; beside a stake wallet, a base address.
    pub fn address_type(&self, network: &Network, with_stake_wallet: bool) -> Result<AddressType, Failure> {
        let asked = self.optional::<AddressType>("addressType")?;
        if with_stake_wallet {
            return if !network.address_types().contains(&AddressType::Base) {
                let reason = format!("goes with ADA alone: an address of {} has no stake key", network.asset());
                Err(Failure::invalid("stakeWalletId", reason))
            } else if asked.is_none_or(|asked| asked == AddressType::Base) {
                Ok(AddressType::Base)
            } else {
                Err(Failure::invalid("addressType", "must be base, or be left out, beside stakeWalletId"))
            };
        }
        match network.choose_address_type(asked).map_err(|error| Failure::invalid("addressType", error))? {
            AddressType::Base => {
                Err(Failure::invalid("addressType", "is base, which needs stakeWalletId: the wallet whose key is the stake key"))
            }
            other => Ok(other),
        }
    }
}

/// One parameter as it was sent, whatever the others are.
pub fn glance(method: &Method, params: Option<&str>, name: &str) -> Option<Value> {
    match serde_json::from_str(params?).ok()? {
        Value::Object(named) => Some(named),
        Value::Array(listed) => by_position(method, listed).ok(),
        _ => None,
    }
    .and_then(|mut named| {
        hoist(method, &mut named).ok()?;
        named.remove(name)
    })
}

fn by_position(method: &Method, listed: Vec<Value>) -> Result<Map<String, Value>, Failure> {
    if listed.is_empty() {
        return Ok(Map::new());
    }
    if !method.by_position {
        return Err(Failure::invalid("params", format!("must be an object: {} takes its parameters by name", method.name)));
    }
    let positional: Vec<&Param> = method.params.iter().filter(|param| !param.by_name_only).collect();
    let mut listed = listed;
    let extras = match listed.last() {
        Some(Value::Object(extras)) if !extras.is_empty() && takes_extras(&positional, listed.len()) => listed.pop(),
        _ => None,
    };
    if listed.len() > positional.len() {
        return Err(Failure::invalid("params", format!("{} takes at most {} parameters", method.name, positional.len())));
    }
    let mut named: Map<_, _> = positional.into_iter().map(|param| param.name.to_owned()).zip(listed).collect();
    if let Some(Value::Object(extras)) = extras {
        for (name, value) in extras {
            if !EXTRAS.contains(&name.as_str()) {
                return Err(Failure::invalid("params", format!("a last object may hold {} alone", EXTRAS.join(" and "))));
            }
            set_once(&mut named, name, value)?;
        }
    }
    Ok(named)
}

/// What goes with any call that has an effect, and is no part of its content.
const EXTRAS: [&str; 2] = ["requestId", "onBehalfOf"];

/// Whether an object in the last of `length` places is the one with the extras: no parameter of its place is an object, and
/// nothing that the method needs is missing before it.
fn takes_extras(positional: &[&Param], length: usize) -> bool {
    let required = positional.iter().filter(|param| param.required).count();
    let place = length.checked_sub(1).and_then(|place| positional.get(place));
    length > required && place.is_none_or(|param| !matches!(param.kind, ParamType::Params | ParamType::TypedData))
}

/// Takes the extras out of a transaction, where tools that can't add a parameter put them.
fn hoist(method: &Method, values: &mut Map<String, Value>) -> Result<(), Failure> {
    let Some(param) = method.params.iter().find(|param| param.kind == ParamType::EvmTransaction) else { return Ok(()) };
    let Some(Value::Object(transaction)) = values.get_mut(param.name) else { return Ok(()) };
    let extras: Vec<_> = EXTRAS.iter().filter_map(|name| transaction.remove_entry(*name)).collect();
    extras.into_iter().filter(|(_, value)| !value.is_null()).try_for_each(|(name, value)| set_once(values, name, value))
}

fn set_once(values: &mut Map<String, Value>, name: String, value: Value) -> Result<(), Failure> {
    if values.get(&name).is_some_and(|known| !known.is_null()) {
        return Err(Failure::invalid(name, "is there twice"));
    }
    values.insert(name, value);
    Ok(())
}

/// Parameters by which other wallets choose one of the keys that they derive from a seed.
const DERIVATION: [&str; 8] =
    ["derivationPath", "hdPath", "bip32Path", "path", "accountIndex", "addressIndex", "keyIndex", "mnemonic"];

fn unknown(method: &Method, name: &str) -> Failure {
    if DERIVATION.contains(&name) {
        let reason =
            "KMS keys are not derived: there is no seed, and no path of BIP-32 or CIP-1852. Each wallet has one key of its own";
        return Failure::invalid(name.to_owned(), reason);
    }
    let nearest = method
        .params
        .iter()
        .filter(|_| name.len() <= MAX_SUGGESTED_BYTES)
        .map(|param| (strsim::jaro_winkler(param.name, name), param.name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.7);
    let shown: String = name.chars().take(64).collect();
    let reason = match nearest {
        Some((_, known)) => format!("{} has no such parameter; did you mean `{known}`?", method.name),
        None if method.params.is_empty() => format!("{} takes no parameters", method.name),
        None => {
            let known: Vec<_> = method.params.iter().map(|param| param.name).collect();
            format!("{} has no such parameter; it takes {}", method.name, known.join(", "))
        }
    };
    Failure::invalid(shown, reason)
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
