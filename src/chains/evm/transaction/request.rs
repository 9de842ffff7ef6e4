//! Reads a transaction object as geth's `TransactionArgs` defines it (geth, internal/ethapi/transaction_args.go), and fills
//! nothing in but a value of zero. Where geth would drop a member that contradicts another, it is refused.

use alloy_consensus::TxType;
use alloy_consensus::transaction::{TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy};
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address as EvmAddress, B256, Bytes, Signature, TxKind, U256};
use serde_json::{Map, Value};

use super::{
    MAX_ACCESS_LIST_ADDRESSES, MAX_AUTHORIZATIONS, MAX_BLOBS, MAX_STORAGE_KEYS, MAX_TRANSACTION_BYTES, TransactionRequest, Typed,
};
use crate::chains::Address;
use crate::chains::decoded::DecodeError;
use crate::chains::evm::quantity;

/// Every member, and the types of transaction that have it.
const MEMBERS: &[(&str, &[TxType])] = &[
    ("from", ALL),
    ("to", ALL),
    ("gas", ALL),
    ("value", ALL),
    ("nonce", ALL),
    ("data", ALL),
    ("input", ALL),
    ("chainId", ALL),
    ("type", ALL),
    ("gasPrice", &[TxType::Legacy, TxType::Eip2930]),
    ("maxFeePerGas", DYNAMIC_FEE),
    ("maxPriorityFeePerGas", DYNAMIC_FEE),
    ("accessList", &[TxType::Eip2930, TxType::Eip1559, TxType::Eip4844, TxType::Eip7702]),
    ("maxFeePerBlobGas", &[TxType::Eip4844]),
    ("blobVersionedHashes", &[TxType::Eip4844]),
    ("authorizationList", &[TxType::Eip7702]),
];
const ALL: &[TxType] = &[TxType::Legacy, TxType::Eip2930, TxType::Eip1559, TxType::Eip4844, TxType::Eip7702];
const DYNAMIC_FEE: &[TxType] = &[TxType::Eip1559, TxType::Eip4844, TxType::Eip7702];

/// The version byte of a KZG commitment's hash (EIP-4844).
const BLOB_HASH_VERSION: u8 = 1;
/// Longest name that is likened to others.
const MAX_SUGGESTED_BYTES: usize = 64;

/// Reads the members of a transaction object. A member that is null counts as absent.
///
/// # Errors
/// [`DecodeError::Invalid`] with the member's name.
pub fn parse(members: &Map<String, Value>) -> Result<TransactionRequest, DecodeError> {
    let members = Members::read(members)?;
    let from = members.required("from", canonical_address, "it names the wallet that signs")?;
    let chain_id = members.optional("chainId", quantity::u64)?;
    let typed = members.typed()?;
    // The longest that a signature can be; a node counts the signed form.
    let signature = Signature::new(U256::MAX, U256::MAX, true);
    let bytes = typed.clone().into_envelope(signature).encode_2718_len();
    if bytes > MAX_TRANSACTION_BYTES {
        return Err(DecodeError::invalid(
            "transaction",
            format!("has {bytes} bytes once it is signed; nodes take {MAX_TRANSACTION_BYTES}"),
        ));
    }
    Ok(TransactionRequest { from, chain_id, typed })
}

/// The members that are there.
struct Members<'a>(Vec<(&'static str, &'a Value)>);

impl<'a> Members<'a> {
    fn read(given: &'a Map<String, Value>) -> Result<Self, DecodeError> {
        let mut members = Vec::new();
        for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
            match MEMBERS.iter().find(|(known, _)| known == name) {
                Some(&(known, _)) => members.push((known, value)),
                None => return Err(unknown(name, MEMBERS.iter().map(|&(known, _)| known))),
            }
        }
        Ok(Self(members))
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.iter().find(|(known, _)| *known == name).map(|&(_, value)| value)
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn optional<T>(&self, name: &'static str, read: impl Fn(&Value) -> Result<T, String>) -> Result<Option<T>, DecodeError> {
        self.get(name).map(|value| read(value).map_err(|reason| DecodeError::invalid(name, reason))).transpose()
    }

