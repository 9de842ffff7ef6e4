mod properties;
mod refusals;
mod summaries;
mod vectors;

use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::serialize;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::{Message, PublicKey, Secp256k1, SecretKey};
use bitcoin::sighash::EcdsaSighashType;
use bitcoin::transaction::Version as TransactionVersion;
use bitcoin::{Amount, CompressedPublicKey, OutPoint, ScriptBuf, Sequence, TxIn, TxOut, Txid, Witness};

use super::fields::{global, input, output};
use super::*;
use crate::chains::networks::{Network, NetworkDefaults, Networks};

const KINDS: [InputKind; 3] = [InputKind::P2pkh, InputKind::P2shP2wpkh, InputKind::P2wpkh];
const SIGHASHES: [EcdsaSighashType; 6] = [
    EcdsaSighashType::All,
    EcdsaSighashType::None,
    EcdsaSighashType::Single,
    EcdsaSighashType::AllPlusAnyoneCanPay,
    EcdsaSighashType::NonePlusAnyoneCanPay,
    EcdsaSighashType::SinglePlusAnyoneCanPay,
];

fn network(words: &str) -> Network {
    let (asset, name) = words.split_once(' ').unwrap();
    Networks::new(&NetworkDefaults::default(), &[]).unwrap().resolve(asset, Some(name)).unwrap()
}

fn secret(number: u8) -> SecretKey {
    SecretKey::from_slice(&[number; 32]).unwrap()
}

fn key(number: u8) -> PublicKey {
    secret(number).public_key(&Secp256k1::new())
}

fn script(kind: InputKind, number: u8) -> ScriptBuf {
    let key = CompressedPublicKey(key(number));
    let p2wpkh = ScriptBuf::new_p2wpkh(&key.wpubkey_hash());
    match kind {
        InputKind::P2pkh => ScriptBuf::new_p2pkh(&key.pubkey_hash()),
        InputKind::P2wpkh => p2wpkh,
        InputKind::P2shP2wpkh => ScriptBuf::new_p2sh(&p2wpkh.script_hash()),
    }
}

/// A coin to spend, of key `number`.
#[derive(Debug, Clone)]
struct Spent {
    kind: InputKind,
    number: u8,
    amount: u64,
    sighash: Option<EcdsaSighashType>,
}

fn spent(kind: InputKind, number: u8, amount: u64) -> Spent {
    Spent { kind, number, amount, sighash: None }
}

impl Spent {
    fn signed(self, sighash: EcdsaSighashType) -> Self {
        Self { sighash: Some(sighash), ..self }
    }

    /// The transaction that made it, with its coin in the second place.
    fn made_by(&self, index: usize) -> Transaction {
        let outpoint = OutPoint {
            txid: Txid::from_byte_array([u8::try_from(index % 251).unwrap() + 1; 32]),
            vout: u32::try_from(index).unwrap(),
        };
        let out = |amount, script_pubkey| TxOut { value: Amount::from_sat(amount), script_pubkey };
        Transaction {
            version: TransactionVersion::ONE,
            lock_time: LockTime::ZERO,
            input: vec![TxIn { previous_output: outpoint, ..TxIn::default() }],
            output: vec![out(1, ScriptBuf::new()), out(self.amount, script(self.kind, self.number))],
        }
    }
}

/// What a PSBT is made of.
#[derive(Debug, Clone)]
struct Draft {
    network: &'static str,
    version: Version,
    spends: Vec<Spent>,
    outputs: Vec<(ScriptBuf, u64)>,
    sequence: u32,
    lock_time: u32,
}

impl Draft {
    fn new(version: Version, spends: Vec<Spent>, outputs: Vec<(ScriptBuf, u64)>) -> Self {
        Self { network: "BTC regtest", version, spends, outputs, sequence: 0xffff_fffd, lock_time: 0 }
    }

