//! A good call of every method, and the action that the API contract gives it. A method without a row fails the tests that
//! go through the table.

use kmsignd::rpc::methods::METHODS;
use serde_json::{Value, json};

/// What the calls are about: an ETH wallet that can sign.
pub struct Fixture {
    pub wallet_id: Value,
    pub key_id: Value,
    pub address: Value,
}

impl Fixture {
    /// Of a wallet as wallet_create answers it.
    pub fn of(wallet: &Value) -> Self {
        let member = |name: &str| wallet[name].clone();
        Self { wallet_id: member("walletId"), key_id: member("kmsKeyId"), address: member("address") }
    }
}

pub const DIGEST: &str = "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4";

/// The freeze that the example of admin_unfreeze lifts. It is in force only where a test has put it there, since nothing could be signed
/// in the other examples.
pub const FREEZE: &str = "0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60";

/// Whether the call came through to its method: it succeeded, or there was nothing to be found for an example.
pub fn came_through(method: &str, outcome: &Result<Value, Value>) -> bool {
    match outcome {
        Ok(_) => true,
        Err(error) => method == "admin_unfreeze" && error["data"]["kind"] == "NOT_FOUND",
    }
}

/// Method, action, and parameters by name that it accepts.
pub fn examples(fixture: &Fixture) -> Vec<(&'static str, &'static str, Value)> {
    let Fixture { wallet_id, key_id, address } = fixture;
    let examples = vec![
        ("wallet_create", "create", json!({ "userId": "user123", "asset": "BTC" })),
        ("wallet_get", "read", json!({ "walletId": wallet_id })),
        ("wallet_list", "read", json!({})),
        ("wallet_addresses", "read", json!({ "walletId": wallet_id })),
        ("wallet_verify", "administer", json!({ "walletId": wallet_id })),
        ("address_validate", "read", json!({ "asset": "ETH", "address": address })),
        ("kms_createKey", "create", json!({ "userId": "user123", "asset": "ETH" })),
        ("kms_getPublicKey", "read", json!({ "keyId": key_id })),
        ("kms_signTransactionHash", "signRaw", json!({ "keyId": key_id, "transactionHash": DIGEST })),
        ("eth_accounts", "read", json!({})),
        ("eth_chainId", "read", json!({})),
        ("web3_clientVersion", "read", json!({})),
        ("policy_explain", "read", json!({ "method": "eth_accounts" })),
        ("audit_tail", "audit", json!({})),
        ("audit_verify", "audit", json!({})),
        ("admin_status", "read", json!({})),
        ("admin_reload", "administer", json!({})),
        ("admin_unfreeze", "unfreeze", json!({ "freezeId": FREEZE, "reason": "checked" })),
        ("rpc.discover", "read", json!({})),
        // Last, and in this order: whoever may do them all, or the first and the last, leaves the wallet as it was.
        ("wallet_disable", "administer", json!({ "walletId": wallet_id, "reason": "an example" })),
        ("kms_deleteKey", "delete", json!({ "keyId": key_id, "confirm": address })),
        ("kms_cancelKeyDeletion", "delete", json!({ "keyId": key_id })),
        ("wallet_enable", "administer", json!({ "walletId": wallet_id, "reason": "an example" })),
    ];
    for method in METHODS {
        assert!(examples.iter().any(|(name, ..)| *name == method.name), "{} has no example here", method.name);
    }
    examples
}
