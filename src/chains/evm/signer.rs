//! Who signed: the account behind a signature (SEC 1, section 4.1.6). It reads signatures that others made, or that were proven
//! already; it proves none against a key.

use std::sync::LazyLock;

use alloy_primitives::{Address, B256, Signature};
use bitcoin::secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use bitcoin::secp256k1::{Message, Secp256k1, VerifyOnly};

static CONTEXT: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);

/// The account whose key made this signature over `hash`. `None` if none did, and for a high S, which chains refuse (EIP-2,
/// EIP-7702).
pub fn signer(hash: &B256, signature: &Signature) -> Option<Address> {
    let compact = [signature.r().to_be_bytes::<32>(), signature.s().to_be_bytes::<32>()].concat();
    let recovery_id = RecoveryId::from_i32(i32::from(signature.v())).ok()?;
    let recoverable = RecoverableSignature::from_compact(&compact, recovery_id).ok()?;
    let standard = recoverable.to_standard();
    let mut low = standard;
    low.normalize_s();
    if low != standard {
        return None;
    }
    let key = CONTEXT.recover_ecdsa(&Message::from_digest(hash.0), &recoverable).ok()?;
    key.serialize_uncompressed().get(1..).map(Address::from_raw_public_key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{U256, address, b256, uint};

    /// The order of the curve (SEC 2, section 2.4.1).
    const N: U256 = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);

    #[test]
    fn signer_is_found_for_a_low_s_alone() {
        // The transaction of alloy-consensus 2.5.0, `recover_signer_eip1559`.
        let hash = b256!("0d5688ac3897124635b6cf1bc0e29d6dfebceebdc10a54d74f2ef8b56535b682");
        let r = uint!(0x840cfc572845f5786e702984c2a582528cad4b49b2a10b9db1be7fca90058565_U256);
        let s = uint!(0x25e7109ceb98168d95b09b18bbf6b685130e0562f233877d492b94eee0c5b6d1_U256);
        let expected = address!("dd6b8b3dc6b7ad97db52f08a275ff4483e024cea");
        assert_eq!(signer(&hash, &Signature::new(r, s, false)), Some(expected));
        assert_ne!(signer(&hash, &Signature::new(r, s, true)), Some(expected));
        assert_eq!(signer(&hash, &Signature::new(r, N - s, true)), None, "the same key's, with a high S");
        for (r, s) in [(U256::ZERO, s), (r, U256::ZERO), (N, s), (U256::MAX, s), (r, N)] {
            assert_eq!(signer(&hash, &Signature::new(r, s, false)), None);
        }
    }
}
