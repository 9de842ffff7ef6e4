//! eth_signTransaction and evm_signAuthorization over the real socket: what leaves is what was asked for and has the wallet as its
//! sender; what contradicts the wallet, the policy or an earlier signature does not leave. And what needs a node is said to.

use alloy_consensus::Transaction as _;
use alloy_consensus::transaction::{EthereumTxEnvelope, TxEip4844};
use alloy_eips::eip2718::{Decodable2718, Typed2718};
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B256, Signature, TxKind, U256, keccak256};
use bitcoin::secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use bitcoin::secp256k1::{Message, Secp256k1};
use kmsignd::emulator::Operation;
use kmsignd::policy::dev_policy;
use serde_json::{Map, Value, json};

use crate::harness::Daemon;
use crate::method_examples::TOKEN;

const TO: &str = "0x3535353535353535353535353535353535353535";
const CONTRACT: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const PACKAGED: &str = include_str!("../../packaging/policy.d/kmsignd.cedar");

/// A payment on Sepolia, where the wallets of these tests are, with members changed.
fn payment(from: &Value, changes: Value) -> Value {
    let mut payment = json!({
        "from": from,
        "to": TO,
        "value": "0xde0b6b3a7640000",
        "nonce": "0x0",
        "gas": "0x5208",
        "maxFeePerGas": "0x77359400",
        "maxPriorityFeePerGas": "0x3b9aca00",
    });
    payment.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    payment
}

/// The same of the older kinds, which have one price.
fn with_price(from: &Value, changes: Value) -> Value {
    let mut payment = payment(from, json!({ "maxFeePerGas": null, "maxPriorityFeePerGas": null, "gasPrice": "0x77359400" }));
    payment.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    payment
}

fn address(text: &Value) -> Address {
    text.as_str().unwrap().parse().unwrap()
}

/// Whose signature it is.
fn recover(hash: B256, signature: &Signature) -> Address {
    let id = RecoveryId::from_i32(i32::from(signature.v())).unwrap();
    let recoverable = RecoverableSignature::from_compact(&signature.as_bytes()[..64], id).unwrap();
    let secp = Secp256k1::verification_only();
    let key = secp.recover_ecdsa(&Message::from_digest(hash.0), &recoverable).unwrap();
    Address::from_raw_public_key(&key.serialize_uncompressed()[1..])
}

/// Reads what was answered, and holds if a node would find the wallet as its sender and geth's words beside it.
#[track_caller]
fn read(from: &Value, signed: &Value) -> EthereumTxEnvelope<TxEip4844> {
    assert_eq!(signed.as_object().unwrap().keys().collect::<Vec<_>>(), ["raw", "tx"]);
    let raw = hex::decode(signed["raw"].as_str().unwrap().strip_prefix("0x").unwrap()).unwrap();
    let transaction = EthereumTxEnvelope::<TxEip4844>::decode_2718_exact(&raw).unwrap();
    let low = transaction.signature().normalize_s().is_none();
    assert!(low, "S is high: {signed}");
    assert_eq!(recover(transaction.signature_hash(), transaction.signature()), address(from));
    let tx = &signed["tx"];
    assert_eq!(tx["hash"], json!(keccak256(&raw)));
    assert_eq!(tx["type"], json!(format!("{:#x}", transaction.ty())));
    assert_eq!(tx["nonce"], json!(format!("{:#x}", transaction.nonce())));
    assert_eq!(tx["chainId"], "0xaa36a7");
    assert_eq!((&tx["r"], &tx["s"]), (&hex_of(transaction.signature().r()), &hex_of(transaction.signature().s())));
    transaction
}

fn hex_of(number: U256) -> Value {
    json!(format!("{number:#x}"))
}

/// One signed authorization of a wallet.
fn authorization(daemon: &Daemon, account: &Value, nonce: u64) -> Value {
    let params = json!({ "address": account, "chainId": 11_155_111, "contract": CONTRACT, "nonce": nonce });
    daemon.ok("evm_signAuthorization", params)
}

