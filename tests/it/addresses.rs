//! Addresses against published vectors, and against other implementations where `tests/conformance/addresses/run.sh` has run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use kmsignd::chains::cardano::stake::StakeKeyHash;
use kmsignd::chains::networks::{Network, NetworkDefaults, Networks};
use kmsignd::chains::{
    Address, AddressForm, AddressType, InvalidAddress, address_forms, derive_address, parse_address, tagged_address,
};
use kmsignd::keys::{KeySpec, PublicKey};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

static NETWORKS: LazyLock<Networks> = LazyLock::new(|| Networks::new(&NetworkDefaults::default(), &[]).unwrap());

fn network(asset: &str, name: &str) -> Network {
    NETWORKS.resolve(asset, Some(name)).unwrap()
}

fn networks_of(asset: &str) -> impl Iterator<Item = &Network> {
    NETWORKS.iter().filter(move |network| network.asset() == asset)
}

fn vectors(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn rows<Row: serde::de::DeserializeOwned>(vectors: &Value, list: &str) -> Vec<Row> {
    let rows: Vec<Row> = serde_json::from_value(vectors[list].clone()).unwrap();
    assert!(!rows.is_empty());
    rows
}

fn public_key(hex_text: &str) -> PublicKey {
    PublicKey::from_bytes(KeySpec::EccSecgP256k1, &hex::decode(hex_text).unwrap()).unwrap()
}

/// A bech32 address in lower case, as it is written; base58 as it stands.
fn canonical(text: &str) -> String {
    if text.bytes().any(|b| b.is_ascii_lowercase()) { text.to_owned() } else { text.to_lowercase() }
}

#[test]
fn parse_address_agrees_with_published_bitcoin_vectors() {
    for file in ["utxo/bip350.json", "utxo/bitcoin-core-key-io.json"] {
        let vectors = vectors(file);
        for (name, text, kind) in rows::<(String, String, String)>(&vectors, "valid") {
            let (address, got) = parse_address(&network("BTC", &name), &text).unwrap();
            assert_eq!((address.as_str(), got.as_str()), (canonical(&text).as_str(), kind.as_str()));
            // It belongs to this network alone; test networks share prefixes, but never with the main network.
            let main = parse_address(&network("BTC", "mainnet"), &text);
            assert_eq!(main.is_ok(), name == "mainnet", "{text}");
            if let Err(error) = main {
                assert!(matches!(error, InvalidAddress::OtherNetwork { .. }), "{text}: {error}");
            }
        }
        let invalid = rows::<String>(&vectors, "invalid");
        let private_keys = vectors.get("privateKeys").map(|_| rows::<String>(&vectors, "privateKeys")).unwrap_or_default();
        for text in invalid.iter().chain(&private_keys) {
            for network in networks_of("BTC") {
                assert!(parse_address(network, text).is_err(), "{text} on {network}");
            }
        }
    }
}

#[test]
fn parse_address_of_a_witness_version_without_meaning_is_refused() {
    let mut seen = 0;
    for text in rows::<String>(&vectors("utxo/bip350.json"), "notStandard") {
        assert!(matches!(parse_address(&network("BTC", "mainnet"), &text), Err(InvalidAddress::NotStandard { .. })), "{text}");
        seen += 1;
    }
    for (name, text) in rows::<(String, String)>(&vectors("utxo/bitcoin-core-key-io.json"), "notStandard") {
        assert!(matches!(parse_address(&network("BTC", &name), &text), Err(InvalidAddress::NotStandard { .. })), "{text}");
        seen += 1;
    }
    assert_eq!(seen, 11);
}

#[test]
fn derive_address_agrees_with_published_vectors() {
    for (asset, file) in [("BTC", "utxo/bip49-bip84.json"), ("LTC", "utxo/litecoin-core.json")] {
        for (name, form, key, address) in rows::<(String, AddressType, String, String)>(&vectors(file), "derived") {
            assert_eq!(derive_address(&network(asset, &name), form, &public_key(&key)).unwrap().as_str(), address);
        }
    }
}

#[test]
fn parse_address_agrees_with_eip_55() {
    for text in rows::<String>(&vectors("evm/eip55.json"), "valid") {
        for network in NETWORKS.iter().filter(|network| network.family() == "evm") {
            let (address, _) = parse_address(network, &text).unwrap();
            assert_eq!(address.as_str(), text);
            // A swapped case of one letter breaks the checksum, unless it leaves one case only.
            let digits = &text[2..];
            for (at, letter) in digits.char_indices().filter(|(_, digit)| digit.is_ascii_alphabetic()) {
                let mut changed = digits.to_owned();
                let other = if letter.is_ascii_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() };
                changed.replace_range(at..=at, &other.to_string());
                assert_eq!(parse_address(network, &format!("0x{changed}")), Err(InvalidAddress::Checksum), "{changed}");
            }
        }
    }
}

proptest! {
    #[test]
    fn parse_address_of_a_changed_address_is_refused_or_reads_back(
        number in 0..PEER_KEYS,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<char>()), 0..3),
        other_case in any::<bool>(),
    ) {
        for network in NETWORKS.iter() {
            let key = key_for(network, number);
            let stake = StakeKeyHash::of(&key);
            for (_, address) in address_forms(network, stake, &key).unwrap() {
                let mut letters: Vec<char> = address.as_str().chars().collect();
                for (at, letter) in &changes {
                    let at = at.index(letters.len());
                    letters[at] = *letter;
                }
                let changed: String = letters.into_iter().collect();
                let changed = if other_case { changed.to_uppercase() } else { changed };
                if let Ok((read, kind)) = parse_address(network, &changed) {
                    prop_assert_eq!(parse_address(network, read.as_str()), Ok((read.clone(), kind)));
                    // An address of Solana has no checksum, and one of Ethereum in one case has none either.
                    let unchecked = ["evm", "solana"].contains(&network.family());
                    prop_assert!(read == address || unchecked, "{} became {}", address, read);
                }
            }
        }
    }

    #[test]
    fn parse_address_of_any_text_gives_an_answer(text in "\\PC{0,120}|[a-zA-Z0-9]{0,100}|(bc1|tb1|ltc1|0x)[a-z0-9]{0,90}") {
        for network in NETWORKS.iter() {
            if let Ok((read, kind)) = parse_address(network, &text) {
                prop_assert_eq!(parse_address(network, read.as_str()), Ok((read.clone(), kind)));
            }
        }
    }
}