    /// One input of each kind, of the keys 1, 2 and 3, and three outputs of strangers.
    fn of_each_kind(version: Version) -> Self {
        let spends = KINDS.into_iter().zip(1..).map(|(kind, number)| spent(kind, number, 100_000)).collect();
        let outputs = (101..=103).map(|number| (script(InputKind::P2wpkh, number), 90_000)).collect();
        Self::new(version, spends, outputs)
    }

    fn network(&self) -> Network {
        network(self.network)
    }

    fn keys(&self) -> Vec<PublicKey> {
        self.spends.iter().map(|spent| key(spent.number)).collect()
    }

    fn maps(&self) -> Maps {
        let mut inputs = Vec::new();
        let mut unsigned = Transaction {
            version: TransactionVersion::TWO,
            lock_time: LockTime::from_consensus(self.lock_time),
            input: Vec::new(),
            output: Vec::new(),
        };
        for (index, spent) in self.spends.iter().enumerate() {
            let made_by = spent.made_by(index);
            let previous_output = OutPoint { txid: made_by.compute_txid(), vout: 1 };
            unsigned.input.push(TxIn { previous_output, sequence: Sequence(self.sequence), ..TxIn::default() });
            let mut map = Map::new();
            map.insert(vec![input::NON_WITNESS_UTXO], serialize(&made_by));
            if spent.kind != InputKind::P2pkh {
                map.insert(vec![input::WITNESS_UTXO], serialize(&made_by.output[1]));
            }
            if spent.kind == InputKind::P2shP2wpkh {
                map.insert(vec![input::REDEEM_SCRIPT], script(InputKind::P2wpkh, spent.number).into_bytes());
            }
            if let Some(sighash) = spent.sighash {
                map.insert(vec![input::SIGHASH_TYPE], sighash.to_u32().to_le_bytes().to_vec());
            }
            if self.version == Version::V2 {
                map.insert(vec![input::PREVIOUS_TXID], previous_output.txid.to_byte_array().to_vec());
                map.insert(vec![input::OUTPUT_INDEX], 1u32.to_le_bytes().to_vec());
                map.insert(vec![input::SEQUENCE], self.sequence.to_le_bytes().to_vec());
            }
            inputs.push(map);
        }
        let mut outputs = Vec::new();
        for (script_pubkey, amount) in &self.outputs {
            unsigned.output.push(TxOut { value: Amount::from_sat(*amount), script_pubkey: script_pubkey.clone() });
            let mut map = Map::new();
            if self.version == Version::V2 {
                map.insert(vec![output::AMOUNT], amount.to_le_bytes().to_vec());
                map.insert(vec![output::SCRIPT], script_pubkey.to_bytes());
            }
            outputs.push(map);
        }
        let mut global = Map::new();
        match self.version {
            Version::V0 => {
                global.insert(vec![global::UNSIGNED_TX], serialize(&unsigned));
            }
            Version::V2 => {
                global.insert(vec![global::VERSION], 2u32.to_le_bytes().to_vec());
                global.insert(vec![global::TX_VERSION], 2u32.to_le_bytes().to_vec());
                global.insert(vec![global::FALLBACK_LOCKTIME], self.lock_time.to_le_bytes().to_vec());
                global.insert(vec![global::INPUT_COUNT], serialize(&bitcoin::VarInt::from(inputs.len())));
                global.insert(vec![global::OUTPUT_COUNT], serialize(&bitcoin::VarInt::from(outputs.len())));
            }
        }
        Maps { global, inputs, outputs }
    }

    /// Reads these maps and plans as this draft's wallets would.
    fn plan(&self, maps: &Maps) -> Result<(PsbtRequest, Plan), DecodeError> {
        self.plan_with(maps, false)
    }

    fn plan_with(&self, maps: &Maps, allow_witness_utxo_only: bool) -> Result<(PsbtRequest, Plan), DecodeError> {
        let request = parse(&maps.base64())?;
        let coins = coins(&request, &self.network(), allow_witness_utxo_only)?;
        let plan = plan(&request, coins, &self.keys())?;
        Ok((request, plan))
    }

