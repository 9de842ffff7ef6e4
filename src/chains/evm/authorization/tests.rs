use super::*;
use crate::chains::networks::{NetworkDefaults, Networks};
use crate::chains::parse_address;
use serde_json::Value;

const VECTORS: &str = include_str!("../../../../tests/vectors/evm/transactions.json");
const CONTRACT: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

fn networks() -> Networks {
    Networks::new(&NetworkDefaults::default(), &[]).unwrap()
}

fn request(account: &str, contract: &str, chain_id: u64, nonce: u64) -> AuthorizationRequest {
    let read = |text: &str| parse_address(networks().default_evm(), text).unwrap().0;
    AuthorizationRequest { address: read(account), chain_id, contract: read(contract), nonce }
}

#[test]
fn sign_agrees_with_ethers_and_viem() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    for vector in vectors["authorizations"].as_array().unwrap() {
        let signed = &vector["signed"];
        let number = |name: &str| u64::from_str_radix(signed[name].as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
        let networks = networks();
        let network = networks.iter().find(|network| network.chain_id() == Some(number("chainId"))).unwrap();
        let request = request(vector["account"].as_str().unwrap(), CONTRACT, number("chainId"), number("nonce"));
        let unsigned = request.on_network(network).unwrap();
        let word = |name: &str| format!("{:0>64}", signed[name].as_str().unwrap().trim_start_matches("0x"));
        let r_s = hex::decode(word("r") + &word("s")).unwrap().try_into().unwrap();
        let signature = SignatureBytes::Ecdsa { r_s, recovery_id: number("yParity").try_into().unwrap() };
        assert_eq!(serde_json::to_value(unsigned.signed(&signature).unwrap()).unwrap(), *signed);
        let other = AuthorizationRequest { nonce: request.nonce + 1, ..request.clone() };
        assert_eq!(other.on_network(network).unwrap().signed(&signature), Err(SigningError::Signer));
        let high = SignatureBytes::Ecdsa { r_s, recovery_id: 2 };
        assert_eq!(unsigned.signed(&high), Err(SigningError::Signature));
        assert_eq!(keccak256(unsigned.signing_preimage()).0, *unsigned.signing_hash().as_bytes());
        assert_eq!(unsigned.signing_hash().as_bytes(), &unsigned.authorization.signature_hash().0);
    }
}

#[test]
fn another_chain_and_every_chain_are_refused() {
    let sepolia = networks().resolve("ETH", Some("sepolia")).unwrap();
    for chain_id in [0, 1, u64::MAX] {
        let error = request(CONTRACT, CONTRACT, chain_id, 0).on_network(&sepolia).unwrap_err();
        assert!(matches!(error, DecodeError::Refused { rule: Rule::ChainId, .. }), "{error}");
    }
    let bitcoin = networks().resolve("BTC", Some("mainnet")).unwrap();
    assert!(request(CONTRACT, CONTRACT, 1, 0).on_network(&bitcoin).is_err());
    let error = request(CONTRACT, CONTRACT, 11_155_111, u64::MAX).on_network(&sepolia).unwrap_err();
    assert!(matches!(error, DecodeError::Invalid { field, .. } if field == "nonce"));
}

#[test]
fn decoding_tells_who_gets_what() {
    let sepolia = networks().resolve("ETH", Some("sepolia")).unwrap();
    let zero = EvmAddress::ZERO.to_checksum(None);
    for (contract, unknown, words) in [(CONTRACT, true, "whatever its key can"), (&zero, false, "takes the code")] {
        let decoded =
            request("0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F", contract, 11_155_111, 5).on_network(&sepolia).unwrap().decode();
        let [effect] = decoded.effects.as_slice() else { panic!("{decoded:?}") };
        assert_eq!(
            (effect.kind, effect.program.as_deref(), effect.unknown_amount),
            (EffectKind::Delegate, Some(contract), unknown)
        );
        assert_eq!((decoded.total_out, decoded.fee, decoded.fee_rate), (0, 0, None));
        assert!(decoded.warnings[0].contains(words), "{:?}", decoded.warnings);
        assert_eq!(decoded.details["nonce"], 5);
    }
}