#[test]
fn sign_of_each_type_gives_what_was_asked_for() {
    let daemon = Daemon::start();
    let (from, other) = (daemon.wallet("ETH")["address"].take(), daemon.wallet("ETH")["address"].take());
    let hash = format!("0x01{}", "22".repeat(31));
    let access_list = json!([{ "address": CONTRACT, "storageKeys": [format!("0x{}", "33".repeat(32))] }]);
    let requests = [
        with_price(&from, json!({ "nonce": 0 })),
        with_price(&from, json!({ "nonce": 1, "accessList": access_list })),
        payment(&from, json!({ "nonce": 2, "type": 2, "input": "0x", "data": "0x", "chainId": "0xaa36a7" })),
        payment(&from, json!({ "nonce": 3, "blobVersionedHashes": [hash], "maxFeePerBlobGas": 1 })),
        payment(&from, json!({ "nonce": 4, "authorizationList": [authorization(&daemon, &other, 0)] })),
    ];
    for (number, request) in requests.into_iter().enumerate() {
        let signed = daemon.ok("eth_signTransaction", json!([request]));
        let transaction = read(&from, &signed);
        assert_eq!(usize::from(transaction.ty()), number);
        assert_eq!(transaction.nonce(), u64::try_from(number).unwrap());
        assert_eq!(transaction.kind(), TxKind::Call(TO.parse().unwrap()));
        assert_eq!((transaction.value(), transaction.gas_limit()), (U256::from(10).pow(U256::from(18)), 21_000));
        assert_eq!((transaction.max_fee_per_gas(), transaction.chain_id()), (2_000_000_000, Some(11_155_111)));
        assert_eq!(transaction.authorization_list().map_or(0, <[_]>::len), usize::from(number == 4));
        assert_eq!(transaction.blob_versioned_hashes().map_or(0, <[_]>::len), usize::from(number == 3));
    }
    let create = daemon.ok("eth_signTransaction", json!([payment(&from, json!({ "nonce": 5, "to": null, "data": "0x6001" }))]));
    assert_eq!(read(&from, &create).kind(), TxKind::Create);
    daemon.assert_audit_is_whole();
}

#[test]
fn sign_takes_the_request_in_every_form() {
    let daemon = Daemon::start();
    let from = daemon.wallet("ETH")["address"].take();
    let request = payment(&from, json!({}));
    let one = daemon.ok("eth_signTransaction", json!([request]));
    let forms = [
        json!([payment(&json!(from.as_str().unwrap().to_lowercase()), json!({ "type": "0x2" }))]),
        json!({ "transaction": request }),
        json!([payment(&from, json!({ "requestId": "inside", "onBehalfOf": "user-1" }))]),
        json!([request, { "requestId": "last", "onBehalfOf": "user-1" }]),
        json!([request, "text"]),
        json!({ "transaction": request, "requestId": "named" }),
    ];
    for params in forms {
        for _ in 0..2 {
            assert_eq!(daemon.ok("eth_signTransaction", params.clone()), one, "{params}");
        }
    }
    assert_eq!(daemon.kms_effects(Operation::Sign), 1, "one content has one signature");
    let other = json!([payment(&from, json!({ "nonce": 1, "requestId": "inside", "onBehalfOf": "user-1" }))]);
    assert_eq!(daemon.fails("CONFLICT", "eth_signTransaction", other)["data"]["field"], "requestId");
    assert!(daemon.audit().iter().any(|record| record.to_string().contains("user-1")), "the end user is in the audit");
}

#[test]
fn sign_of_another_content_with_a_taken_nonce_is_a_conflict() {
    let daemon = Daemon::start();
    let (from, other) = (daemon.wallet("ETH")["address"].take(), daemon.wallet("ETH")["address"].take());
    let signed = daemon.ok("eth_signTransaction", json!([payment(&from, json!({}))]));
    for changes in [json!({ "value": 1 }), json!({ "maxFeePerGas": "0x77359401" }), json!({ "data": "0x00" })] {
        let error = daemon.fails("CONFLICT", "eth_signTransaction", json!([payment(&from, changes)]));
        assert_eq!(error["data"]["field"], "nonce", "{error}");
    }
    daemon.fails("CONFLICT", "eth_signTransaction", json!([with_price(&from, json!({}))]));
    let params = json!({ "address": from, "chainId": 11_155_111, "contract": CONTRACT, "nonce": 0 });
    daemon.fails("CONFLICT", "evm_signAuthorization", params);
    authorization(&daemon, &from, 1);
    daemon.fails("CONFLICT", "eth_signTransaction", json!([payment(&from, json!({ "nonce": 1 }))]));
    read(&other, &daemon.ok("eth_signTransaction", json!([payment(&other, json!({}))])));
    assert_eq!(daemon.ok("eth_signTransaction", json!([payment(&from, json!({}))])), signed);
}