    /// Signs with this draft's keys.
    fn signatures(&self, plan: &Plan) -> Vec<[u8; 64]> {
        let secp = Secp256k1::new();
        let sign = |(spent, input): (&Spent, &PlannedInput)| {
            secp.sign_ecdsa(&Message::from_digest(input.digest), &secret(spent.number)).serialize_compact()
        };
        self.spends.iter().zip(plan.inputs()).map(sign).collect()
    }

    fn sign(&self, maps: &Maps, finalize: bool) -> (Plan, Signed) {
        let (request, plan) = self.plan(maps).unwrap();
        let signed = finish(request, &plan, &self.signatures(&plan), finalize).unwrap();
        (plan, signed)
    }

    /// Holds if Bitcoin Core's own verifier takes every input.
    fn assert_accepted(&self, transaction: &str) {
        let bytes = hex::decode(transaction).unwrap();
        for (index, spent) in self.spends.iter().enumerate() {
            let script = script(spent.kind, spent.number);
            bitcoinconsensus::verify(script.as_bytes(), spent.amount, &bytes, None, index)
                .unwrap_or_else(|error| panic!("input {index}, {:?}, {:?}: {error:?}", spent.kind, spent.sighash));
        }
    }
}

/// The maps of a PSBT.
#[derive(Clone, PartialEq, Debug)]
struct Maps {
    global: Map,
    inputs: Vec<Map>,
    outputs: Vec<Map>,
}

impl Maps {
    fn base64(&self) -> String {
        let maps = std::iter::once(&self.global).chain(&self.inputs).chain(&self.outputs);
        STANDARD.encode(container::write(maps))
    }

    fn of(psbt: &str) -> Self {
        let PsbtRequest { global, inputs, outputs, .. } = parse(psbt).unwrap();
        Self { global, inputs, outputs }
    }
}

/// The transaction that a PSBT is about with what its inputs are finalized with, as other code reads it.
fn read_elsewhere(version: Version, psbt: &str) -> Transaction {
    let bytes = STANDARD.decode(psbt).unwrap();
    match version {
        Version::V0 => bitcoin::Psbt::deserialize(&bytes).unwrap().extract_tx_unchecked_fee_rate(),
        Version::V2 => {
            // Its extractor takes no input that has only one of scriptSig and witness, so only its reading counts here.
            let psbt = psbt_v2::v2::Psbt::deserialize(&bytes).unwrap();
            Transaction {
                version: psbt.global.tx_version,
                lock_time: psbt.determine_lock_time().unwrap(),
                input: psbt
                    .inputs
                    .into_iter()
                    .map(|input| TxIn {
                        previous_output: OutPoint { txid: input.previous_txid, vout: input.spent_output_index },
                        script_sig: input.final_script_sig.unwrap_or_default(),
                        sequence: input.sequence.unwrap_or(Sequence::MAX),
                        witness: input.final_script_witness.unwrap_or_default(),
                    })
                    .collect(),
                output: psbt
                    .outputs
                    .into_iter()
                    .map(|output| TxOut { value: output.amount, script_pubkey: output.script_pubkey })
                    .collect(),
            }
        }
    }
}

#[test]
fn sign_every_kind_with_every_sighash_in_both_versions_is_accepted() {
    for version in [Version::V0, Version::V2] {
        for chain in ["BTC mainnet", "LTC testnet", "DOGE mainnet"] {
            for sighash in SIGHASHES.map(Some).into_iter().chain([None]) {
                let mut draft = Draft::of_each_kind(version);
                draft.network = chain;
                if chain.starts_with("DOGE") {
                    draft.spends.iter_mut().for_each(|spent| spent.kind = InputKind::P2pkh);
                }
                draft.spends.iter_mut().for_each(|spent| spent.sighash = sighash);
                let (plan, signed) = draft.sign(&draft.maps(), true);
                let (transaction, txid) = signed.transaction.unwrap();
                draft.assert_accepted(&transaction);
                let elsewhere = read_elsewhere(version, &signed.psbt);
                assert_eq!(hex::encode(serialize(&elsewhere)), transaction);
                assert_eq!(elsewhere.compute_txid(), txid);
                assert!(plan.txid().is_none_or(|known| known == txid));
                // Each signature may be shorter than the longest by a few bytes.
                let virtual_size = u64::try_from(elsewhere.vsize()).unwrap();
                assert!((virtual_size..=virtual_size + 9).contains(&plan.virtual_size()));
            }
        }
    }
}

