mod effects;
mod forms;

use ed25519_dalek::{Signer as _, SigningKey};
use pallas_codec::minicbor::{self, Encoder};
use pallas_primitives::conway;
use serde_json::{Value, json};

use super::*;
use crate::chains::cardano::address::Payable;
use crate::chains::cardano::key_hash;
use crate::chains::decoded::{Decoded, Rule};
use crate::chains::networks::{Network, NetworkDefaults, Networks};
use crate::chains::tokens::{TokenRow, Tokens};

fn network(name: &str) -> Network {
    Networks::new(&NetworkDefaults::default(), &[]).unwrap().resolve("ADA", Some(name)).unwrap()
}

/// A key that anybody can make.
fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

fn public(number: u8) -> [u8; 32] {
    key(number).verifying_key().to_bytes()
}

fn hash(number: u8) -> [u8; 28] {
    *key_hash(&public(number))
}

/// Of a test network.
fn enterprise(number: u8) -> Vec<u8> {
    [&[0x60][..], &hash(number)].concat()
}

fn text(address: &[u8]) -> String {
    Payable::from_bytes(address).unwrap().text
}

fn cbor(write: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut Encoder::new(&mut bytes));
    bytes
}

fn number(number: u64) -> Vec<u8> {
    cbor(|e| {
        e.u64(number).unwrap();
    })
}

fn bytes(bytes: &[u8]) -> Vec<u8> {
    cbor(|e| {
        e.bytes(bytes).unwrap();
    })
}

fn array(items: &[Vec<u8>]) -> Vec<u8> {
    [
        cbor(|e| {
            e.array(items.len() as u64).unwrap();
        }),
        items.concat(),
    ]
    .concat()
}

fn map(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let items: Vec<u8> = pairs.iter().flat_map(|(key, value)| [&key[..], value].concat()).collect();
    [
        cbor(|e| {
            e.map(pairs.len() as u64).unwrap();
        }),
        items,
    ]
    .concat()
}

fn keyed(pairs: &[(u64, Vec<u8>)]) -> Vec<u8> {
    map(&pairs.iter().map(|(key, value)| (number(*key), value.clone())).collect::<Vec<_>>())
}

fn input(byte: u8, index: u64) -> Vec<u8> {
    array(&[bytes(&[byte; 32]), number(index)])
}

fn output(address: &[u8], lovelace: u64) -> Vec<u8> {
    array(&[bytes(address), number(lovelace)])
}

/// A body with one input that pays 3 ada to the second key, gives 6.8 back to the first and costs 0.2; with entries more, or other ones.
fn body(more: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut pairs = vec![
        (0, array(&[input(1, 0)])),
        (1, array(&[output(&enterprise(2), 3_000_000), output(&enterprise(1), 6_800_000)])),
        (2, number(200_000)),
        (3, number(1_000)),
    ];
    for (key, value) in more {
        pairs.retain(|(known, _)| known != key);
        pairs.push((*key, value.clone()));
    }
    keyed(&pairs)
}

fn whole(body: &[u8], witnesses: &[u8]) -> String {
    hex::encode([&[0x84], body, witnesses, &[0xf5, 0xf6]].concat())
}

/// The only input of [`body`].
fn resolved(address: &[u8], lovelace: u64) -> Value {
    json!([{ "txId": "01".repeat(32), "index": 0, "address": text(address), "value": { "lovelace": lovelace } }])
}

fn signer() -> Signer {
    Signer::new(&public(1), Some(&text(&enterprise(1))))
}

fn decode(transaction: &str, said: Option<&Value>) -> Result<Decoded, DecodeError> {
    let said = said.map(|said| parse_resolved_inputs(said).unwrap());
    parse(transaction)?.decode(&network("preprod"), &signer(), said.as_deref(), &Tokens::default())
}

