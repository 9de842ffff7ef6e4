use serde_json::Value;

use super::*;
use crate::chains::networks::{NetworkDefaults, Networks};
use crate::chains::parse_address;

fn network(name: &str) -> Network {
    Networks::new(&NetworkDefaults::default(), &[]).unwrap().resolve("XRP", Some(name)).unwrap()
}

#[test]
fn x_addresses_of_the_published_vectors_are_read_and_written() {
    let vectors: Value = serde_json::from_str(include_str!("../../../tests/vectors/xrp/x-addresses.json")).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() > 20);
    for case in cases {
        let [classic, main, test] = [0, 2, 3].map(|at| case[at].as_str().unwrap());
        let tag = case[1].as_u64().map(|tag| u32::try_from(tag).unwrap());
        let Ok(Parsed::Classic(account)) = read(classic) else { panic!("{classic}") };
        for (text, mainnet) in [(main, true), (test, false)] {
            let expected = XAddress { account, tag, mainnet };
            assert_eq!(read(text), Ok(Parsed::X(expected)), "{text}");
            assert_eq!(expected.to_string(), text);
        }
    }
}

#[test]
fn x_address_is_of_one_network_and_the_test_networks_share_theirs() {
    let (main, test) = ("X7AcgcsBL6XDcUb289X4mJ8djcdyKaB5hJDWMArnXr61cqZ", "T719a5UwUCnEs54UsxG9CJYYDhwmFCqkr7wxCcNcfZ6p5GZ");
    for name in ["testnet", "devnet"] {
        let (address, kind) = parse_address(&network(name), test).unwrap();
        assert_eq!((address.as_str(), kind), (test, AddressKind::XAddress));
        assert!(matches!(parse_address(&network(name), main), Err(InvalidAddress::OtherNetwork { .. })));
    }
    assert_eq!(parse_address(&network("mainnet"), main).unwrap().1, AddressKind::XAddress);
    let refused = parse_address(&network("mainnet"), test).unwrap_err().to_string();
    assert_eq!(refused, "is an address of the test networks, not of XRP mainnet");
}

#[test]
fn x_address_with_another_flag_or_needless_bytes_is_refused() {
    let account = [7; 20];
    let text = |flag: u8, tag: [u8; 8]| {
        let bytes = [&X_MAINNET[..], &account[..], &[flag], &tag[..]].concat();
        bs58::encode(bytes).with_alphabet(bs58::Alphabet::RIPPLE).with_check().into_string()
    };
    assert!(read(&text(0, [0; 8])).is_ok());
    assert!(read(&text(1, [255, 255, 255, 255, 0, 0, 0, 0])).is_ok());
    for (flag, tag) in [(0, [1, 0, 0, 0, 0, 0, 0, 0]), (1, [0, 0, 0, 0, 1, 0, 0, 0]), (2, [0; 8]), (255, [0; 8])] {
        assert!(matches!(read(&text(flag, tag)), Err(InvalidAddress::Malformed(_))), "{flag} {tag:?}");
    }
    for wrong in ["", "r", "X7AcgcsBL6XDcUb289X4mJ8djcdyKaB5hJDWMArnXr61cq", &"X".repeat(200)] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
    // An account's secret, and bytes of another length.
    assert_eq!(read("sn259rEFXrQrWyx3Q7XneWcwV6dfL"), Err(CLASSIC));
}

#[test]
fn special_accounts_are_nobodys() {
    for (text, is_nobodys) in [
        ("rrrrrrrrrrrrrrrrrrrrrhoLvTp", true),
        ("rrrrrrrrrrrrrrrrrrrrBZbvji", true),
        ("rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh", false),
    ] {
        let Ok(Parsed::Classic(account)) = read(text) else { panic!("{text}") };
        assert_eq!((account.is_nobodys(), account.to_string().as_str()), (is_nobodys, text));
    }
}
