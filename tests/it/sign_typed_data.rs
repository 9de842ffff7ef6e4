//! personal_sign, eth_sign and eth_signTypedData_v4 over the real socket: what leaves recovers to the wallet's address from a digest
//! that is computed here, and what nobody can read leaves under no packaged policy.

use alloy_dyn_abi::TypedData;
use alloy_primitives::{Address, eip191_hash_message};
use bitcoin::secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use bitcoin::secp256k1::{Message, Secp256k1};
use kmsignd::emulator::Operation;
use serde_json::{Value, json};

use crate::harness::Daemon;
use crate::method_examples::{TOKEN, permit};

const OTHER: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const PACKAGED: &str = include_str!("../../packaging/policy.d/kmsignd.cedar");

/// The address that a signature of 65 bytes recovers to; holds if its last byte is 27 or 28, and s is low.
#[track_caller]
fn recovered(digest: [u8; 32], signature: &Value) -> Address {
    let bytes = hex::decode(signature.as_str().unwrap().strip_prefix("0x").unwrap()).unwrap();
    let [r_s @ .., v @ (27 | 28)] = bytes.as_slice() else { panic!("{signature}") };
    let id = RecoveryId::from_i32(i32::from(*v) - 27).unwrap();
    let recoverable = RecoverableSignature::from_compact(r_s, id).unwrap();
    let mut low = recoverable.to_standard();
    low.normalize_s();
    assert_eq!(low.serialize_compact(), *r_s, "S is high");
    let key = Secp256k1::verification_only().recover_ecdsa(&Message::from_digest(digest), &recoverable).unwrap();
    Address::from_raw_public_key(&key.serialize_uncompressed()[1..])
}

#[track_caller]
fn assert_signed(address: &Value, digest: [u8; 32], signature: &Value) {
    assert_eq!(json!(recovered(digest, signature).to_checksum(None)), *address);
}

/// By alloy, whose digest we do not use.
fn digest_of(typed_data: &Value) -> [u8; 32] {
    serde_json::from_value::<TypedData>(typed_data.clone()).unwrap().eip712_signing_hash().unwrap().0
}

/// A daemon whose policy is the packaged one, for this process in group kmsign.
fn packaged() -> Daemon {
    let own = nix::unistd::getegid().as_raw().to_string();
    let policy = [("kmsign-raw", "61201"), ("kmsign-admin", "61202"), ("kmsign", own.as_str())]
        .iter()
        .fold(PACKAGED.to_owned(), |text, (name, gid)| text.replace(&format!("Group::\"{name}\""), &format!("Group::\"{gid}\"")));
    Daemon::with_policy(&policy, &[])
}

fn wallet(daemon: &Daemon) -> Value {
    daemon.wallet("ETH")["address"].take()
}

/// Typed data of one struct, each member as `type name` with its value.
fn typed_data(primary: &str, contract: &str, members: &[(&str, Value)]) -> Value {
    let member = |of: &str| {
        let (kind, name) = of.split_once(' ').unwrap();
        json!({ "name": name, "type": kind })
    };
    let domain = ["string name", "uint256 chainId", "address verifyingContract"];
    let message: serde_json::Map<_, _> =
        members.iter().map(|(of, value)| (of.split_once(' ').unwrap().1.to_owned(), value.clone())).collect();
    json!({
        "types": {
            "EIP712Domain": domain.map(member),
            primary: members.iter().map(|(of, _)| member(of)).collect::<Vec<_>>(),
        },
        "primaryType": primary,
        "domain": { "name": "Test", "chainId": 11_155_111, "verifyingContract": contract },
        "message": message,
    })
}

fn eip2612(owner: &Value, token: &str) -> Value {
    let members = [
        ("address owner", owner.clone()),
        ("address spender", json!(OTHER)),
        ("uint256 value", json!("1000000")),
        ("uint256 nonce", json!(0)),
        ("uint256 deadline", json!(4_102_444_800_u64)),
    ];
    typed_data("Permit", token, &members)
}

