use super::super::networks::{NetworkDefaults, Networks};
use super::super::parse_address;
use super::*;

fn parse(network: &str, text: &str) -> Result<(String, AddressKind), InvalidAddress> {
    let (asset, name) = network.split_once(' ').unwrap();
    let network = Networks::new(&NetworkDefaults::default(), &[]).unwrap().resolve(asset, Some(name)).unwrap();
    parse_address(&network, text).map(|(address, kind)| (address.to_string(), kind))
}

fn reason(network: &str, text: &str) -> String {
    parse(network, text).unwrap_err().to_string()
}

#[test]
fn parse_of_another_networks_address_says_whose_it_is() {
    for (network, text, expected) in [
        (
            "BTC mainnet",
            "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
            "is an address of BTC testnet, BTC signet, not of BTC mainnet",
        ),
        (
            "BTC regtest",
            "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
            "is an address of BTC testnet, BTC signet, not of BTC regtest",
        ),
        ("BTC signet", "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "is an address of BTC mainnet, not of BTC signet"),
        (
            "BTC mainnet",
            "mrCDrCybB6J1vRfbwM5hemdJz73FwDBC8r",
            "is an address of BTC testnet, BTC signet, BTC regtest, not of BTC mainnet",
        ),
        ("LTC mainnet", "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH", "is an address of BTC mainnet, not of LTC mainnet"),
        ("DOGE mainnet", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "is an address of BTC mainnet, not of DOGE mainnet"),
        ("DOGE mainnet", "mrCDrCybB6J1vRfbwM5hemdJz73FwDBC8r", "is an address of DOGE regtest, not of DOGE mainnet"),
    ] {
        assert_eq!(reason(network, text), expected, "{text}");
    }
}

#[test]
fn parse_of_a_litecoin_address_on_bitcoin_names_litecoin() {
    // The same hash as the BIP-173 example.
    let hrp = Hrp::parse("ltc").unwrap();
    let program = hex::decode("751e76e8199196d454941c45d1b3a323f1433bd6").unwrap();
    let text = segwit::encode_v0(hrp, &program).unwrap();
    assert_eq!(parse("LTC mainnet", &text), Ok((text.clone(), AddressKind::P2wpkh)));
    assert_eq!(reason("BTC mainnet", &text), "is an address of LTC mainnet, not of BTC mainnet");
    let p2pkh = base58::encode_check(&[&[0x30], &program[..]].concat());
    assert_eq!(reason("BTC mainnet", &p2pkh), "is an address of LTC mainnet, not of BTC mainnet");
}

#[test]
fn parse_reads_litecoin_p2sh_in_both_forms_and_writes_the_new_one() {
    let hash = [7; 20];
    for (network, new, legacy, letter) in [("LTC mainnet", 0x32, 0x05, 'M'), ("LTC testnet", 0x3a, 0xc4, 'Q')] {
        let [new, legacy] = [new, legacy].map(|version| base58::encode_check(&[&[version], &hash[..]].concat()));
        assert!(new.starts_with(letter));
        assert_eq!(parse(network, &legacy), Ok((new.clone(), AddressKind::P2sh)));
        assert_eq!(parse(network, &new), Ok((new, AddressKind::P2sh)));
    }
}

#[test]
fn parse_tells_a_wrong_checksum_from_a_wrong_form() {
    for text in ["bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMJ"] {
        assert_eq!(parse("BTC mainnet", text), Err(InvalidAddress::Checksum), "{text}");
    }
    for text in [
        "bc1qW508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "bc1",
        "1",
        " 1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH",
        "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH\n",
        "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf",
        "адрес",
        // A private key in the wallet import format, and a version byte alone.
        &base58::encode_check(&[&[0x80], &[1; 33][..]].concat()),
        &base58::encode_check(&[0x00]),
    ] {
        assert!(matches!(parse("BTC mainnet", text), Err(InvalidAddress::Malformed(_))), "{text}");
    }
    assert_eq!(reason("DOGE mainnet", "hello"), "is not a base58 address");
    let unknown = base58::encode_check(&[&[0xf0], &[1; 20][..]].concat());
    assert_eq!(reason("BTC mainnet", &unknown), "is of another chain, not of BTC mainnet");
}

#[test]
fn parse_of_an_unknown_witness_program_is_refused() {
    // BIP-350's own examples of version 16 and 2, and Bitcoin's pay-to-anchor.
    for (text, version, bytes) in
        [("BC1SW50QGDZ25J", 16, 2), ("bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", 2, 16), ("bc1pfeessrawgf", 1, 2)]
    {
        assert_eq!(parse("BTC mainnet", text), Err(InvalidAddress::NotStandard { version, bytes }));
    }
}