#[test]
fn sign_for_another_chain_is_refused() {
    let daemon = Daemon::start();
    let from = daemon.wallet("ETH")["address"].take();
    for chain_id in [json!(0), json!(1), json!("0x1"), json!(4_242_424_242_u64)] {
        let error =
            daemon.fails("TRANSACTION_REFUSED", "eth_signTransaction", json!([payment(&from, json!({ "chainId": chain_id }))]));
        assert_eq!(error["data"]["rule"], "chainId");
        assert!(error["message"].as_str().unwrap().contains("ETH sepolia"), "{error}");
        let params = json!({ "address": from, "chainId": chain_id, "contract": CONTRACT, "nonce": 0 });
        assert_eq!(daemon.fails("TRANSACTION_REFUSED", "evm_signAuthorization", params)["data"]["rule"], "chainId");
    }
    assert_eq!(daemon.kms_effects(Operation::Sign), 0);
    let bnb = daemon.wallet("BNB")["address"].take();
    let signed = daemon.ok("eth_signTransaction", json!([payment(&bnb, json!({}))]));
    assert_eq!(signed["tx"]["chainId"], "0x61", "the wallet's network is BNB's testnet");
}

#[test]
fn sign_without_what_is_never_guessed_names_it() {
    let daemon = Daemon::start();
    let from = daemon.wallet("ETH")["address"].take();
    for name in ["nonce", "gas", "maxFeePerGas", "maxPriorityFeePerGas", "from", "to"] {
        let error = daemon.fails("INVALID_PARAMS", "eth_signTransaction", json!([payment(&from, json!({ name: null }))]));
        assert_eq!(error["data"]["field"], name, "{error}");
    }
    let error = daemon.fails("INVALID_PARAMS", "eth_signTransaction", json!([payment(&from, json!({ "gasLimit": 1 }))]));
    assert!(error["message"].as_str().unwrap().contains("`gas`"), "{error}");
    let error = daemon.fails("NOT_FOUND", "eth_signTransaction", json!([payment(&json!(CONTRACT), json!({}))]));
    assert_eq!(error["data"]["field"], "from", "{error}");
    let params = json!({ "address": CONTRACT, "chainId": 11_155_111, "contract": CONTRACT, "nonce": 0 });
    assert_eq!(daemon.fails("NOT_FOUND", "evm_signAuthorization", params)["data"]["field"], "address");
    assert_eq!(daemon.kms_effects(Operation::Sign), 0);
}

#[test]
fn sign_authorization_is_the_accounts() {
    let daemon = Daemon::start();
    let account = daemon.wallet("ETH")["address"].take();
    let signed = authorization(&daemon, &account, 7);
    let members: Map<String, Value> = signed.as_object().unwrap().clone();
    let mut names: Vec<_> = members.keys().collect();
    names.sort_unstable();
    assert_eq!(names, ["address", "chainId", "nonce", "r", "s", "yParity"]);
    assert_eq!((&signed["chainId"], &signed["nonce"]), (&json!("0xaa36a7"), &json!("0x7")));
    assert_eq!(signed["address"], CONTRACT.to_lowercase());
    let number = |name: &str| signed[name].as_str().unwrap().parse::<U256>().unwrap();
    let signature = Signature::new(number("r"), number("s"), signed["yParity"] == "0x1");
    let unsigned = Authorization { chain_id: U256::from(11_155_111), address: CONTRACT.parse().unwrap(), nonce: 7 };
    assert_eq!(recover(unsigned.signature_hash(), &signature), address(&account));
    assert_eq!(authorization(&daemon, &account, 7), signed);
    assert_eq!(daemon.kms_effects(Operation::Sign), 1);
}

