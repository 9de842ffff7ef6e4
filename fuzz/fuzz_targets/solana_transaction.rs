//! A transaction of Solana: read as Solana's own crates read it, described, and written back with a signature. What is one, or the
//! message of one, is no text that sol_signMessage takes.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kmsignd::chains::solana::{Pubkey, message, transaction};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use solana_message::VersionedMessage;
use solana_transaction::versioned::VersionedTransaction;

/// What a validator would take, of the versions that are signed here.
fn theirs(bytes: &[u8]) -> Option<VersionedTransaction> {
    let read: VersionedTransaction = wincode::deserialize_exact(bytes).ok()?;
    let keys = read.message.static_account_keys();
    let twice = keys.iter().enumerate().any(|(index, key)| keys[..index].contains(key));
    let version_1 = matches!(read.message, VersionedMessage::V1(_));
    (bytes.len() <= transaction::MAX_TRANSACTION_BYTES && !version_1 && !twice && read.sanitize().is_ok()).then_some(read)
}

fuzz_target!(|bytes: &[u8]| {
    let base64 = STANDARD.encode(bytes);
    let (ours, theirs) = (transaction::parse(&base64).ok(), theirs(bytes));
    assert_eq!(ours.is_some(), theirs.is_some());
    if let Ok(text) = message::parse(&base64) {
        assert_eq!(text.as_bytes(), bytes);
        assert!(ours.is_none());
        message::decode(&text);
    }
    let (Some(ours), Some(theirs)) = (ours, theirs) else { return };
    assert_eq!(serde_json::to_value(&ours).unwrap(), Value::String(base64));
    assert_eq!(ours.message_bytes(), theirs.message.serialize());
    message::parse(&STANDARD.encode(ours.message_bytes())).unwrap_err();

    let signers: Vec<Pubkey> = ours.signatures().map(|(signer, _)| *signer).collect();
    for (place, signer) in signers.iter().enumerate() {
        assert_eq!(ours.place_of(signer), Some(place));
        let decoded = ours.decode(signer);
        assert!(place > 0 || !decoded.effects.is_empty(), "its payer pays");
        assert!(decoded.effects.iter().all(|effect| effect.amount.is_none() || !effect.unknown_amount));
        assert_eq!(decoded.details.get("durableNonce").is_some(), theirs.uses_durable_nonce());
        let signed = ours.clone().signed(place, [7; 64]).unwrap();
        let again = transaction::parse(&signed.transaction).unwrap();
        assert_eq!(again.message_bytes(), ours.message_bytes());
        assert_eq!(again.signatures().nth(place).unwrap().1, Some(&[7; 64]));
    }
});
