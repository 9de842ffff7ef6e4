//! The body of a transaction: all that is signed. Read as the Conway ledger reads it, which takes what Babbage wrote too, and
//! refused where that refuses: unknown and duplicate keys, sets with an element twice, amounts of nothing.
//!
//! Source: <https://github.com/IntersectMBO/cardano-ledger/blob/master/eras/conway/impl/cddl/data/conway.cddl>.

use std::collections::BTreeSet;
use std::fmt;

use super::certificates::{self, Certificate};
use super::governance::{self, Proposal, Voter};
use crate::chains::cardano::address::{Hash28, Payable, RewardAccount};
use crate::chains::cardano::cbor::{Read, Reader};
use crate::chains::decoded::{DecodeError, Rule};

/// A coin: the transaction that made it, and which of its outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Input {
    pub tx_id: [u8; 32],
    pub index: u16,
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", hex::encode(self.tx_id), self.index)
    }
}

/// A native token.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Asset {
    /// The hash of the script that decides on minting.
    pub policy: Hash28,
    /// 0 to 32 bytes.
    pub name: Vec<u8>,
}

/// Policy and name in hex with a dot between them; of an empty name the policy alone.
impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = hex::encode(self.policy);
        if self.name.is_empty() { f.write_str(&policy) } else { write!(f, "{policy}.{}", hex::encode(&self.name)) }
    }
}

impl Asset {
    /// Reads the form that is written, in any case; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (policy, name) = match text.split_once('.') {
            Some((_, "")) => return None,
            Some((policy, name)) => (policy, name),
            None => (text, ""),
        };
        let policy = hex::decode(policy).ok()?.try_into().ok()?;
        let name = hex::decode(name).ok().filter(|name| name.len() <= 32)?;
        Some(Self { policy, name })
    }
}

/// Lovelace and tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Amounts {
    pub lovelace: u64,
    /// Each once, none of zero.
    pub tokens: Vec<(Asset, u64)>,
}

/// What a script is told of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datum {
    Hash([u8; 32]),
    /// It stands in the output.
    Inline,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub address: Payable,
    pub amounts: Amounts,
    pub datum: Option<Datum>,
    /// Whether it keeps a script for others to refer to.
    pub script: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Body {
    pub inputs: Vec<Input>,
    /// Whether its inputs stand under the tag of sets.
    pub tags_sets: bool,
    pub outputs: Vec<Output>,
    /// Lovelace.
    pub fee: u64,
    /// The first slot in which it can't be in a block any more.
    pub valid_until: Option<u64>,
    /// The first slot in which it can.
    pub valid_from: Option<u64>,
    pub certificates: Vec<Certificate>,
    pub withdrawals: Vec<(RewardAccount, u64)>,
    pub auxiliary_data_hash: Option<[u8; 32]>,
    /// What is burnt is negative.
    pub mint: Vec<(Asset, i64)>,
    pub script_data_hash: Option<[u8; 32]>,
    pub collateral: Vec<Input>,
    pub required_signers: Vec<Hash28>,
    /// 0 or 1.
    pub network_id: Option<u8>,
    pub collateral_return: Option<Output>,
    pub total_collateral: Option<u64>,
    pub reference_inputs: Vec<Input>,
    pub voters: Vec<Voter>,
    pub proposals: Vec<Proposal>,
    /// What it says that the treasury holds.
    pub treasury: Option<u64>,
    pub donation: Option<u64>,
}

impl Body {
    /// Every output, also the one of what is left of the collateral.
    pub fn all_outputs(&self) -> impl Iterator<Item = &Output> {
        self.outputs.iter().chain(&self.collateral_return)
    }
}