    /// `why` completes "is missing; ...".
    fn required<T>(&self, name: &'static str, read: impl Fn(&Value) -> Result<T, String>, why: &str) -> Result<T, DecodeError> {
        self.optional(name, read)?.ok_or_else(|| DecodeError::invalid(name, format!("is missing; {why}")))
    }

    fn typed(&self) -> Result<Typed, DecodeError> {
        let kind = self.kind()?;
        for &(name, value) in &self.0 {
            let belongs = MEMBERS.iter().any(|(known, kinds)| *known == name && kinds.contains(&kind));
            // An access list without entries says nothing, and some tools send it with every transaction.
            let says_nothing = name == "accessList" && value.as_array().is_some_and(Vec::is_empty);
            if !belongs && !says_nothing {
                return Err(DecodeError::invalid(name, format!("does not go with {}", self.why(kind))));
            }
        }
        match kind {
            TxType::Legacy => self.legacy().map(Typed::Legacy),
            TxType::Eip2930 => self.eip2930().map(Typed::Eip2930),
            TxType::Eip1559 => self.eip1559().map(Typed::Eip1559),
            TxType::Eip4844 => self.eip4844().map(Typed::Eip4844),
            TxType::Eip7702 => self.eip7702().map(Typed::Eip7702),
        }
    }

    /// The type that `type` says, or that the members mean, in geth's order. Unlike geth, which makes a legacy transaction of
    /// whatever has a `gasPrice`, an access list is not dropped.
    fn kind(&self) -> Result<TxType, DecodeError> {
        const EXPECTED: &str = "must be 0x0 (legacy), 0x1 (EIP-2930), 0x2 (EIP-1559), 0x3 (EIP-4844) or 0x4 (EIP-7702)";
        let said = self.optional("type", |value| {
            let number = quantity::u64(value).map_err(|_| EXPECTED.to_owned())?;
            TxType::try_from(number).map_err(|_| EXPECTED.to_owned())
        })?;
        let implied = || {
            if self.has("authorizationList") {
                TxType::Eip7702
            } else if self.has("blobVersionedHashes") || self.has("maxFeePerBlobGas") {
                TxType::Eip4844
            } else if self.has("maxFeePerGas") || self.has("maxPriorityFeePerGas") {
                TxType::Eip1559
            } else if self.has("accessList") {
                TxType::Eip2930
            } else {
                TxType::Legacy
            }
        };
        Ok(said.unwrap_or_else(implied))
    }

    /// Names the type, and what made it one.
    fn why(&self, kind: TxType) -> String {
        let name = match kind {
            TxType::Legacy => "legacy",
            TxType::Eip2930 => "EIP-2930",
            TxType::Eip1559 => "EIP-1559",
            TxType::Eip4844 => "EIP-4844",
            TxType::Eip7702 => "EIP-7702",
        };
        let because = if self.has("type") { "" } else { ", which the other members make it" };
        format!("a transaction of type {:#x} ({name}){because}", u8::from(kind))
    }

    fn legacy(&self) -> Result<TxLegacy, DecodeError> {
        Ok(TxLegacy {
            // Never left out: it is set to the network's before anything is hashed.
            chain_id: Some(0),
            nonce: self.nonce()?,
            gas_price: self.gas_price()?,
            gas_limit: self.gas()?,
            to: self.to()?,
            value: self.value()?,
            input: self.data()?,
        })
    }

    fn eip2930(&self) -> Result<TxEip2930, DecodeError> {
        Ok(TxEip2930 {
            chain_id: 0,
            nonce: self.nonce()?,
            gas_price: self.gas_price()?,
            gas_limit: self.gas()?,
            to: self.to()?,
            value: self.value()?,
            access_list: self.access_list()?,
            input: self.data()?,
        })
    }

    fn eip1559(&self) -> Result<TxEip1559, DecodeError> {
        let (max_fee_per_gas, max_priority_fee_per_gas) = self.dynamic_fee()?;
        Ok(TxEip1559 {
            chain_id: 0,
            nonce: self.nonce()?,
            gas_limit: self.gas()?,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to: self.to()?,
            value: self.value()?,
            access_list: self.access_list()?,
            input: self.data()?,
        })
    }

