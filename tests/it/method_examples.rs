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

/// What the calls are about: wallets of each family, which can sign.
pub struct Fixture {
    pub wallet_id: Value,
    pub key_id: Value,
    pub address: Value,
    /// As wallet_create answers them.
    pub btc: Value,
    pub xrp: Value,
    pub sol: Value,
    pub ada: Value,
}

impl Fixture {
    /// How many wallets these are.
    pub const WALLETS: usize = 5;

    /// New wallets.
    pub fn new(daemon: &Daemon) -> Self {
        Self::with(&daemon.wallet("ETH"), |asset| daemon.wallet(asset))
    }

    /// Of an ETH wallet, and others that `make` makes, all as wallet_create answers them.
    pub fn with(eth: &Value, mut make: impl FnMut(&str) -> Value) -> Self {
        Self { btc: make("BTC"), xrp: make("XRP"), sol: make("SOL"), ada: make("ADA"), ..Self::named(eth) }
    }

    /// Of an ETH wallet alone.
    pub fn named(eth: &Value) -> Self {
        let member = |name: &str| eth[name].clone();
        let [btc, xrp, sol, ada] = [const { Value::Null }; 4];
        Self { wallet_id: member("walletId"), key_id: member("kmsKeyId"), address: member("address"), btc, xrp, sol, ada }
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

/// A payment of an XRP wallet to somebody else.
pub fn xrp_payment(wallet: &Value, drops: u64) -> Value {
    json!({
        "TransactionType": "Payment", "Account": wallet["address"], "Destination": "rPT1Sjq2YGrBMTttX4GZHjKu9dyfzbpAYe",
        "Amount": drops.to_string(), "Fee": "12", "Sequence": 7, "LastLedgerSequence": 90_000_000,
    })
}

fn public_key(wallet: &Value) -> Vec<u8> {
    hex::decode(wallet["publicKey"].as_str().unwrap()).unwrap()
}

/// A transfer of a SOL wallet to somebody else: a legacy message, not signed yet.
pub fn solana_transfer(wallet: &Value, lamports: u64) -> String {
    let instruction = [&[2, 2, 0, 1, 12][..], &2_u32.to_le_bytes(), &lamports.to_le_bytes()].concat();
    let keys = [&public_key(wallet)[..], &[9; 32], &[0; 32]].concat();
    BASE64.encode([&[1][..], &[0; 64], &[1, 0, 1, 3], &keys, &[7; 32], &[1], &instruction].concat())
}

/// A payment from a coin of an ADA wallet, which is not said what it is worth, to somebody else.
pub fn cardano_payment(wallet: &Value, lovelace: u64) -> String {
    let own = [&[0x60][..], pallas_crypto::hash::Hasher::<224>::hash(&public_key(wallet)).as_ref()].concat();
    let nobody = [&[0x60][..], &[9; 28]].concat();
    let output = |address: &[u8], lovelace: u64| [&[0x82, 0x58, 29][..], address, &[0x1b], &lovelace.to_be_bytes()].concat();
    let outputs = [output(&nobody, lovelace), output(&own, 5_000_000)].concat();
    let body = [
        &[0xa4, 0x00, 0x81, 0x82, 0x58, 32][..],
        &[7; 32],
        &[0x00, 0x01, 0x82],
        &outputs,
        &[0x02, 0x1a],
        &200_000_u32.to_be_bytes(),
        &[0x03, 0x1a],
        &90_000_000_u32.to_be_bytes(),
    ];
    hex::encode([&[0x84][..], &body.concat(), &[0xa0, 0xf5, 0xf6]].concat())
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
    let Fixture { wallet_id, key_id, address, btc, xrp, sol, ada } = fixture;
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
        ("xrp_signTransaction", "sign", json!({ "walletId": xrp["walletId"], "transaction": xrp_payment(xrp, 25_000_000) })),
        ("sol_signTransaction", "sign", json!({ "walletId": sol["walletId"], "transaction": solana_transfer(sol, 250_000_000) })),
        ("sol_signMessage", "signMessage", json!({ "walletId": sol["walletId"], "message": "aGVsbG8=" })),
        ("ada_signTransaction", "sign", json!({ "walletId": ada["walletId"], "transaction": cardano_payment(ada, 3_000_000) })),
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