/// Reads a body.
pub fn read(reader: &mut Reader<'_>) -> Read<Body> {
    let start = reader.position();
    let mut body = Body::default();
    let mut seen = BTreeSet::new();
    let mut pairs = reader.map()?;
    while reader.more(&mut pairs)? {
        let key = reader.unsigned()?;
        if !seen.insert(key) {
            return reader.fault(format_args!("has the key {key} twice in its body"));
        }
        match key {
            0 => (body.tags_sets, body.inputs) = inputs(reader)?,
            1 => body.outputs = list(reader, output)?,
            2 => body.fee = reader.unsigned()?,
            3 => body.valid_until = Some(reader.unsigned()?),
            4 => body.certificates = filled(key, certificates::read(reader)?)?,
            5 => body.withdrawals = filled(key, withdrawals(reader)?)?,
            7 => body.auxiliary_data_hash = Some(reader.fixed()?),
            8 => body.valid_from = Some(reader.unsigned()?),
            9 => body.mint = filled(key, tokens(reader, Reader::signed)?)?,
            11 => body.script_data_hash = Some(reader.fixed()?),
            13 => body.collateral = filled(key, inputs(reader)?.1)?,
            14 => body.required_signers = filled(key, set(reader, Reader::fixed)?.1)?,
            15 => body.network_id = Some(network_id(reader)?),
            16 => body.collateral_return = Some(output(reader)?),
            17 => body.total_collateral = Some(reader.unsigned()?),
            18 => body.reference_inputs = filled(key, inputs(reader)?.1)?,
            19 => body.voters = filled(key, governance::voters(reader)?)?,
            20 => body.proposals = filled(key, set(reader, governance::proposal)?.1)?,
            21 => body.treasury = Some(reader.unsigned()?),
            22 => body.donation = Some(reader.unsigned()?),
            _ => return Err(unknown_key(key)),
        }
    }
    for (key, name) in [(0, "inputs"), (1, "outputs"), (2, "a fee")] {
        if !seen.contains(&key) {
            return Err(DecodeError::invalid("transaction", format_args!("has no {name} (key {key} of its body)")));
        }
    }
    if body.inputs.is_empty() {
        return Err(DecodeError::invalid("transaction", format_args!("spends no input (at byte {start})")));
    }
    if body.donation == Some(0) {
        return Err(DecodeError::invalid("transaction", "donates nothing (key 22 of its body), which the ledger does not take"));
    }
    if body.inputs.iter().any(|input| body.reference_inputs.contains(input)) {
        return Err(DecodeError::invalid(
            "transaction",
            "spends an input that it refers to as well, which the ledger does not take",
        ));
    }
    Ok(body)
}

/// What must not be there and empty (Conway's CDDL): a transaction that no ledger takes would hold its inputs for nothing.
fn filled<T>(key: u64, list: Vec<T>) -> Read<Vec<T>> {
    if list.is_empty() {
        return Err(DecodeError::invalid(
            "transaction",
            format_args!("has nothing under the key {key} of its body; leave it out"),
        ));
    }
    Ok(list)
}

/// What this ledger knows no more, or not yet.
fn unknown_key(key: u64) -> DecodeError {
    let name = match key {
        6 => " (update), which no era after Babbage has",
        _ => "",
    };
    DecodeError::refused(Rule::UnknownField, format_args!("The transaction's body has the key {key}{name}; it is not read here."))
}

/// An array.
pub(super) fn list<'a, T>(reader: &mut Reader<'a>, one: impl Fn(&mut Reader<'a>) -> Read<T>) -> Read<Vec<T>> {
    let (mut items, mut read) = (reader.array()?, Vec::new());
    while reader.more(&mut items)? {
        read.push(one(reader)?);
    }
    Ok(read)
}

/// A set, of which every element is there once; says whether it stands under the tag of sets.
pub(super) fn set<'a, T: PartialEq>(reader: &mut Reader<'a>, one: impl Fn(&mut Reader<'a>) -> Read<T>) -> Read<(bool, Vec<T>)> {
    let (is_tagged, mut items) = reader.set()?;
    let (mut read, mut seen): (Vec<T>, BTreeSet<&[u8]>) = (Vec::new(), BTreeSet::new());
    while reader.more(&mut items)? {
        let start = reader.position();
        let element = one(reader)?;
        // Two spellings of one number make two spans of one element.
        if !seen.insert(reader.since(start)) || read.contains(&element) {
            return reader.fault("has an element twice in a set");
        }
        read.push(element);
    }
    Ok((is_tagged, read))
}

fn inputs(reader: &mut Reader<'_>) -> Read<(bool, Vec<Input>)> {
    set(reader, |reader| {
        let mut items = reader.array()?;
        reader.next(&mut items)?;
        let tx_id = reader.fixed()?;
        reader.next(&mut items)?;
        let index = reader.unsigned()?;
        reader.end(&mut items)?;
        match u16::try_from(index) {
            Ok(index) => Ok(Input { tx_id, index }),
            Err(_) => reader.fault("has an input with an index over 65535"),
        }
    })
}

fn network_id(reader: &mut Reader<'_>) -> Read<u8> {
    match reader.unsigned()? {
        0 => Ok(0),
        1 => Ok(1),
        _ => reader.fault("has a network id that is neither 0 nor 1"),
    }
}

/// Reads an output: an array as before Babbage, or a map.
fn output(reader: &mut Reader<'_>) -> Read<Output> {
    if reader.is_array() {
        let mut items = reader.array()?;
        reader.next(&mut items)?;
        let address = address(reader)?;
        reader.next(&mut items)?;
        let amounts = amounts(reader)?;
        let mut datum = None;
        if reader.more(&mut items)? {
            datum = Some(Datum::Hash(reader.fixed()?));
            reader.end(&mut items)?;
        }
        return Ok(Output { address, amounts, datum, script: false });
    }
    let (mut place, mut value, mut datum, mut script) = (None, None, None, None);
    let mut pairs = reader.map()?;
    while reader.more(&mut pairs)? {
        let is_new = match reader.unsigned()? {
            0 => place.replace(address(reader)?).is_none(),
            1 => value.replace(amounts(reader)?).is_none(),
            2 => datum.replace(datum_option(reader)?).is_none(),
            3 => script.replace(nested(reader)?).is_none(),
            key => {
                let reason = format!("An output of the transaction has the key {key}; it is not read here.");
                return Err(DecodeError::refused(Rule::UnknownField, reason));
            }
        };
        if !is_new {
            return reader.fault("has a key twice in an output");
        }
    }
    match (place, value) {
        (Some(address), Some(amounts)) => Ok(Output { address, amounts, datum, script: script.is_some() }),
        _ => reader.fault("has an output without an address or an amount"),
    }
}