    fn eip4844(&self) -> Result<TxEip4844, DecodeError> {
        let (max_fee_per_gas, max_priority_fee_per_gas) = self.dynamic_fee()?;
        Ok(TxEip4844 {
            chain_id: 0,
            nonce: self.nonce()?,
            gas_limit: self.gas()?,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to: self.recipient("a blob transaction can't create a contract")?,
            value: self.value()?,
            access_list: self.access_list()?,
            blob_versioned_hashes: self.blob_hashes()?,
            max_fee_per_blob_gas: self.required("maxFeePerBlobGas", positive(quantity::u128), "no fee is guessed")?,
            input: self.data()?,
        })
    }

    fn eip7702(&self) -> Result<TxEip7702, DecodeError> {
        let (max_fee_per_gas, max_priority_fee_per_gas) = self.dynamic_fee()?;
        Ok(TxEip7702 {
            chain_id: 0,
            nonce: self.nonce()?,
            gas_limit: self.gas()?,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to: self.recipient("a transaction with authorizations can't create a contract")?,
            value: self.value()?,
            access_list: self.access_list()?,
            authorization_list: self.authorizations()?,
            input: self.data()?,
        })
    }

    /// Below 2^64 - 1 (EIP-2681).
    fn nonce(&self) -> Result<u64, DecodeError> {
        self.required("nonce", nonce, "it is never guessed")
    }

    fn gas(&self) -> Result<u64, DecodeError> {
        self.required("gas", positive(quantity::u64), "it is never estimated")
    }

    fn gas_price(&self) -> Result<u128, DecodeError> {
        self.required("gasPrice", quantity::u128, "no fee is guessed: give gasPrice, or maxFeePerGas and maxPriorityFeePerGas")
    }

    /// `maxFeePerGas` and `maxPriorityFeePerGas`.
    fn dynamic_fee(&self) -> Result<(u128, u128), DecodeError> {
        let fee = self.required("maxFeePerGas", quantity::u128, "no fee is guessed")?;
        let priority = self.required("maxPriorityFeePerGas", quantity::u128, "no fee is guessed")?;
        if priority > fee {
            return Err(DecodeError::invalid("maxPriorityFeePerGas", "must not be higher than maxFeePerGas"));
        }
        Ok((fee, priority))
    }

    /// Without one, none is sent: that is what the member's absence means, and no guess.
    fn value(&self) -> Result<U256, DecodeError> {
        Ok(self.optional("value", quantity::u256)?.unwrap_or_default())
    }

    fn to(&self) -> Result<TxKind, DecodeError> {
        match self.optional("to", address)? {
            Some(to) => Ok(TxKind::Call(to)),
            None if self.data()?.is_empty() => Err(DecodeError::invalid(
                "to",
                "is missing; a transaction without it creates a contract, and this one has no code",
            )),
            None => Ok(TxKind::Create),
        }
    }

    fn recipient(&self, why: &str) -> Result<EvmAddress, DecodeError> {
        self.required("to", address, why)
    }

    /// Of `input` or `data`, which must be equal where both are there.
    fn data(&self) -> Result<Bytes, DecodeError> {
        let input = self.optional("input", calldata)?;
        let data = self.optional("data", calldata)?;
        match (input, data) {
            (Some(input), Some(data)) if input != data => {
                Err(DecodeError::invalid("data", "is there beside `input` and is not the same; give one of them"))
            }
            (input, data) => Ok(input.or(data).unwrap_or_default().into()),
        }
    }