/// The development policy without these actions.
fn without(actions: &[&str]) -> String {
    let policy = dev_policy(nix::unistd::geteuid().as_raw());
    let forbidden: Vec<_> = actions.iter().map(|action| format!("Action::\"{action}\"")).collect();
    format!("{policy}\nforbid (principal, action in [{}], resource);\n", forbidden.join(", "))
}

#[test]
fn sign_of_a_delegation_needs_its_own_action() {
    let daemon = Daemon::start();
    let (from, other) = (daemon.wallet("ETH")["address"].take(), daemon.wallet("ETH")["address"].take());
    let list = json!([authorization(&daemon, &other, 0)]);
    let delegating = json!([payment(&from, json!({ "authorizationList": list }))]);
    daemon.set_policy(&without(&["delegate"]));
    daemon.fails("DENIED", "eth_signTransaction", delegating.clone());
    let params = json!({ "address": from, "chainId": 11_155_111, "contract": CONTRACT, "nonce": 1 });
    daemon.fails("DENIED", "evm_signAuthorization", params.clone());
    read(&from, &daemon.ok("eth_signTransaction", json!([payment(&from, json!({ "nonce": 5 }))])));
    daemon.set_policy(&without(&["sign"]));
    daemon.fails("DENIED", "eth_signTransaction", delegating.clone());
    daemon.ok("evm_signAuthorization", params);
    daemon.set_policy(&without(&["signRaw"]));
    read(&from, &daemon.ok("eth_signTransaction", delegating));
}

#[test]
fn sign_under_the_packaged_policy_takes_what_was_decoded_whole() {
    // The group of this process stands for kmsign; the others are nobody's.
    let own = nix::unistd::getegid().as_raw().to_string();
    let policy = [("kmsign-raw", "61201"), ("kmsign-admin", "61202"), ("kmsign", own.as_str())]
        .iter()
        .fold(PACKAGED.to_owned(), |text, (name, gid)| text.replace(&format!("Group::\"{name}\""), &format!("Group::\"{gid}\"")));
    let daemon = Daemon::with_policy(&policy, &[]);
    let (from, other) = (daemon.wallet("ETH")["address"].take(), daemon.wallet("ETH")["address"].take());
    let transfer = format!("0xa9059cbb{}{}{:064x}", "00".repeat(12), &TO[2..], 5_000_000);
    let allowed = [
        json!({ "nonce": 0 }),
        json!({ "nonce": 1, "to": other }),
        json!({ "nonce": 2, "to": TOKEN, "value": 0, "data": transfer }),
        json!({ "nonce": 3, "data": "0x", "accessList": [{ "address": TO, "storageKeys": [] }] }),
    ];
    for changes in allowed {
        read(&from, &daemon.ok("eth_signTransaction", json!([payment(&from, changes)])));
    }
    let denied = [
        json!({ "nonce": 9, "to": null, "data": "0x6001" }),
        json!({ "nonce": 9, "data": "0xd0e30db0" }),
        json!({ "nonce": 9, "data": "0x00" }),
        json!({ "nonce": 9, "to": CONTRACT, "data": transfer }),
        json!({ "nonce": 9, "to": TOKEN, "data": format!("{transfer}00") }),
        json!({ "nonce": 9, "to": TOKEN, "data": transfer.replacen("a9059cbb00", "a9059cbb01", 1) }),
    ];
    for changes in denied {
        let params = json!([payment(&from, changes)]);
        daemon.fails("DENIED", "eth_signTransaction", params.clone());
        let explained = daemon.ok("policy_explain", json!({ "method": "eth_signTransaction", "params": params }));
        assert_eq!(explained["decision"], "deny");
        assert_eq!(explained["summary"]["unknownAmount"], true);
    }
    let params = json!({ "address": from, "chainId": 11_155_111, "contract": CONTRACT, "nonce": 20 });
    daemon.fails("DENIED", "evm_signAuthorization", params);
    assert_eq!(daemon.kms_effects(Operation::Sign), 4);
}

