//! A good call of every method, and the action that the API contract gives it. A method without a row fails the tests that
//! go through the table.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash as _;
use bitcoin::transaction::Version;
use bitcoin::{Address, Amount, OutPoint, Psbt, ScriptBuf, Transaction, TxIn, TxOut, Txid, WPubkeyHash};
use kmsignd::rpc::methods::METHODS;
use serde_json::{Value, json};

use crate::harness::Daemon;

/// What the calls are about: an ETH wallet and a BTC one, which can sign.
pub struct Fixture {
    pub wallet_id: Value,
    pub key_id: Value,
    pub address: Value,
    /// As wallet_create answers it.
    pub btc: Value,
}

impl Fixture {
    /// Two new wallets.
    pub fn new(daemon: &Daemon) -> Self {
        Self::of(&daemon.wallet("ETH"), &daemon.wallet("BTC"))
    }

    /// Of an ETH wallet and a BTC one as wallet_create answers them.
    pub fn of(eth: &Value, btc: &Value) -> Self {
        let member = |name: &str| eth[name].clone();
        Self { wallet_id: member("walletId"), key_id: member("kmsKeyId"), address: member("address"), btc: btc.clone() }
    }
}

/// A payment of the ETH wallet.
pub fn evm_payment(from: &Value) -> Value {
    json!({
        "from": from,
        "to": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "value": "0xde0b6b3a7640000",
        "nonce": "0x7",
        "gas": "0x5208",
        "maxFeePerGas": "0x77359400",
        "maxPriorityFeePerGas": "0x3b9aca00",
    })
}

/// A transfer that anybody may send once it is signed (EIP-3009), of a token that the configuration of [`TOKEN`] knows.
pub fn permit(from: &Value) -> Value {
    let member = |name: &str, kind: &str| json!({ "name": name, "type": kind });
    json!({
        "types": {
            "EIP712Domain": [member("name", "string"), member("chainId", "uint256"), member("verifyingContract", "address")],
            "TransferWithAuthorization": [
                member("from", "address"),
                member("to", "address"),
                member("value", "uint256"),
                member("validAfter", "uint256"),
                member("validBefore", "uint256"),
                member("nonce", "bytes32"),
            ],
        },
        "primaryType": "TransferWithAuthorization",
        "domain": { "name": "USD Coin", "chainId": 11_155_111, "verifyingContract": TOKEN },
        "message": {
            "from": from,
            "to": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "value": "1000000",
            "validAfter": 0,
            "validBefore": 4_102_444_800_u64,
            "nonce": "0x0101010101010101010101010101010101010101010101010101010101010101",
        },
    })
}

/// The token of [`permit`].
pub const TOKEN: &str = "0x1c7D4B196Cb0C7B01d743Fbc6116a902379C7238";

/// A PSBT that pays from a coin of the wallet to somebody else.
pub fn psbt(wallet: &Value) -> String {
    psbt_paying(wallet, 1, 99_000)
}

/// A PSBT that pays `amount` from `coins` coins of the wallet, of 100,000 satoshi each, to somebody else.
pub fn psbt_paying(wallet: &Value, coins: u32, amount: u64) -> String {
    psbt_paying_all(wallet, coins, &[amount])
}

/// The same to several, each another one.
pub fn psbt_paying_all(wallet: &Value, coins: u32, amounts: &[u64]) -> String {
    let script = Address::from_str(wallet["address"].as_str().unwrap()).unwrap().assume_checked().script_pubkey();
    let output = |value, script_pubkey| TxOut { value: Amount::from_sat(value), script_pubkey };
    let input = |previous_output| TxIn { previous_output, ..TxIn::default() };
    let transaction = |input, output| Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input, output };
    // What it is made of need not be there: the amount is proven by its id.
    let made_up = OutPoint { txid: Txid::from_byte_array([7; 32]), vout: 0 };
    let funding = transaction(vec![input(made_up)], vec![output(100_000, script); coins as usize]);
    let coin = |vout| input(OutPoint { txid: funding.compute_txid(), vout });
    let payee = |number: usize| {
        let mut hash = [9; 20];
        hash[..4].copy_from_slice(&(number as u32).to_le_bytes());
        ScriptBuf::new_p2wpkh(&WPubkeyHash::from_byte_array(hash))
    };
    let payments = amounts.iter().enumerate().map(|(number, amount)| output(*amount, payee(number))).collect();
    let mut psbt = Psbt::from_unsigned_tx(transaction((0..coins).map(coin).collect(), payments)).unwrap();
    for (input, coin) in psbt.inputs.iter_mut().zip(&funding.output) {
        input.witness_utxo = Some(coin.clone());
        input.non_witness_utxo = Some(funding.clone());
    }
    BASE64.encode(psbt.serialize())
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
    let Fixture { wallet_id, key_id, address, btc } = fixture;
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
        ("eth_signTransaction", "sign", json!({ "transaction": evm_payment(address) })),
        ("eth_sign", "signMessage", json!({ "address": address, "data": "0x68656c6c6f" })),
        ("personal_sign", "signMessage", json!({ "data": "0x68656c6c6f", "address": address })),
        ("eth_signTypedData_v4", "signMessage", json!({ "address": address, "typedData": permit(address) })),
        (
            "evm_signAuthorization",
            "delegate",
            json!({
                "address": address,
                "chainId": 11_155_111,
                "contract": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
                "nonce": 8,
            }),
        ),
        ("utxo_signPsbt", "sign", json!({ "asset": "BTC", "psbt": psbt(btc) })),
        ("utxo_signMessage", "signMessage", json!({ "walletId": btc["walletId"], "message": "hello" })),
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