fn address(reader: &mut Reader<'_>) -> Read<Payable> {
    let bytes = reader.bytes()?;
    match Payable::from_bytes(bytes) {
        Ok(address) if address.text.len() <= crate::chains::MAX_ADDRESS_BYTES => Ok(address),
        Ok(_) => reader.fault("has an output whose address is too long"),
        Err(error) => reader.fault(format_args!("has an output whose address {error}")),
    }
}

/// `[0, hash]` or `[1, #6.24(datum)]`.
fn datum_option(reader: &mut Reader<'_>) -> Read<Datum> {
    let mut items = reader.array()?;
    reader.next(&mut items)?;
    let kind = reader.unsigned()?;
    reader.next(&mut items)?;
    let datum = match kind {
        0 => Datum::Hash(reader.fixed()?),
        1 => {
            nested(reader)?;
            Datum::Inline
        }
        _ => return reader.fault("has a datum that is neither a hash nor inline"),
    };
    reader.end(&mut items)?;
    Ok(datum)
}

/// CBOR within a byte string, which is one item.
fn nested(reader: &mut Reader<'_>) -> Read<()> {
    if !reader.tag(24)? {
        return reader.fault("must have the tag 24 before a datum or a script");
    }
    let mut inner = Reader::new(reader.bytes()?);
    inner.skip()?;
    if inner.is_at_end() { Ok(()) } else { reader.fault("has a datum or a script that goes on after its end") }
}

/// Lovelace, or `[lovelace, tokens]`.
fn amounts(reader: &mut Reader<'_>) -> Read<Amounts> {
    if !reader.is_array() {
        return Ok(Amounts { lovelace: reader.unsigned()?, tokens: Vec::new() });
    }
    let mut items = reader.array()?;
    reader.next(&mut items)?;
    let lovelace = reader.unsigned()?;
    reader.next(&mut items)?;
    let tokens = tokens(reader, Reader::unsigned)?;
    reader.end(&mut items)?;
    Ok(Amounts { lovelace, tokens })
}

/// Quantities by policy and name.
fn tokens<'a, Q: Default + PartialEq>(
    reader: &mut Reader<'a>,
    quantity: impl Fn(&mut Reader<'a>) -> Read<Q>,
) -> Read<Vec<(Asset, Q)>> {
    let (mut tokens, mut policies) = (Vec::new(), BTreeSet::new());
    let mut outer = reader.map()?;
    while reader.more(&mut outer)? {
        let policy: Hash28 = reader.fixed()?;
        if !policies.insert(policy) {
            return reader.fault("has a token's policy twice in one amount");
        }
        let (mut inner, mut names) = (reader.map()?, BTreeSet::new());
        while reader.more(&mut inner)? {
            let name = reader.bytes()?;
            if name.len() > 32 {
                return reader.fault("has a token's name over 32 bytes");
            }
            if !names.insert(name) {
                return reader.fault("has a token twice in one amount");
            }
            let quantity = quantity(reader)?;
            if quantity == Q::default() {
                return reader.fault("has a token's amount of 0, which the ledger refuses");
            }
            tokens.push((Asset { policy, name: name.to_vec() }, quantity));
        }
        if names.is_empty() {
            return reader.fault("has a policy without a token, which the ledger refuses");
        }
    }
    Ok(tokens)
}

fn withdrawals(reader: &mut Reader<'_>) -> Read<Vec<(RewardAccount, u64)>> {
    let (mut withdrawals, mut seen) = (Vec::new(), BTreeSet::new());
    let mut pairs = reader.map()?;
    while reader.more(&mut pairs)? {
        let account = reward_account(reader)?;
        if !seen.insert(account) {
            return reader.fault("withdraws from a reward account twice");
        }
        withdrawals.push((account, reader.unsigned()?));
    }
    Ok(withdrawals)
}

pub(super) fn reward_account(reader: &mut Reader<'_>) -> Read<RewardAccount> {
    let bytes = reader.fixed()?;
    match RewardAccount::from_bytes(&bytes) {
        Some(account) => Ok(account),
        None => reader.fault("has 29 bytes that are no reward account"),
    }
}
