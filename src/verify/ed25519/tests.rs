use super::*;

/// RFC 8032, section 7.1, tests 1 to 3: public key, message, signature.
const RFC8032: [(&str, &str, &str); 3] = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
];

/// The order of the group, little-endian: 2^252 + 27742317777372353535851937790883648493.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0x10,
];

fn vector(index: usize) -> (PublicKey, Vec<u8>, Vec<u8>) {
    let (key, message, signature) = RFC8032[index];
    let key = PublicKey::from_bytes(KeySpec::EccNistEdwards25519, &hex::decode(key).unwrap()).unwrap();
    (key, hex::decode(message).unwrap(), hex::decode(signature).unwrap())
}

#[test]
fn check_accepts_the_vectors_of_rfc_8032() {
    for index in 0..RFC8032.len() {
        let (key, message, signature) = vector(index);
        assert_eq!(check(&key, &message, &signature).unwrap().as_bytes()[..], signature[..]);
    }
}

#[test]
fn check_with_another_message_key_or_bit_is_refused() {
    let (key, message, signature) = vector(1);
    assert_eq!(check(&key, b"other", &signature), Err(SignatureError::Mismatch));
    assert_eq!(check(&vector(2).0, &message, &signature), Err(SignatureError::Mismatch));
    for bit in 0..512 {
        let mut changed = signature.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(check(&key, &message, &changed), Err(SignatureError::Mismatch), "bit {bit}");
    }
}

#[test]
fn check_of_another_length_is_refused() {
    let (key, message, mut signature) = vector(1);
    for length in [0, 32, 63] {
        assert_eq!(check(&key, &message, &signature[..length]), Err(SignatureError::Length { got: length }));
    }
    signature.push(0);
    assert_eq!(check(&key, &message, &signature), Err(SignatureError::Length { got: 65 }));
}

#[test]
fn check_of_a_non_canonical_s_is_refused() {
    let (key, message, mut signature) = vector(1);
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + u16::from(carry);
        [*byte, carry] = sum.to_le_bytes();
    }
    assert_eq!(check(&key, &message, &signature), Err(SignatureError::Mismatch));
}

#[test]
fn check_of_an_r_of_small_order_is_refused() {
    let (key, message, _) = vector(1);
    let mut identity = [0; 64];
    identity[0] = 1;
    let mut order_2 = [0xff; 32];
    (order_2[0], order_2[31]) = (0xec, 0x7f);
    let order_2 = [order_2, [0; 32]].concat();
    let order_4 = [0; 64];
    for signature in [&identity[..], &order_2, &order_4] {
        assert_eq!(check(&key, &message, signature), Err(SignatureError::Mismatch));
    }
}
