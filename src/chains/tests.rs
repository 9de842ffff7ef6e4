use super::networks::{NetworkDefaults, Networks};
use super::*;

/// The secp256k1 generator, SEC 2 section 2.4.1: the public key of the private key 1.
const G: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const ED25519: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fn network(asset: &str, network: &str) -> Network {
    Networks::new(&NetworkDefaults::default(), &[]).unwrap().resolve(asset, Some(network)).unwrap()
}

fn key(spec: KeySpec, text: &str) -> PublicKey {
    PublicKey::from_bytes(spec, &hex::decode(text).unwrap()).unwrap()
}

fn generator() -> PublicKey {
    key(KeySpec::EccSecgP256k1, G)
}

#[test]
fn address_type_parse_takes_the_four_names() {
    for known in AddressType::ALL {
        assert_eq!(known.as_str().parse(), Ok(known));
        assert_eq!(serde_json::to_value(known).unwrap(), known.as_str());
        assert_eq!(serde_json::from_value::<AddressType>(known.as_str().into()).unwrap(), known);
    }
    assert_eq!("P2WPKH".parse::<AddressType>(), Err(AddressTypeError::Unknown));
    let taproot = serde_json::from_value::<AddressType>("p2tr".into()).unwrap_err().to_string();
    assert_eq!(taproot, "p2tr is not served: taproot needs Schnorr signatures, which KMS does not make");
}

#[test]
fn choose_address_type_refuses_what_the_network_lacks() {
    let doge = network("DOGE", "mainnet");
    assert_eq!(doge.choose_address_type(None), Ok(AddressType::P2pkh));
    let error = doge.choose_address_type(Some(AddressType::P2wpkh)).unwrap_err();
    assert_eq!(error.to_string(), "must be one of p2pkh for DOGE");
    let error = network("BTC", "signet").choose_address_type(Some(AddressType::Eip55)).unwrap_err();
    assert_eq!(error.to_string(), "must be one of p2wpkh, p2sh-p2wpkh, p2pkh for BTC");
    let error = derive_address(&doge, AddressType::P2shP2wpkh, &generator()).unwrap_err();
    assert!(matches!(error, ChainError::AddressType(AddressTypeError::NotOfNetwork { .. })));
}

#[test]
fn derive_address_gives_the_known_addresses_of_the_generator() {
    for (asset, name, expected) in [
        // The first is the example of BIP-173; the second and third are in many wallets' tests.
        (
            "BTC",
            "mainnet",
            vec![
                "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
                "3JvL6Ymt8MVWiCNHC7oWU6nLeHNJKLZGLN",
                "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH",
            ],
        ),
        ("ETH", "mainnet", vec!["0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"]),
    ] {
        let forms = address_forms(&network(asset, name), None, &generator()).unwrap();
        let texts: Vec<_> = forms.iter().map(|(_, address)| address.as_str()).collect();
        assert_eq!(texts, expected);
    }
}

#[test]
fn derive_address_of_an_ed25519_key_is_refused() {
    let key = key(KeySpec::EccNistEdwards25519, ED25519);
    for (asset, name) in [("BTC", "mainnet"), ("ETH", "mainnet")] {
        let error = address_forms(&network(asset, name), None, &key).unwrap_err();
        assert_eq!(error.to_string(), format!("{asset} mainnet needs an ECC_SECG_P256K1 key"));
    }
}

#[test]
fn parse_address_bounds_the_length() {
    let btc = network("BTC", "mainnet");
    assert_eq!(parse_address(&btc, ""), Err(InvalidAddress::Length));
    assert_eq!(parse_address(&btc, &"1".repeat(129)), Err(InvalidAddress::Length));
    assert!(matches!(parse_address(&btc, &"1".repeat(128)), Err(InvalidAddress::Checksum | InvalidAddress::Malformed(_))));
}

#[test]
fn parse_address_reads_back_every_form_of_every_network() {
    let networks = Networks::new(&NetworkDefaults::default(), &[]).unwrap();
    for network in networks.iter() {
        let key = match network.key_spec() {
            KeySpec::EccSecgP256k1 => generator(),
            KeySpec::EccNistEdwards25519 => key(KeySpec::EccNistEdwards25519, ED25519),
        };
        for (form, address) in address_forms(network, None, &key).unwrap() {
            assert_eq!(parse_address(network, address.as_str()), Ok((address, form.into())));
        }
    }
}
