use serde_json::Value;

use super::*;

const VECTORS: &str = include_str!("../../../../tests/vectors/solana/offchain-messages.json");
const TRANSACTIONS: &str = include_str!("../../../../tests/vectors/solana/instructions.json");

fn refused(bytes: &[u8]) -> String {
    match parse(&STANDARD.encode(bytes)) {
        Err(DecodeError::Invalid { field, reason }) if field == "message" => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn header_is_the_one_that_kit_writes() {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    let mut signer = [0; 32];
    bs58::decode(file["signer"].as_str().unwrap()).onto(&mut signer).unwrap();
    for vector in file["messages"].as_array().unwrap() {
        let text = vector["text"].as_str().unwrap();
        let bytes = with_header(&Pubkey::new(signer), text);
        assert_eq!(STANDARD.encode(&bytes), vector["message"].as_str().unwrap());
        let signature: [u8; 64] = STANDARD.decode(vector["signature"].as_str().unwrap()).unwrap().try_into().unwrap();
        let key = ed25519_dalek::VerifyingKey::from_bytes(&signer).unwrap();
        key.verify_strict(&bytes, &ed25519_dalek::Signature::from_bytes(&signature)).unwrap();
        assert_eq!(decode(text).details["format"], vector["format"]);
        assert_eq!(parse(&STANDARD.encode(text)).unwrap(), text);
        // Nobody can read it as a transaction of any version.
        assert_eq!(Message::read(&bytes), Err(super::super::wire::Malformed::Version(127)));
    }
}

#[test]
fn text_has_its_bounds() {
    assert_eq!(MAX_TEXT_BYTES, 4011);
    assert_eq!(with_header(&Pubkey::new([1; 32]), &"x".repeat(MAX_TEXT_BYTES)).len(), Ed25519Message::MAX_BYTES);
    assert!(parse(&STANDARD.encode("x".repeat(MAX_TEXT_BYTES))).is_ok());
    for bytes in [0, MAX_TEXT_BYTES + 1, 70_000] {
        assert!(refused("x".repeat(bytes).as_bytes()).contains("1 to 4011"), "{bytes}");
    }
    assert!(parse("x").is_err());
}

#[test]
fn transactions_and_their_messages_are_refused() {
    let file: Value = serde_json::from_str(TRANSACTIONS).unwrap();
    for vector in file["transactions"].as_array().unwrap() {
        let bytes = STANDARD.decode(vector["transaction"].as_str().unwrap()).unwrap();
        let message = Transaction::read(&bytes).unwrap().message.to_bytes();
        assert!(refused(&bytes).contains("is a transaction"), "{vector}");
        assert!(refused(&message).contains("is a transaction"), "{vector}");
        assert!(refused(&[&[0x81], &message[..]].concat()).contains("UTF-8"), "a version from 1 on is no text");
    }
    // A message of nothing but its header and one key is text too.
    let text = [&[1, 0, 0, 1][..], &[b'k'; 32], &[b'b'; 32], &[0]].concat();
    assert!(str::from_utf8(&text).is_ok());
    assert!(refused(&text).contains("is a transaction"));
}

#[test]
fn what_has_a_header_or_is_no_text_is_refused() {
    assert!(refused(&with_header(&Pubkey::new([1; 32]), "hello")).contains("give the text alone"));
    assert!(refused(&[0xff, 0xfe]).contains("UTF-8"));
}

#[test]
fn text_is_known_where_it_is_shown_as_what_it_is() {
    let decoded = decode("hello\nw\u{f6}rld");
    assert_eq!((decoded.unknown_parts, &decoded.details["text"]), (false, &json!("hello\nw\u{f6}rld")));
    assert_eq!(decoded.effects, [Effect::new(EffectKind::Message)]);
    for text in ["a\0b", "a\u{202e}b", "\u{1b}[2J"] {
        let decoded = decode(text);
        assert!(decoded.unknown_parts && decoded.effects[0].unknown_amount, "{text:?}");
        assert_eq!(decoded.details["hex"], json!(hex::encode(text)));
        assert_eq!(decoded.warnings.len(), 1);
    }
    let long = decode(&"\u{e4}".repeat(1025));
    assert_eq!(long.details["text"].as_str().unwrap().chars().count(), 1024);
    assert_eq!(long.warnings, ["Only the beginning of the message is shown."]);
}