#[test]
fn sign_every_input_with_another_sighash_is_accepted() {
    for version in [Version::V0, Version::V2] {
        let kinds = KINDS.into_iter().cycle().zip(SIGHASHES).zip(1..);
        let spends = kinds.map(|((kind, sighash), number)| spent(kind, number, 50_000).signed(sighash)).collect();
        let outputs = (101..=106).map(|number| (script(InputKind::P2pkh, number), 49_000)).collect();
        let draft = Draft::new(version, spends, outputs);
        let (_, signed) = draft.sign(&draft.maps(), true);
        draft.assert_accepted(&signed.transaction.unwrap().0);
    }
}

#[test]
fn sign_two_hundred_inputs_of_several_wallets_is_accepted() {
    let spends = (0..200).map(|index| spent(KINDS[index % 3], u8::try_from(index % 7).unwrap() + 1, 10_000)).collect();
    let draft = Draft::new(Version::V0, spends, vec![(script(InputKind::P2wpkh, 99), 1_900_000)]);
    let (plan, signed) = draft.sign(&draft.maps(), true);
    assert_eq!(plan.inputs().len(), 200);
    draft.assert_accepted(&signed.transaction.unwrap().0);
}

#[test]
fn txid_is_known_before_it_is_signed_unless_a_signature_is_part_of_it() {
    let draft = |kinds: &[InputKind]| {
        let spends = kinds.iter().map(|kind| spent(*kind, 1, 50_000)).collect();
        Draft::new(Version::V0, spends, vec![(script(InputKind::P2wpkh, 9), 49_000)])
    };
    let segwit = draft(&[InputKind::P2wpkh, InputKind::P2shP2wpkh]);
    let (plan, signed) = segwit.sign(&segwit.maps(), true);
    assert_eq!(plan.txid(), Some(signed.transaction.unwrap().1));
    let legacy = draft(&[InputKind::P2wpkh, InputKind::P2pkh]);
    assert_eq!(legacy.plan(&legacy.maps()).unwrap().1.txid(), None);
}

#[test]
fn finish_without_finalizing_only_adds_signatures_and_redeem_scripts() {
    for version in [Version::V0, Version::V2] {
        let draft = Draft::of_each_kind(version);
        let mut maps = draft.maps();
        maps.inputs[1].remove(&vec![input::REDEEM_SCRIPT]).unwrap();
        let (plan, signed) = draft.sign(&maps, false);
        assert_eq!(signed.transaction, None);
        let mut expected = maps.clone();
        expected.inputs[1].insert(vec![input::REDEEM_SCRIPT], script(InputKind::P2wpkh, 2).into_bytes());
        let answered = Maps::of(&signed.psbt);
        for (index, (expected, spent)) in expected.inputs.iter_mut().zip(&draft.spends).enumerate() {
            let key = [&[input::PARTIAL_SIG][..], &key(spent.number).serialize()].concat();
            let signature = answered.inputs[index].get(&key).unwrap();
            assert_eq!(signature.last(), Some(&1), "SIGHASH_ALL");
            expected.insert(key, signature.clone());
        }
        assert_eq!(answered, expected);

        // Signed again it is the same, and finalized the same transaction.
        let (again, twice) = draft.sign(&answered, false);
        assert_eq!((again, &twice.psbt), (plan, &signed.psbt));
        let finalized = draft.sign(&answered, true).1;
        assert_eq!(finalized, draft.sign(&maps, true).1);
    }
}