#[test]
fn explain_tells_what_would_be_signed() {
    let daemon = Daemon::with_settings(&[("KMSIGND__KEYS__ALLOW_DELETION", "true")]);
    let (from, other) = (daemon.wallet("ETH")["address"].take(), daemon.wallet("ETH"));
    let explain = |changes: Value| {
        let params = json!({ "method": "eth_signTransaction", "params": [payment(&from, changes)] });
        daemon.ok("policy_explain", params)["summary"].take()
    };
    let summary = explain(json!({ "to": other["address"] }));
    assert_eq!(summary["effects"][0]["kind"], "transfer");
    assert_eq!(summary["effects"][0]["toOwnWallet"], true);
    assert_eq!((&summary["totalOut"], &summary["fee"], &summary["feeRate"]), (&json!(1_000_000_000), &json!(42_000), &json!(2)));
    assert_eq!(summary["details"]["nonce"], 0);
    assert_eq!(summary["warnings"], json!([]));
    assert_eq!(explain(json!({}))["effects"][0]["toOwnWallet"], false);
    daemon.ok("wallet_disable", json!({ "walletId": other["walletId"], "reason": "a test" }));
    let summary = explain(json!({ "to": other["address"] }));
    assert_eq!(summary["effects"][0]["toOwnWallet"], false, "what it gets may be out of reach");
    assert!(summary["warnings"][0].as_str().unwrap().contains("DISABLED"), "{summary}");
    assert_eq!(daemon.kms_effects(Operation::Sign), 0);
}

#[test]
fn method_of_a_node_is_said_to_need_one() {
    let daemon = Daemon::start();
    let mut caller = daemon.connect();
    let of_a_node = [
        "eth_blockNumber",
        "eth_call",
        "eth_coinbase",
        "eth_createAccessList",
        "eth_estimateGas",
        "eth_feeHistory",
        "eth_fillTransaction",
        "eth_gasPrice",
        "eth_getBalance",
        "eth_getBlockByHash",
        "eth_getBlockByNumber",
        "eth_getBlockReceipts",
        "eth_getCode",
        "eth_getLogs",
        "eth_getProof",
        "eth_getStorageAt",
        "eth_getTransactionByHash",
        "eth_getTransactionCount",
        "eth_getTransactionReceipt",
        "eth_maxPriorityFeePerGas",
        "eth_newBlockFilter",
        "eth_newFilter",
        "eth_sendRawTransaction",
        "eth_sendTransaction",
        "eth_subscribe",
        "eth_syncing",
        "eth_unsubscribe",
        "net_listening",
        "net_peerCount",
        "net_version",
        "web3_sha3",
        "txpool_content",
        "debug_traceTransaction",
        "trace_block",
        "engine_newPayloadV4",
        "personal_ecRecover",
        "personal_importRawKey",
        "personal_listAccounts",
        "personal_lockAccount",
        "personal_newAccount",
        "personal_sendTransaction",
        "personal_signTransaction",
        "personal_unlockAccount",
        "anvil_setBalance",
        "hardhat_mine",
    ];
    for method in of_a_node {
        let error = caller.fails("METHOD_NOT_SUPPORTED", method, json!([]));
        assert!(error["message"].as_str().unwrap().contains("node"), "{method}: {error}");
    }
    let error = caller.fails("METHOD_NOT_SUPPORTED", "eth_sendTransaction", json!([{}]));
    assert!(error["message"].as_str().unwrap().contains("eth_signTransaction"), "{error}");
    for (method, meant) in [
        ("eth_signTransactions", "eth_signTransaction"),
        ("eth_signTypedData_v3", "eth_signTypedData"),
        ("personal_signn", "personal_sign"),
        ("evm_signAuthorisation", "evm_signAuthorization"),
    ] {
        let error = caller.fails("METHOD_NOT_FOUND", method, json!([]));
        assert!(error["message"].as_str().unwrap().contains(&format!("did you mean {meant}")), "{error}");
    }
    for method in ["wallet_addEthereumChain", "wallet_switchEthereumChain", "getBalance"] {
        caller.fails("METHOD_NOT_FOUND", method, json!([]));
    }
}