#[test]
fn personal_sign_takes_every_form_and_adds_the_prefix() {
    let daemon = Daemon::start();
    let address = wallet(&daemon);
    let lower = json!(address.as_str().unwrap().to_lowercase());
    let forms = [
        ("personal_sign", json!(["0x68656c6c6f", address])),
        ("personal_sign", json!(["0x68656c6c6f", address, ""])),
        ("personal_sign", json!(["68656C6C6F", lower, null])),
        ("personal_sign", json!(["0x68656c6c6f", address, "", { "requestId": "r" }])),
        ("personal_sign", json!({ "data": "0x68656c6c6f", "address": address })),
        ("eth_sign", json!([address, "0x68656c6c6f"])),
        ("eth_sign", json!({ "address": address, "data": "0x68656c6c6f" })),
    ];
    for (method, params) in forms {
        assert_signed(&address, eip191_hash_message("hello").0, &daemon.ok(method, params));
    }
    for message in [vec![], vec![0; 31], vec![0xff; 32], vec![7; 64 << 10], b"\x19\x01 is no prefix of ours".to_vec()] {
        let params = json!([format!("0x{}", hex::encode(&message)), address]);
        assert_signed(&address, eip191_hash_message(&message).0, &daemon.ok("personal_sign", params));
    }
    daemon.fails("INVALID_PARAMS", "personal_sign", json!(["0x68656c6c6f", address, "secret"]));
    daemon.fails("INVALID_PARAMS", "personal_sign", json!(["hello", address]));
    daemon.fails("INVALID_PARAMS", "eth_sign", json!([address, format!("0x{}", "00".repeat((64 << 10) + 1))]));
    let error = daemon.fails("NOT_FOUND", "personal_sign", json!(["0x68656c6c6f", OTHER]));
    assert_eq!(error["data"]["field"], "address", "{error}");
    daemon.assert_audit_is_whole();
}

#[test]
fn typed_data_is_taken_in_every_form() {
    let daemon = Daemon::start();
    let address = wallet(&daemon);
    let data = permit(&address);
    let digest = digest_of(&data);
    let mut forms = vec![
        ("eth_signTypedData_v4", json!([address, data])),
        ("eth_signTypedData", json!([address, data.to_string()])),
        ("eth_signTypedData_v4", json!([address, data, { "requestId": "r" }])),
        ("eth_signTypedData_v4", json!({ "address": address, "typedData": data, "requestId": "r", "onBehalfOf": "user-1" })),
    ];
    for chain_id in [json!("11155111"), json!("0xaa36a7")] {
        let mut spelled = data.clone();
        spelled["domain"]["chainId"] = chain_id;
        spelled["types"].as_object_mut().unwrap().remove("EIP712Domain");
        spelled["message"]["value"] = json!("0xf4240");
        forms.push(("eth_signTypedData_v4", json!([address, spelled])));
    }
    for (number, (method, params)) in forms.into_iter().enumerate() {
        if number == 3 {
            daemon.fails("CONFLICT", method, params);
            continue;
        }
        assert_signed(&address, digest, &daemon.ok(method, params));
    }
    daemon.assert_audit_is_whole();
}

#[test]
fn typed_data_in_another_spelling_is_the_same_request() {
    let daemon = Daemon::start();
    let address = wallet(&daemon);
    let mut data = permit(&address);
    let once = daemon.ok("eth_signTypedData_v4", json!([address, data, { "requestId": "r" }]));
    data["domain"]["chainId"] = json!("0xaa36a7");
    data["types"]["Unused"] = json!([]);
    assert_eq!(daemon.ok("eth_signTypedData_v4", json!([address, data.to_string(), { "requestId": "r" }])), once);
    assert_eq!(daemon.kms_effects(Operation::Sign), 1);
    data["message"]["value"] = json!(1);
    assert_eq!(
        daemon.fails("CONFLICT", "eth_signTypedData_v4", json!([address, data, { "requestId": "r" }]))["data"]["field"],
        "requestId"
    );
}