#[test]
fn finish_clears_what_a_finalizer_clears_and_keeps_what_it_does_not_know() {
    for version in [Version::V0, Version::V2] {
        let draft = Draft::of_each_kind(version);
        let mut maps = draft.maps();
        let derivation = [&[0x06][..], &key(77).serialize()].concat();
        let proprietary = [&[0xfc, 3][..], b"abc", &[7, 1, 2]].concat();
        let long_proprietary = [&[0xfc, 0, 0xfd, 0xfd, 0x00][..], &[9; 2000]].concat();
        let unknown = vec![0xf0, 1, 2];
        let wide_unknown = vec![0xfd, 0xfd, 0x01, 5];
        for map in std::iter::once(&mut maps.global).chain(&mut maps.inputs).chain(&mut maps.outputs) {
            for key in [&proprietary, &long_proprietary, &unknown, &wide_unknown] {
                map.insert(key.clone(), b"kept".to_vec());
            }
        }
        maps.global.insert([&[0x01][..], &[4; 78]].concat(), vec![0; 8]);
        maps.outputs.iter_mut().for_each(|map| {
            map.insert([&[0x02][..], &key(78).serialize()].concat(), vec![0; 12]);
        });
        maps.inputs.iter_mut().for_each(|map| {
            map.insert(derivation.clone(), vec![0; 4]);
            map.insert(vec![input::SIGHASH_TYPE], vec![1, 0, 0, 0]);
        });
        let (_, signed) = draft.sign(&maps, true);
        let mut expected = maps.clone();
        let answered = Maps::of(&signed.psbt);
        for (index, expected) in expected.inputs.iter_mut().enumerate() {
            expected
                .retain(|key, _| *key != derivation && ![vec![input::SIGHASH_TYPE], vec![input::REDEEM_SCRIPT]].contains(key));
            for key in [vec![input::FINAL_SCRIPTSIG], vec![input::FINAL_SCRIPTWITNESS]] {
                if let Some(value) = answered.inputs[index].get(&key) {
                    assert!(value.len() > 20, "BIP-174: never an empty one");
                    expected.insert(key, value.clone());
                }
            }
        }
        assert_eq!(answered, expected);
        let finals = |index: usize| {
            [input::FINAL_SCRIPTSIG, input::FINAL_SCRIPTWITNESS].map(|kind| answered.inputs[index].contains_key(&vec![kind]))
        };
        assert_eq!([finals(0), finals(1), finals(2)], [[true, false], [true, true], [false, true]]);
    }
}

#[test]
fn sign_updates_what_may_be_modified_as_bip370_says() {
    use EcdsaSighashType as Sighash;
    for (sighashes, before, after) in [
        (&[Sighash::All][..], Some(0b011), Some(0b000)),
        (&[Sighash::AllPlusAnyoneCanPay], Some(0b011), Some(0b001)),
        (&[Sighash::None], Some(0b011), Some(0b010)),
        (&[Sighash::NonePlusAnyoneCanPay], Some(0b111), Some(0b111)),
        (&[Sighash::Single], Some(0b011), Some(0b100)),
        (&[Sighash::SinglePlusAnyoneCanPay], Some(0b011), Some(0b101)),
        (&[Sighash::None, Sighash::AllPlusAnyoneCanPay], Some(0b011), Some(0b000)),
        (&[Sighash::All], Some(0xff), Some(0xfc)),
        (&[Sighash::All], None, None),
        (&[Sighash::Single], None, Some(0b100)),
    ] {
        let spends = sighashes.iter().zip(1..).map(|(s, number)| spent(InputKind::P2wpkh, number, 50_000).signed(*s)).collect();
        let draft = Draft::new(Version::V2, spends, vec![(script(InputKind::P2wpkh, 9), 40_000)]);
        for finalize in [false, true] {
            let mut maps = draft.maps();
            if let Some(before) = before {
                maps.global.insert(vec![global::TX_MODIFIABLE], vec![before]);
            }
            let answered = Maps::of(&draft.sign(&maps, finalize).1.psbt);
            assert_eq!(
                answered.global.get(&vec![global::TX_MODIFIABLE]),
                after.map(|flags| vec![flags]).as_ref(),
                "{sighashes:?}"
            );
        }
    }
}

