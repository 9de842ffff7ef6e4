use bitcoin::secp256k1::{Secp256k1, SecretKey};

use super::*;

/// The order of the curve, SEC 2 section 2.4.1.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf,
    0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];
const DIGEST: Digest32 = Digest32::new([0x5a; 32]);

fn public_key(secret: &SecretKey) -> PublicKey {
    let point = secret.public_key(&Secp256k1::new());
    PublicKey::from_bytes(KeySpec::EccSecgP256k1, &point.serialize()).unwrap()
}

fn secret_key(number: u16) -> SecretKey {
    SecretKey::from_slice(&[&[0; 30], &number.to_be_bytes()[..]].concat()).unwrap()
}

/// A key and its low-S signature over [`DIGEST`], as r and s.
fn signed(secret: u16) -> (PublicKey, [u8; 32], [u8; 32]) {
    let secret = secret_key(secret);
    let signature = Secp256k1::new().sign_ecdsa(&Message::from_digest(*DIGEST.as_bytes()), &secret).serialize_compact();
    (public_key(&secret), signature[..32].try_into().unwrap(), signature[32..].try_into().unwrap())
}

fn negate(s: [u8; 32]) -> [u8; 32] {
    SecretKey::from_slice(&s).unwrap().negate().secret_bytes()
}

fn length(body: &[u8]) -> u8 {
    u8::try_from(body.len()).unwrap()
}

/// The minimal DER integer.
fn integer(magnitude: &[u8]) -> Vec<u8> {
    let zeros = magnitude.iter().take_while(|byte| **byte == 0).count();
    let mut digits = magnitude[zeros..].to_vec();
    if digits.first().is_none_or(|first| *first >= 0x80) {
        digits.insert(0, 0);
    }
    [&[0x02, length(&digits)], &digits[..]].concat()
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&[0x30, length(&body)], &body[..]].concat()
}

fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    sequence(&[&integer(r), &integer(s)])
}

#[test]
fn check_of_a_high_s_gives_the_low_s_and_its_recovery_id() {
    let (key, r, s) = signed(1);
    let low = check(&key, &DIGEST, &der(&r, &s)).unwrap();
    let high = check(&key, &DIGEST, &der(&r, &negate(s))).unwrap();
    assert_eq!(low, high);
    assert_eq!(low.r_s()[..], [r, s].concat());
    assert_eq!(low.der(), der(&r, &s));
    assert!(low.recovery_id() < 2);
}

#[test]
fn check_of_a_short_r_pads_it() {
    let (key, r, s) = (1..=10_000).map(signed).find(|(_, r, _)| r[0] == 0).unwrap();
    let encoded = der(&r, &s);
    assert!(encoded.len() < 70);
    assert_eq!(check(&key, &DIGEST, &encoded).unwrap().r_s()[..], [r, s].concat());
}

#[test]
fn check_of_a_zero_or_too_large_r_or_s_is_refused() {
    let (key, r, s) = signed(1);
    let above = [&[1], &[0; 32][..]].concat();
    for bad in [&[0; 32][..], &ORDER, &[0xff; 32], &above] {
        assert_eq!(check(&key, &DIGEST, &der(bad, &s)), Err(SignatureError::Scalar), "r = {}", hex::encode(bad));
        assert_eq!(check(&key, &DIGEST, &der(&r, bad)), Err(SignatureError::Scalar), "s = {}", hex::encode(bad));
    }
    // Just below the order is in range, and simply wrong.
    let mut below = ORDER;
    below[31] -= 1;
    assert_eq!(check(&key, &DIGEST, &der(&below, &s)), Err(SignatureError::Mismatch));
    assert_eq!(check(&key, &DIGEST, &der(&r, &below)), Err(SignatureError::Mismatch));
    assert_eq!(check(&key, &DIGEST, &der(&[1], &[1])), Err(SignatureError::Mismatch));
}

#[test]
fn check_with_another_key_or_digest_is_refused() {
    let (key, r, s) = signed(1);
    let encoded = der(&r, &s);
    assert_eq!(check(&signed(2).0, &DIGEST, &encoded), Err(SignatureError::Mismatch));
    assert_eq!(check(&key, &Digest32::new([0x5b; 32]), &encoded), Err(SignatureError::Mismatch));
    let minus = secret_key(1).negate();
    assert_eq!(check(&public_key(&minus), &DIGEST, &encoded), Err(SignatureError::Mismatch), "the same x, the other y");
}

