use serde_json::Value;

use super::*;
use crate::chains::networks::{NetworkDefaults, Networks};
use crate::chains::parse_address;

fn network(name: &str) -> Network {
    Networks::new(&NetworkDefaults::default(), &[]).unwrap().resolve("ADA", Some(name)).unwrap()
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/cardano/cip19.json")).unwrap()
}

fn rows<const N: usize>(list: &str) -> Vec<[String; N]> {
    let rows: Vec<Vec<String>> = serde_json::from_value(vectors()[list].clone()).unwrap();
    assert!(!rows.is_empty());
    rows.into_iter().map(|row| row.try_into().unwrap()).collect()
}

#[test]
fn parse_agrees_with_cip_19_and_byron_addresses() {
    for [name, text, kind] in rows::<3>("valid") {
        let (address, got) = parse_address(&network(&name), &text).unwrap();
        assert_eq!((address.as_str(), got.as_str()), (text.as_str(), kind.as_str()));
        let other = network(if name == "mainnet" { "preview" } else { "mainnet" });
        assert!(matches!(parse_address(&other, &text), Err(InvalidAddress::OtherNetwork { .. })), "{text}");
        if got == AddressKind::Byron {
            assert!(parse_address(&network(&name), &text.to_uppercase()).is_err());
        } else {
            assert_eq!(parse_address(&network(&name), &text.to_uppercase()).unwrap().0.as_str(), text);
        }
    }
    for (one, other) in [("preprod", "preview"), ("preview", "preprod")] {
        let address = "addr_test1vz2fxv2umyhttkxyxp8x0dlpdt3k6cwng5pxj3jhsydzerspjrlsz";
        assert!(parse_address(&network(one), address).is_ok() && parse_address(&network(other), address).is_ok());
    }
}

#[test]
fn derive_agrees_with_cip_19() {
    for [name, _, key, address] in rows::<4>("derived") {
        let key: [u8; 32] = hex::decode(key).unwrap().try_into().unwrap();
        let params = if name == "mainnet" { CardanoNetwork::Mainnet } else { CardanoNetwork::Testnet };
        assert_eq!(derive(params, &key, None).unwrap(), address);
    }
}

#[test]
fn parse_of_a_reward_account_says_that_nobody_pays_to_it() {
    let accounts: Vec<String> = serde_json::from_value(vectors()["rewardAccounts"].clone()).unwrap();
    assert_eq!(accounts.len(), 4);
    for account in accounts {
        let error = parse_address(&network("mainnet"), &account).unwrap_err().to_string();
        assert!(error.contains("reward account"), "{account}: {error}");
    }
}

#[test]
fn parse_of_a_changed_letter_is_a_wrong_checksum() {
    for [name, text, kind] in rows::<3>("valid").into_iter().filter(|[.., kind]| kind != "byron") {
        for (at, letter) in text.char_indices().skip(text.rfind('1').unwrap() + 1) {
            let other = if letter == 'q' { "p" } else { "q" };
            let mut changed = text.clone();
            changed.replace_range(at..=at, other);
            assert_eq!(parse_address(&network(&name), &changed), Err(InvalidAddress::Checksum), "{kind} {changed}");
        }
    }
    let byron = "Ae2tdPwUPEZLs4HtbuNey7tK4hTKrwNwYtGqp7bDfCy2WdR3P6735W5Yfpe";
    let mut bytes = bitcoin::base58::decode(byron).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let changed = bitcoin::base58::encode(&bytes);
    assert_eq!(parse_address(&network("mainnet"), &changed), Err(InvalidAddress::Checksum));
}

fn bech32(prefix: &str, bytes: &[u8]) -> String {
    bitcoin::bech32::encode::<bitcoin::bech32::Bech32>(bitcoin::bech32::Hrp::parse(prefix).unwrap(), bytes).unwrap()
}