    fn access_list(&self) -> Result<AccessList, DecodeError> {
        let mut keys_left = MAX_STORAGE_KEYS;
        let mut items = Vec::new();
        for (place, value) in self.list("accessList", MAX_ACCESS_LIST_ADDRESSES)?.into_iter().enumerate() {
            let entry = Entry::read(format!("accessList[{place}]"), value, &["address", "storageKeys"])?;
            let Value::Array(keys) = entry.value("storageKeys")? else {
                return Err(entry.invalid("storageKeys", "must be an array of 32-byte keys"));
            };
            keys_left = keys_left.checked_sub(keys.len()).ok_or_else(|| {
                DecodeError::invalid("accessList", format!("has more than {MAX_STORAGE_KEYS} storage keys in all"))
            })?;
            let storage_keys = keys
                .iter()
                .map(|key| bytes32(key).map_err(|reason| entry.invalid("storageKeys", &reason)))
                .collect::<Result<_, _>>()?;
            items.push(AccessListItem { address: entry.read_member("address", address)?, storage_keys });
        }
        Ok(AccessList(items))
    }

    fn blob_hashes(&self) -> Result<Vec<B256>, DecodeError> {
        let field = "blobVersionedHashes";
        let hashes = self.list(field, MAX_BLOBS)?;
        if hashes.is_empty() {
            return Err(DecodeError::invalid(field, "must name a blob; a transaction of this type carries one at least"));
        }
        hashes
            .iter()
            .map(|hash| match bytes32(hash) {
                Ok(hash) if hash.0.first() == Some(&BLOB_HASH_VERSION) => Ok(hash),
                Ok(_) => Err(DecodeError::invalid(field, "must each begin with 0x01, the version of their kind")),
                Err(reason) => Err(DecodeError::invalid(field, reason)),
            })
            .collect()
    }

    fn authorizations(&self) -> Result<Vec<SignedAuthorization>, DecodeError> {
        let field = "authorizationList";
        let list = self.list(field, MAX_AUTHORIZATIONS)?;
        if list.is_empty() {
            return Err(DecodeError::invalid(field, "must have an entry; nodes refuse an empty one"));
        }
        list.into_iter().enumerate().map(|(place, value)| authorization(format!("{field}[{place}]"), value)).collect()
    }

    fn list(&self, name: &'static str, most: usize) -> Result<Vec<&'a Value>, DecodeError> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) if list.len() > most => {
                Err(DecodeError::invalid(name, format!("has {} entries; at most {most} are accepted", list.len())))
            }
            Some(Value::Array(list)) => Ok(list.iter().collect()),
            Some(_) => Err(DecodeError::invalid(name, "must be an array")),
        }
    }
}

/// An object in a list.
struct Entry<'a> {
    path: String,
    members: &'a Map<String, Value>,
}

impl<'a> Entry<'a> {
    fn read(path: String, value: &'a Value, known: &[&'static str]) -> Result<Self, DecodeError> {
        let Value::Object(members) = value else { return Err(DecodeError::invalid(path, "must be an object")) };
        match members.iter().find(|(name, value)| !value.is_null() && !known.contains(&name.as_str())) {
            Some((name, _)) => Err(DecodeError::invalid(path, format!("has `{}`; it takes {}", shown(name), known.join(", ")))),
            None => Ok(Self { path, members }),
        }
    }

    fn value(&self, name: &str) -> Result<&'a Value, DecodeError> {
        self.optional(name).ok_or_else(|| self.invalid(name, "is missing"))
    }

    fn optional(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    fn read_member<T>(&self, name: &str, read: impl Fn(&Value) -> Result<T, String>) -> Result<T, DecodeError> {
        read(self.value(name)?).map_err(|reason| self.invalid(name, &reason))
    }

    fn invalid(&self, name: &str, reason: &str) -> DecodeError {
        DecodeError::invalid(format!("{}.{name}", self.path), reason)
    }
}