fn rule(refused: Result<Decoded, DecodeError>) -> Rule {
    match refused.unwrap_err() {
        DecodeError::Refused { rule, reason } => {
            assert!(reason.ends_with('.'), "{reason}");
            rule
        }
        other @ DecodeError::Invalid { .. } => panic!("{other}"),
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Published {
    name: String,
    network: String,
    tx_id: String,
    transaction: String,
    inputs: Option<Vec<PublishedOutput>>,
    #[serde(default)]
    collateral: Vec<PublishedOutput>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishedOutput {
    /// Hex.
    address: String,
    lovelace: u64,
    #[serde(default)]
    assets: std::collections::BTreeMap<String, u64>,
}

fn published() -> Vec<Published> {
    let vectors: Value = serde_json::from_str(include_str!("../../../../tests/vectors/cardano/transactions.json")).unwrap();
    let rows: Vec<Published> = serde_json::from_value(vectors["transactions"].clone()).unwrap();
    assert_eq!(rows.len(), 7);
    rows
}

/// As `resolvedInputs` has them.
fn said(row: &Published, read: &CardanoTransactionRequest) -> Option<Value> {
    let one = |(input, output): (&Input, &PublishedOutput)| {
        json!({
            "txId": hex::encode(input.tx_id),
            "index": input.index,
            "address": text(&hex::decode(&output.address).unwrap()),
            "value": { "lovelace": output.lovelace.to_string(), "assets": output.assets },
        })
    };
    let inputs = row.inputs.as_ref()?;
    assert_eq!((inputs.len(), row.collateral.len()), (read.body.inputs.len(), read.body.collateral.len()));
    let pairs = read.body.inputs.iter().zip(inputs).chain(read.body.collateral.iter().zip(&row.collateral));
    Some(Value::Array(pairs.map(one).collect()))
}

#[test]
fn published_transactions_are_read_with_their_ids_and_as_pallas_reads_them() {
    for row in published() {
        let read = parse(&row.transaction).unwrap_or_else(|error| panic!("{}: {error}", row.name));
        assert_eq!(hex::encode(read.tx_id()), row.tx_id, "{}", row.name);
        assert_eq!(serde_json::to_value(&read).unwrap(), row.transaction);
        assert_eq!(parse(&format!("0x{}", row.transaction.to_uppercase())).unwrap(), read);

        let bytes = hex::decode(&row.transaction).unwrap();
        let theirs: conway::Tx = minicbor::decode(&bytes).unwrap();
        let (body, ours) = (&theirs.transaction_body, &read.body);
        assert_eq!(body.raw_cbor(), read.body_bytes());
        assert_eq!(body.fee, ours.fee);
        assert_eq!((body.ttl, body.validity_interval_start), (ours.valid_until, ours.valid_from));
        assert_eq!(
            body.inputs.iter().map(|one| (*one.transaction_id, one.index)).collect::<Vec<_>>(),
            ours.inputs.iter().map(|one| (one.tx_id, u64::from(one.index))).collect::<Vec<_>>()
        );
        assert_eq!(body.outputs.len(), ours.outputs.len());
        let minted = body.mint.iter().flatten().flat_map(|(_, names)| names.values());
        assert_eq!(minted.map(i64::from).collect::<Vec<_>>().len(), ours.mint.len());
        assert_eq!(
            theirs.transaction_witness_set.vkeywitness.as_ref().map_or(0, |set| set.len()),
            read.witnesses.witnesses.len()
        );
        assert_eq!(body.script_data_hash.map(|hash| *hash), ours.script_data_hash);
        assert_eq!(body.collateral.as_ref().map_or(0, |set| set.len()), ours.collateral.len());
        assert_eq!(body.total_collateral, ours.total_collateral);
        assert_eq!(body.proposal_procedures.as_ref().map_or(0, |set| set.len()), ours.proposals.len());
    }
}

#[test]
fn published_transactions_are_even_and_signed_by_those_who_signed_them() {
    for row in published() {
        let read = parse(&row.transaction).unwrap();
        let said = said(&row, &read).map(|said| parse_resolved_inputs(&said).unwrap());
        let tokens = Tokens::default();
        let of_network = network(&row.network);
        for witness in &read.witnesses.witnesses {
            let signer = Signer::new(&witness.key, None);
            let decoded = read.decode(&of_network, &signer, said.as_deref(), &tokens);
            let decoded = decoded.unwrap_or_else(|error| panic!("{}: {error}", row.name));
            assert_eq!(decoded.details["inputsResolved"], said.is_some());
            assert_eq!(decoded.details["txId"], row.tx_id);
            assert_eq!(decoded.unknown_parts, !row.name.ends_with("payment"), "{}", row.name);
            // Its signature is there: nothing changes.
            let again = read.signed(&witness.key, &witness.signature).unwrap();
            assert_eq!((&again.transaction, &again.tx_id), (&row.transaction, &row.tx_id));
            assert!(row.transaction.contains(again.witness.get(2..).unwrap()));
        }
        assert!(!read.witnesses.witnesses.is_empty());
        let witness = &read.witnesses.witnesses[0];
        let other = network(if row.network == "mainnet" { "preview" } else { "mainnet" });
        let refused = read.decode(&other, &Signer::new(&witness.key, None), None, &tokens);
        assert_eq!(rule(refused), Rule::Network);
        // One lovelace more or less, and one token.
        for (place, change) in said.iter().flatten().enumerate().flat_map(|(place, _)| [(place, 1_i64), (place, -1)]) {
            let mut said = said.clone().unwrap();
            let amounts = &mut said[place].amounts;
            amounts.lovelace = amounts.lovelace.checked_add_signed(change).unwrap();
            let is_free_collateral = read.body.total_collateral.is_none() && read.body.collateral.contains(&said[place].input);
            let refused = read.decode(&of_network, &Signer::new(&witness.key, None), Some(&said), &tokens);
            assert_eq!(refused.is_ok(), is_free_collateral, "{} {place} {change}", row.name);
            if !is_free_collateral {
                assert_eq!(rule(refused), Rule::Amount);
            }
        }
        // A stranger's signature is not asked for.
        if let Some(said) = said.as_deref().filter(|_| read.body.reference_inputs.is_empty()) {
            assert_eq!(rule(read.decode(&of_network, &signer(), Some(said), &tokens)), Rule::NotNeeded);
        }
        // Every signature is proven.
        let mut forged = row.transaction.clone();
        let at = forged.find(&hex::encode(witness.signature)).unwrap();
        let digit = if forged.get(at..).unwrap().starts_with('0') { "1" } else { "0" };
        forged.replace_range(at..=at, digit);
        let refused = parse(&forged).unwrap().decode(&of_network, &signer(), None, &tokens);
        assert_eq!(rule(refused), Rule::AlreadySigned);
    }
}

#[test]
fn signed_by_one_after_another_is_one_transaction() {
    let unsigned = parse(&whole(&body(&[]), &map(&[]))).unwrap();
    let mut transaction = serde_json::to_value(&unsigned).unwrap().as_str().unwrap().to_owned();
    // Past the 23 that a head of one byte counts.
    for number in 1..=30 {
        let read = parse(&transaction).unwrap();
        let signature = key(number).sign(&read.tx_id()).to_bytes();
        let signed = read.signed(&public(number), &signature).unwrap();
        assert_eq!(signed.tx_id, hex::encode(unsigned.tx_id()));
        let bytes = hex::decode(&signed.transaction).unwrap();
        let theirs: conway::Tx = minicbor::decode(&bytes).unwrap();
        assert_eq!(theirs.transaction_body.raw_cbor(), unsigned.body_bytes());
        let set = theirs.transaction_witness_set.vkeywitness.as_ref().unwrap();
        assert_eq!(set.len(), usize::from(number));
        let last = set.iter().last().unwrap();
        assert_eq!((&last.vkey[..], &last.signature[..]), (&public(number)[..], &signature[..]));
        assert_eq!(hex::encode(minicbor::to_vec(last).unwrap()), signed.witness);
        transaction = signed.transaction;
    }
    decode(&transaction, None).unwrap();
    // Twice is once.
    let read = parse(&transaction).unwrap();
    assert_eq!(read.signed(&public(9), &[0; 64]).unwrap().transaction, transaction);
}