/// A row that a peer wrote.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PeerRow {
    asset: String,
    network: String,
    /// Of [`AddressType`], or `x-address`.
    address_type: String,
    public_key: String,
    address: String,
    /// In an X-address.
    tag: Option<u32>,
    /// Of a base address.
    stake_key: Option<String>,
}

impl PeerRow {
    /// The same address by us.
    fn derive(&self, network: &Network, key: &PublicKey) -> Address {
        if self.address_type == X_ADDRESS {
            return tagged_address(network, key, self.tag.unwrap()).unwrap().unwrap();
        }
        let stake = self.stake_key.as_deref().map(|stake| {
            let stake = PublicKey::from_bytes(KeySpec::EccNistEdwards25519, &hex::decode(stake).unwrap()).unwrap();
            StakeKeyHash::of(&stake).unwrap()
        });
        derive_address(network, AddressForm { address_type: self.address_type.parse().unwrap(), stake }, key).unwrap()
    }
}

/// The form that an address of the XRP Ledger has beside its own, with a tag in it.
const X_ADDRESS: &str = "x-address";

/// Peers and this test make the same keys, so that no private key is exchanged: key `number` is SHA-256 of this text.
fn peer_key(number: u32) -> PublicKey {
    let secret = Sha256::digest(format!("kmsignd address {number}"));
    let secret = bitcoin::secp256k1::SecretKey::from_slice(&secret).unwrap();
    let point = secret.public_key(&bitcoin::secp256k1::Secp256k1::new()).serialize();
    PublicKey::from_bytes(KeySpec::EccSecgP256k1, &point).unwrap()
}

/// A key of the network's kind: an Ed25519 one is made of the same secret.
fn key_for(network: &Network, number: u32) -> PublicKey {
    match network.key_spec() {
        KeySpec::EccSecgP256k1 => peer_key(number),
        KeySpec::EccNistEdwards25519 => {
            let secret: [u8; 32] = Sha256::digest(format!("kmsignd address {number}")).into();
            let key = ed25519_dalek::SigningKey::from_bytes(&secret).verifying_key();
            PublicKey::from_bytes(KeySpec::EccNistEdwards25519, key.as_bytes()).unwrap()
        }
    }
}

const PEER_KEYS: u32 = 1_000;

/// What each peer must have written rows for.
const PEERS: [(&str, &[&str]); 8] = [
    (
        "bitcoinjs-lib",
        &[
            "BTC mainnet",
            "BTC testnet",
            "BTC signet",
            "BTC regtest",
            "LTC mainnet",
            "LTC testnet",
            "LTC regtest",
            "DOGE mainnet",
            "DOGE testnet",
            "DOGE regtest",
        ],
    ),
    ("embit", &["BTC mainnet", "BTC testnet", "BTC signet", "BTC regtest"]),
    ("pycoin", &["LTC mainnet", "LTC testnet", "DOGE mainnet", "DOGE testnet"]),
    ("ethers", &["ETH mainnet", "BNB mainnet", "POL mainnet"]),
    ("eth-keys", &["ETH mainnet", "BNB mainnet", "POL mainnet"]),
    ("xrpl-py", &["XRP mainnet", "XRP testnet", "XRP devnet"]),
    ("solders", &["SOL mainnet", "SOL testnet", "SOL devnet"]),
    ("pycardano", &["ADA mainnet", "ADA preprod", "ADA preview"]),
];

#[test]
fn derive_address_agrees_with_other_implementations() {
    let Some(directory) = std::env::var_os("KMSIGND_TEST_ADDRESS_PEERS").map(PathBuf::from) else {
        return crate::skipped("addresses of other implementations", "KMSIGND_TEST_ADDRESS_PEERS is not set");
    };
    for (peer, networks) in PEERS {
        let file = directory.join(format!("{peer}.jsonl"));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut missing: HashMap<(Network, String, String), PublicKey> = HashMap::new();
        for name in networks {
            let (asset, name) = name.split_once(' ').unwrap();
            let network = network(asset, name);
            let with_tag = (network.family() == "xrp").then_some(X_ADDRESS);
            for form in network.address_types().iter().map(|form| form.as_str()).chain(with_tag) {
                missing.extend((0..PEER_KEYS).map(|number| {
                    let key = key_for(&network, number);
                    ((network.clone(), form.to_owned(), hex::encode(key.to_bytes())), key)
                }));
            }
        }
        assert_eq!(missing.len() % 1_000, 0);
        for line in text.lines() {
            let row: PeerRow = serde_json::from_str(line).unwrap();
            let wanted = (network(&row.asset, &row.network), row.address_type.clone(), row.public_key.clone());
            let key = missing.remove(&wanted).unwrap_or_else(|| panic!("{peer} wrote a row nobody asked for: {line}"));
            assert_eq!(row.derive(&wanted.0, &key).as_str(), row.address, "{peer}: {line}");
        }
        assert!(missing.is_empty(), "{peer} left out {} of the addresses", missing.len());
    }
}