#[test]
fn content_is_another_for_another_sighash_and_the_same_for_either_version_and_spelling() {
    let draft = Draft::of_each_kind(Version::V0);
    let content = |draft: &Draft| draft.plan(&draft.maps()).unwrap().1.content();
    let second = Draft { version: Version::V2, ..draft.clone() };
    assert_eq!(content(&draft), content(&second));
    let mut none = draft.clone();
    none.spends[1].sighash = Some(EcdsaSighashType::None);
    assert_ne!(content(&draft), content(&none));
    let mut all = draft.clone();
    all.spends[1].sighash = Some(EcdsaSighashType::All);
    assert_eq!(content(&draft), content(&all));
    let mut more = draft.clone();
    more.outputs[2].1 -= 1;
    assert_ne!(content(&draft), content(&more));
}

#[test]
fn request_serializes_to_one_canonical_form() {
    let maps = Draft::of_each_kind(Version::V2).maps();
    let canonical = maps.base64();
    // The same fields in the opposite order.
    let mut bytes = b"psbt\xff".to_vec();
    for map in std::iter::once(&maps.global).chain(&maps.inputs).chain(&maps.outputs) {
        for (key, value) in map.iter().rev() {
            bytes.extend(serialize(key));
            bytes.extend(serialize(value));
        }
        bytes.push(0);
    }
    let other = STANDARD.encode(bytes);
    assert_ne!(other, canonical);
    let serialized = |text: &str| serde_json::to_value(parse(text).unwrap()).unwrap();
    assert_eq!(serialized(&other), serialized(&canonical));
    assert_eq!(serialized(&canonical), canonical);
}

#[test]
fn finish_with_signatures_that_are_not_the_planned_ones_gives_nothing() {
    let draft = Draft::of_each_kind(Version::V0);
    let (request, plan) = draft.plan(&draft.maps()).unwrap();
    let mut signatures = draft.signatures(&plan);
    assert!(finish(request.clone(), &plan, &signatures, true).is_ok());
    assert!(finish(request.clone(), &plan, &signatures[..2], true).is_err());
    signatures.swap(0, 2);
    for finalize in [false, true] {
        assert!(finish(request.clone(), &plan, &signatures, finalize).is_err());
    }
    signatures[0] = [0xff; 64];
    assert!(finish(request, &plan, &signatures, true).is_err());
}

#[test]
fn litecoin_coin_out_of_mweb_is_spent_and_elsewhere_refused() {
    let draft = Draft { network: "LTC regtest", ..Draft::of_each_kind(Version::V0) };
    let mut maps = draft.maps();
    let plain = maps.inputs[0][&vec![input::NON_WITNESS_UTXO]].clone();
    let (head, lock_time) = plain.split_at(plain.len() - 4);
    let (version, body) = head.split_at(4);
    // Flag 8 and no MWEB data, as an integration transaction has it; with a witness too, flag 9.
    let mweb = [version, &[0x00, 0x08], body, &[0x00], lock_time].concat();
    let witness: Vec<u8> = serialize(&Witness::from_slice(&[[1; 5]]));
    let with_witness = [version, &[0x00, 0x09], body, &witness, &[0x00], lock_time].concat();
    for previous in [mweb, with_witness] {
        maps.inputs[0].insert(vec![input::NON_WITNESS_UTXO], previous);
        let (_, signed) = draft.sign(&maps, true);
        draft.assert_accepted(&signed.transaction.unwrap().0);
        let bitcoin = Draft { network: "BTC regtest", ..draft.clone() };
        let error = bitcoin.plan(&maps).unwrap_err().to_string();
        assert!(error.contains("input 0 has PSBT_IN_NON_WITNESS_UTXO in a form that only Litecoin has"), "{error}");
    }
}