#[test]
fn check_of_a_signature_whose_r_wrapped_finds_recovery_id_2_or_3() {
    // A point whose x is at or above the order: found by trying, as nobody meets one by chance. Its key is recovered, not
    // generated, so that no private key is needed.
    let r = [&[0; 31][..], &[1]].concat();
    let s = [7; 32];
    let message = Message::from_digest(*DIGEST.as_bytes());
    let ((low, id), recovered) = (1..=255)
        .flat_map(|low| [2, 3].map(|id| (low, id)))
        .find_map(|(low, id)| {
            let r_s = [&r[..31], &[low], &s].concat();
            let signature = RecoverableSignature::from_compact(&r_s, RecoveryId::from_i32(id).unwrap()).unwrap();
            CONTEXT.recover_ecdsa(&message, &signature).ok().map(|key| ((low, id), key))
        })
        .unwrap();
    let key = PublicKey::from_bytes(KeySpec::EccSecgP256k1, &recovered.serialize()).unwrap();
    let checked = check(&key, &DIGEST, &der(&[low], &s)).unwrap();
    assert_eq!(i32::from(checked.recovery_id()), id);
}

#[test]
fn check_of_anything_but_der_is_refused() {
    let (key, r, s) = signed(1);
    let (r_der, s_der) = (integer(&r), integer(&s));
    let good = der(&r, &s);
    let zero_padded = |integer: &[u8]| [&[0x02, integer[1] + 1, 0], &integer[2..]].concat();
    let long_length = |tag: u8, body: &[u8]| [&[tag, 0x81, length(body)], body].concat();
    // Without the zero that keeps a number with its top bit set from being negative.
    let (_, high, _) = (1..=10_000).map(signed).find(|(_, r, _)| r[0] >= 0x80).unwrap();
    let unsigned = sequence(&[&[&[0x02, 32], &high[..]].concat(), &s_der]);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("a tag alone", vec![0x30]),
        ("an empty sequence", vec![0x30, 0]),
        ("r alone", sequence(&[&r_der])),
        ("a third integer", sequence(&[&r_der, &s_der, &[0x02, 1, 1]])),
        ("trailing byte after the sequence", [&good[..], &[0]].concat()),
        ("trailing byte within it", sequence(&[&r_der, &s_der, &[0]])),
        ("a truncated end", good[..good.len() - 1].to_vec()),
        ("a set", [&[0x31], &good[1..]].concat()),
        ("an octet string for r", sequence(&[&[&[0x04], &r_der[1..]].concat(), &s_der])),
        ("long form of the outer length", long_length(0x30, &good[2..])),
        ("long form of an inner length", sequence(&[&long_length(0x02, &r_der[2..]), &s_der])),
        ("indefinite length", [&[0x30, 0x80], &good[2..], &[0, 0]].concat()),
        ("padded r", sequence(&[&zero_padded(&r_der), &s_der])),
        ("padded s", sequence(&[&r_der, &zero_padded(&s_der)])),
        ("padded zero", sequence(&[&[0x02, 2, 0, 0], &s_der])),
        ("negative r", unsigned),
        ("minus one", sequence(&[&[0x02, 1, 0xff], &s_der])),
        ("no digits", sequence(&[&[0x02, 0], &s_der])),
        ("r longer than the sequence", vec![0x30, 3, 0x02, 0x7f, 1]),
        ("64 bytes of r and s", [r, s].concat()),
        ("huge", vec![0x30; 1 << 20]),
    ];
    for (name, bytes) in cases {
        assert!(matches!(check(&key, &DIGEST, &bytes), Err(SignatureError::Der(_))), "{name}");
    }
}

#[test]
fn check_of_a_changed_bit_is_refused() {
    let (key, r, s) = signed(3);
    let good = der(&r, &s);
    for bit in 0..good.len() * 8 {
        let mut changed = good.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(check(&key, &DIGEST, &changed).is_err(), "bit {bit}");
    }
}