#[test]
fn typed_data_that_is_not_what_it_says_is_refused() {
    let daemon = Daemon::start();
    let address = wallet(&daemon);
    let data = permit(&address);
    let text = data.to_string();
    let changed = |pointer: &str, value: Value| {
        let mut changed = data.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        changed
    };
    let cases = [
        (json!([]), "typedData"),
        (json!(text.replacen("\"message\":", "\"message\":{},\"message\":", 1)), "typedData"),
        (changed("/message/value", json!(1.5)), "typedData.message.value"),
        (changed("/message/nonce", json!("0x01")), "typedData.message.nonce"),
        (changed("/message", json!({})), "typedData.message.from"),
        (changed("/primaryType", json!("EIP712Domain")), "typedData.primaryType"),
    ];
    for (typed_data, field) in cases {
        let error = daemon.fails("INVALID_PARAMS", "eth_signTypedData_v4", json!([address, typed_data]));
        assert_eq!(error["data"]["field"], field, "{error}");
    }
    for chain_id in [json!(1), json!("0x38"), json!("340282366920938463463374607431768211456")] {
        let params = json!([address, changed("/domain/chainId", chain_id)]);
        let error = daemon.fails("TRANSACTION_REFUSED", "eth_signTypedData_v4", params);
        assert_eq!(error["data"]["rule"], "chainId", "{error}");
    }
    let error = daemon.fails("NOT_FOUND", "eth_signTypedData_v4", json!([OTHER, data]));
    assert_eq!(error["data"]["field"], "address", "{error}");
    assert_eq!(daemon.kms_effects(Operation::Sign), 0);
}

#[test]
fn packaged_policy_signs_what_is_read_and_nothing_else() {
    let daemon = packaged();
    let address = wallet(&daemon);
    for message in ["", "Sign in to the exchange, 7", &"x".repeat(33)] {
        let params = json!([format!("0x{}", hex::encode(message)), address]);
        assert_signed(&address, eip191_hash_message(message).0, &daemon.ok("personal_sign", params));
    }
    for message in [vec![7; 32], vec![b'x'; 32], vec![0xff], "ab".repeat(32).into_bytes()] {
        let data = format!("0x{}", hex::encode(message));
        daemon.fails("DENIED", "personal_sign", json!([data, address]));
        daemon.fails("DENIED", "eth_sign", json!([address, data]));
    }

    let allowed = [permit(&address), eip2612(&address, TOKEN), eip2612(&json!(OTHER), TOKEN)];
    for data in &allowed {
        assert_signed(&address, digest_of(data), &daemon.ok("eth_signTypedData_v4", json!([address, data])));
    }
    let mut no_chain = permit(&address);
    no_chain["domain"].as_object_mut().unwrap().remove("chainId");
    no_chain["types"].as_object_mut().unwrap().remove("EIP712Domain");
    let cancel = [("address authorizer", address.clone()), ("bytes32 nonce", json!(format!("0x{}", "7".repeat(64))))];
    let denied = [
        eip2612(&address, OTHER),
        typed_data("Order", TOKEN, &[("address maker", address.clone())]),
        typed_data("SafeMessage", OTHER, &[("bytes message", json!("0x00"))]),
        typed_data("CancelAuthorization", TOKEN, &cancel),
        no_chain,
    ];
    let signed = daemon.kms_effects(Operation::Sign);
    for data in denied {
        let params = json!([address, data]);
        daemon.fails("DENIED", "eth_signTypedData_v4", params.clone());
        let explained = daemon.ok("policy_explain", json!({ "method": "eth_signTypedData_v4", "params": params }));
        assert_eq!(explained["decision"], "deny", "{explained}");
    }
    assert_eq!(daemon.kms_effects(Operation::Sign), signed);
}

#[test]
fn policy_sees_what_typed_data_does() {
    let daemon = Daemon::start();
    let (address, other) = (wallet(&daemon), wallet(&daemon));
    let mut data = permit(&address);
    data["message"]["to"] = other.clone();
    let explained = daemon.ok("policy_explain", json!({ "method": "eth_signTypedData_v4", "params": [address, data] }));
    let effect = &explained["summary"]["effects"][0];
    assert_eq!(effect["kind"], "token", "{explained}");
    assert_eq!((&effect["recipient"], &effect["token"], &effect["amount"]), (&other, &json!(TOKEN), &json!(1)), "{explained}");
    assert_eq!(effect["toOwnWallet"], true, "{explained}");
    assert_eq!(explained["decision"], "allow", "{explained}");
    assert_eq!(daemon.kms_effects(Operation::Sign), 0);
}