/// A signed authorization (EIP-7702), of anybody; who signed it is found later, since that takes time. `v`, which viem writes
/// where it has no `yParity`, is 27 or 28, or the parity itself.
fn authorization(path: String, value: &Value) -> Result<SignedAuthorization, DecodeError> {
    let entry = Entry::read(path, value, &["chainId", "address", "nonce", "yParity", "v", "r", "s"])?;
    let parity = |name: &str, zero: &[u64], one: &[u64]| match quantity::u64(entry.value(name)?) {
        Ok(number) if zero.contains(&number) => Ok(false),
        Ok(number) if one.contains(&number) => Ok(true),
        _ => Err(entry.invalid(name, "must be 0 or 1, or for `v` 27 or 28")),
    };
    let y_parity = match (entry.optional("yParity"), entry.optional("v")) {
        (Some(_), Some(_)) => {
            let y_parity = parity("yParity", &[0], &[1])?;
            if parity("v", &[0, 27], &[1, 28])? != y_parity {
                return Err(entry.invalid("v", "is there beside `yParity` and means the other parity"));
            }
            y_parity
        }
        (None, Some(_)) => parity("v", &[0, 27], &[1, 28])?,
        (_, None) => parity("yParity", &[0], &[1])?,
    };
    let unsigned = Authorization {
        chain_id: entry.read_member("chainId", quantity::u256)?,
        address: entry.read_member("address", address)?,
        nonce: entry.read_member("nonce", nonce)?,
    };
    let signature = Signature::new(entry.read_member("r", quantity::u256)?, entry.read_member("s", quantity::u256)?, y_parity);
    Ok(unsigned.into_signed(signature))
}

fn nonce(value: &Value) -> Result<u64, String> {
    match quantity::u64(value)? {
        u64::MAX => Err("must be below 2^64 - 1 (EIP-2681)".to_owned()),
        nonce => Ok(nonce),
    }
}

fn positive<T: PartialOrd + From<u8>>(read: fn(&Value) -> Result<T, String>) -> impl Fn(&Value) -> Result<T, String> {
    move |value| read(value).and_then(|number| if number < T::from(1) { Err("must not be zero".to_owned()) } else { Ok(number) })
}

fn canonical_address(value: &Value) -> Result<Address, String> {
    let Value::String(text) = value else { return Err("must be an address, as a string".to_owned()) };
    crate::chains::evm::parse(text).map(Address).map_err(|error| error.to_string())
}

fn address(value: &Value) -> Result<EvmAddress, String> {
    if value.as_str().is_some_and(|text| text.is_empty() || text == "0x") {
        return Err("must be an address; to create a contract, leave it out".to_owned());
    }
    canonical_address(value)?.as_str().parse().map_err(|_| "must be an address".to_owned())
}

fn calldata(value: &Value) -> Result<Vec<u8>, String> {
    // Before it is decoded: two digits a byte.
    if value.as_str().is_some_and(|text| text.len() / 2 > MAX_TRANSACTION_BYTES + 1) {
        return Err(format!("must have at most {MAX_TRANSACTION_BYTES} bytes"));
    }
    quantity::bytes(value)
}

fn bytes32(value: &Value) -> Result<B256, String> {
    const EXPECTED: &str = "must each be 32 bytes, as 0x and 64 hex digits";
    let bytes = quantity::bytes(value).map_err(|_| EXPECTED)?;
    B256::try_from(bytes.as_slice()).map_err(|_| EXPECTED.to_owned())
}

fn unknown(name: &str, known: impl Iterator<Item = &'static str>) -> DecodeError {
    let reason = match name {
        "gasLimit" => "is called `gas` in a request to a node".to_owned(),
        "v" | "r" | "s" | "yParity" | "hash" => "is a signed transaction's; it is made here, so leave it out".to_owned(),
        "blobs" | "commitments" | "proofs" | "cellProofs" | "sidecar" | "sidecars" | "blobVersion" | "wrapperVersion" => {
            "does not come here: blobs are not signed. Send blobVersionedHashes alone, and attach the sidecar to the signed \
             transaction afterwards"
                .to_owned()
        }
        _ => {
            let nearest = known
                .filter(|_| name.len() <= MAX_SUGGESTED_BYTES)
                .map(|known| (strsim::jaro_winkler(known, name), known))
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .filter(|(likeness, _)| *likeness > 0.7);
            match nearest {
                Some((_, known)) => format!("is no member of a transaction; did you mean `{known}`?"),
                None => "is no member of a transaction".to_owned(),
            }
        }
    };
    DecodeError::invalid(shown(name), reason)
}

/// As much of a caller's text as an error repeats.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}