#[test]
fn parse_takes_no_second_spelling() {
    let enterprise = [&[0x61][..], &[7; 28]].concat();
    let base = [&[0x01][..], &[7; 56]].concat();
    let pointer = |pointer: &[u8]| [&[0x41][..], &[7; 28], pointer].concat();
    let mainnet = network("mainnet");
    let parse = |text: &str| parse_address(&mainnet, text);
    for good in [enterprise.clone(), base.clone(), pointer(&[1, 2, 3]), pointer(&[0x81, 0x00, 0, 0])] {
        assert!(parse(&bech32("addr", &good)).is_ok(), "{}", hex::encode(&good));
    }
    let refused = [
        // Trailing and missing bytes.
        bech32("addr", &[&enterprise[..], &[0]].concat()),
        bech32("addr", &[&base[..], &[0]].concat()),
        bech32("addr", &base[..56]),
        bech32("addr", &enterprise[..28]),
        bech32("addr", &[]),
        // Pointers that can be written shorter, that go on, that end early, and that are too large.
        bech32("addr", &pointer(&[0x80, 1, 2, 3])),
        bech32("addr", &pointer(&[1, 2, 3, 4])),
        bech32("addr", &pointer(&[1, 2])),
        bech32("addr", &pointer(&[0xff; 12])),
        // Another network's prefix, another's tag, none's tag, and none's type.
        bech32("addr_test", &enterprise),
        bech32("addr", &[&[0x60][..], &[7; 28]].concat()),
        bech32("addr", &[&[0x62][..], &[7; 28]].concat()),
        bech32("addr", &[&[0x91][..], &[7; 28]].concat()),
        bech32("addr_vk", &enterprise),
        bech32("stake", &enterprise),
        // The later form of bech32, and two cases in one text.
        bitcoin::bech32::encode::<bitcoin::bech32::Bech32m>(bitcoin::bech32::Hrp::parse("addr").unwrap(), &enterprise).unwrap(),
        bech32("addr", &enterprise).replacen("addr", "Addr", 1),
        hex::encode(&enterprise),
        format!(" {}", bech32("addr", &enterprise)),
    ];
    for text in refused {
        assert!(parse(&text).is_err(), "{text}");
    }
}

#[test]
fn parse_takes_no_byron_address_that_the_ledger_writes_otherwise() {
    let good = bitcoin::base58::decode("Ae2tdPwUPEZLs4HtbuNey7tK4hTKrwNwYtGqp7bDfCy2WdR3P6735W5Yfpe").unwrap();
    assert_eq!(hex::encode(&good[..5]), "82d8185821");
    let with = |head: &[u8], payload: &[u8]| {
        let outer = pallas::ByronAddress::new(payload, 0);
        // Its checksum is the one of the payload.
        let crc = payload.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
        });
        let mut bytes = pallas::ByronAddress::new(payload, !crc).to_vec();
        assert!(outer.to_vec().len() <= bytes.len());
        bytes.splice(..1, head.iter().copied());
        bitcoin::base58::encode(&bytes)
    };
    let payload = good[5..38].to_vec();
    let mainnet = network("mainnet");
    assert_eq!(with(&[0x82], &payload), bitcoin::base58::encode(&good));
    let mut refused = vec![with(&[0x98, 2], &payload), with(&[0x83], &payload)];
    // Of another type; with trailing bytes; attributes that are unknown, and of the main network's own magic.
    refused.push(with(&[0x82], &[&payload[..32], &[1]].concat()));
    refused.push(with(&[0x82], &[&payload[..], &[0]].concat()));
    refused.push(with(&[0x82], &[&payload[..31], &[0xa1, 0x03, 0x41, 0x00, 0x00]].concat()));
    refused.push(with(&[0x82], &[&payload[..31], &[0xa1, 0x02, 0x45, 0x1a, 0x2d, 0x96, 0x4a, 0x09, 0x00]].concat()));
    refused.push(with(&[0x82], &[&payload[..31], &[0xa2, 0x01, 0x41, 0x00, 0x01, 0x41, 0x00, 0x00]].concat()));
    for text in refused {
        assert!(parse_address(&mainnet, &text).is_err(), "{text}");
        assert!(parse_address(&network("preprod"), &text).is_err(), "{text}");
    }
}
