//! sol_signTransaction and sol_signMessage through the socket. Transactions are built and read by the crates of Solana, signatures
//! verified here; what contradicts the wallet, the policy or an earlier call does not leave.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use kmsignd::emulator::Operation;
use kmsignd::policy::dev_policy;
use serde_json::{Value, json};
use solana_message::{AccountMeta, Address, Hash, Instruction, Message, VersionedMessage, v0};
use solana_transaction::versioned::VersionedTransaction;

use crate::harness::Daemon;

const SIGN: &str = "sol_signTransaction";
const SIGN_MESSAGE: &str = "sol_signMessage";
const PACKAGED: &str = include_str!("../../packaging/policy.d/kmsignd.cedar");
const TO: [u8; 32] = [0x21; 32];
const SYSTEM: Address = Address::new_from_array([0; 32]);

fn address(wallet: &Value) -> Address {
    read_address(wallet["address"].as_str().unwrap())
}

fn read_address(text: &str) -> Address {
    let mut bytes = [0; 32];
    assert_eq!(bs58::decode(text).onto(&mut bytes), Ok(32));
    Address::new_from_array(bytes)
}

fn system(number: u32, data: &[u8], accounts: Vec<AccountMeta>) -> Instruction {
    Instruction { program_id: SYSTEM, accounts, data: [&number.to_le_bytes(), data].concat() }
}

fn transfer(from: Address, to: Address, lamports: u64) -> Instruction {
    system(2, &lamports.to_le_bytes(), vec![AccountMeta::new(from, true), AccountMeta::new(to, false)])
}

fn unsigned(message: VersionedMessage) -> VersionedTransaction {
    let places = usize::from(message.header().num_required_signatures);
    VersionedTransaction { signatures: vec![[0; 64].into(); places], message }
}

fn legacy(instructions: &[Instruction], payer: Address, blockhash: u8) -> VersionedTransaction {
    let blockhash = Hash::new_from_array([blockhash; 32]);
    unsigned(VersionedMessage::Legacy(Message::new_with_blockhash(instructions, Some(&payer), &blockhash)))
}

fn version_0(instructions: &[Instruction], payer: Address) -> VersionedTransaction {
    let message = v0::Message::try_compile(&payer, instructions, &[], Hash::new_from_array([9; 32])).unwrap();
    unsigned(VersionedMessage::V0(message))
}

fn base64(transaction: &VersionedTransaction) -> String {
    BASE64_STANDARD.encode(wincode::serialize(transaction).unwrap())
}

fn asking(wallet: &Value, transaction: &VersionedTransaction) -> Value {
    json!({ "walletId": wallet["walletId"], "transaction": base64(transaction) })
}

/// A payment of the wallet to somebody else, as sol_signTransaction takes it.
pub fn payment(wallet: &Value, lamports: u64, blockhash: u8) -> Value {
    let from = address(wallet);
    asking(wallet, &legacy(&[transfer(from, Address::new_from_array(TO), lamports)], from, blockhash))
}

/// Holds if the answer is the transaction that was asked for with the wallet's signature in its place.
#[track_caller]
fn assert_signed(wallet: &Value, asked: &VersionedTransaction, answer: &Value) -> VersionedTransaction {
    assert_eq!(answer.as_object().unwrap().keys().collect::<Vec<_>>(), ["transaction", "signature", "complete"]);
    let bytes = BASE64_STANDARD.decode(answer["transaction"].as_str().unwrap()).unwrap();
    let signed: VersionedTransaction = wincode::deserialize_exact(&bytes).unwrap();
    assert_eq!(signed.message, asked.message);
    signed.sanitize().unwrap();
    let place = signed.message.static_account_keys().iter().position(|key| *key == address(wallet)).unwrap();
    for (other, signature) in asked.signatures.iter().enumerate().filter(|(other, _)| *other != place) {
        assert_eq!(&signed.signatures[other], signature);
    }
    let signature = signed.signatures[place].as_array();
    assert_eq!(answer["signature"], json!(bs58::encode(signature).into_string()));
    verify(&address(wallet), &signed.message.serialize(), signature);
    signed
}

#[track_caller]
fn verify(signer: &Address, message: &[u8], signature: &[u8; 64]) {
    let key = VerifyingKey::from_bytes(&signer.to_bytes()).unwrap();
    key.verify_strict(message, &Signature::from_bytes(signature)).unwrap();
}

#[test]
fn sign_of_legacy_and_version_0_puts_the_signature_into_its_place() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("SOL");
    let from = address(&wallet);
    let pay = transfer(from, Address::new_from_array(TO), 5);
    for transaction in [legacy(std::slice::from_ref(&pay), from, 1), version_0(&[pay], from)] {
        let answer = daemon.ok(SIGN, asking(&wallet, &transaction));
        assert_signed(&wallet, &transaction, &answer);
        assert_eq!(answer["complete"], true);
        let named = json!({ "address": wallet["address"], "transaction": base64(&transaction) });
        assert_eq!(daemon.ok(SIGN, named), answer, "Ed25519 makes the same signature");
    }
    daemon.assert_audit_is_whole();
}

#[test]
fn several_wallets_sign_one_after_another() {
    let daemon = Daemon::start();
    let (payer, second) = (daemon.wallet("SOL"), daemon.wallet("SOL"));
    let stranger = SigningKey::from_bytes(&[7; 32]);
    let third = Address::new_from_array(stranger.verifying_key().to_bytes());
    let to = Address::new_from_array(TO);
    let pays = [transfer(address(&second), to, 5), transfer(third, to, 6)];
    let transaction = legacy(&pays, address(&payer), 1);
    let first = daemon.ok(SIGN, asking(&payer, &transaction));
    assert_eq!(first["complete"], false);
    let signed = assert_signed(&payer, &transaction, &first);

    let next = daemon.ok(SIGN, asking(&second, &signed));
    assert_eq!(next["complete"], false);
    let mut signed = assert_signed(&second, &signed, &next);

    let place = signed.message.static_account_keys().iter().position(|key| *key == third).unwrap();
    signed.signatures[place] = stranger.sign(&signed.message.serialize()).to_bytes().into();
    let last = daemon.ok(SIGN, asking(&second, &signed));
    assert_eq!(last["complete"], true);
    assert_signed(&second, &signed, &last);
}

#[test]
fn what_is_not_the_wallets_to_sign_is_refused_by_its_rule() {
    let daemon = Daemon::start();
    let (wallet, other) = (daemon.wallet("SOL"), daemon.wallet("SOL"));
    let from = address(&wallet);
    let transaction = legacy(&[transfer(from, Address::new_from_array(TO), 5)], from, 1);
    let refused = |rule: &str, params: Value| {
        let error = daemon.fails("TRANSACTION_REFUSED", SIGN, params);
        assert_eq!(error["data"]["rule"], rule, "{error}");
        error["message"].as_str().unwrap().to_owned()
    };
    refused("notNeeded", asking(&other, &transaction));
    let named_only = legacy(&[transfer(from, address(&other), 5)], from, 1);
    refused("notNeeded", asking(&other, &named_only));

    let mut forged = transaction.clone();
    forged.signatures[0] = [1; 64].into();
    assert!(refused("alreadySigned", asking(&wallet, &forged)).contains(wallet["address"].as_str().unwrap()));
    let two = legacy(&[transfer(address(&other), Address::new_from_array(TO), 5)], from, 1);
    let mut signed = assert_signed(&other, &two, &daemon.ok(SIGN, asking(&other, &two)));
    signed.message.set_recent_blockhash(Hash::new_from_array([2; 32]));
    refused("alreadySigned", asking(&wallet, &signed));

    let mut version_1 = wincode::serialize(&version_0(&[transfer(from, address(&other), 5)], from)).unwrap();
    version_1[65] = 0x81;
    let params = json!({ "walletId": wallet["walletId"], "transaction": BASE64_STANDARD.encode(version_1) });
    assert!(refused("transactionType", params).contains("version 1"));

    let eth = daemon.wallet("ETH");
    let error = daemon.fails("INVALID_PARAMS", SIGN, asking(&json!({ "walletId": eth["walletId"] }), &transaction));
    assert_eq!(error["data"]["field"], "walletId");
    let error = daemon.fails("INVALID_PARAMS", SIGN, json!({ "walletId": wallet["walletId"], "transaction": "AAAA" }));
    assert_eq!(error["data"]["field"], "transaction");
    assert_eq!(daemon.kms_effects(Operation::Sign), 1);
}

#[test]
fn another_blockhash_is_another_payment_unless_the_request_id_holds_it_back() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("SOL");
    let with_id = |blockhash: u8| {
        let mut params = payment(&wallet, 5, blockhash);
        params["requestId"] = json!("payout-1");
        params
    };
    let first = daemon.ok(SIGN, with_id(1));
    assert_eq!(daemon.ok(SIGN, with_id(1)), first);
    assert_eq!(daemon.fails("CONFLICT", SIGN, with_id(2))["data"]["field"], "requestId");
    assert_eq!(daemon.kms_effects(Operation::Sign), 1);
    let again = daemon.ok(SIGN, payment(&wallet, 5, 2));
    assert_ne!(again["signature"], first["signature"]);
    assert_eq!(daemon.query("SELECT count(*) FROM guards"), "0");
}

fn token_program() -> Address {
    read_address("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
}

fn transfer_checked(owner: Address) -> Instruction {
    let account = |number: u8| AccountMeta::new(Address::new_from_array([number; 32]), false);
    let mint = AccountMeta::new_readonly(Address::new_from_array([0x23; 32]), false);
    Instruction {
        program_id: token_program(),
        accounts: vec![account(0x24), mint, account(0x25), AccountMeta::new_readonly(owner, true)],
        data: [&[12][..], &1_500_001_u64.to_le_bytes(), &[6]].concat(),
    }
}

#[test]
fn packaged_policy_permits_what_is_read_and_refuses_what_gives_control_away() {
    let own = nix::unistd::getegid().as_raw().to_string();
    let policy = [("kmsign-raw", "61201"), ("kmsign-admin", "61202"), ("kmsign", own.as_str())]
        .iter()
        .fold(PACKAGED.to_owned(), |text, (name, gid)| text.replace(&format!("Group::\"{name}\""), &format!("Group::\"{gid}\"")));
    let daemon = Daemon::with_policy(&policy, &[]);
    let wallet = daemon.wallet("SOL");
    let from = address(&wallet);
    let key = |number: u8| Address::new_from_array([number; 32]);
    let to = key(0x21);
    let program = |id: &str, data: Vec<u8>, accounts| Instruction { program_id: read_address(id), accounts, data };
    let compute_budget = |data: Vec<u8>| program("ComputeBudget111111111111111111111111111111", data, vec![]);
    let allowed = [
        vec![transfer(from, to, 5)],
        vec![compute_budget([&[3][..], &9_u64.to_le_bytes()].concat()), transfer(from, to, 5)],
        vec![transfer_checked(from)],
        vec![transfer(from, to, 5), program("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr", b"invoice 7".to_vec(), vec![])],
    ];
    let number = allowed.len();
    for instructions in allowed {
        let transaction = legacy(&instructions, from, 1);
        assert_signed(&wallet, &transaction, &daemon.ok(SIGN, asking(&wallet, &transaction)));
    }
    let advance = vec![
        AccountMeta::new(key(0x22), false),
        AccountMeta::new_readonly(read_address("SysvarRecentB1ockHashes11111111111111111111"), false),
        AccountMeta::new_readonly(from, true),
    ];
    let token = |data: Vec<u8>, accounts: Vec<AccountMeta>| Instruction { program_id: token_program(), accounts, data };
    let owned = |rest: &[AccountMeta]| {
        let mut accounts = vec![AccountMeta::new(key(0x24), false)];
        accounts.extend_from_slice(rest);
        accounts.push(AccountMeta::new_readonly(from, true));
        accounts
    };
    let other = AccountMeta::new(to, false);
    let one = 1_u64.to_le_bytes();
    let denied = [
        vec![system(4, &[], advance), transfer(from, to, 5)],
        vec![system(1, &TO, vec![AccountMeta::new(from, true)])],
        vec![token([&[6, 2, 1][..], &TO].concat(), owned(&[]))],
        vec![token([&[4][..], &one].concat(), owned(std::slice::from_ref(&other)))],
        vec![token(vec![9], owned(std::slice::from_ref(&other)))],
        vec![token([&[3][..], &one].concat(), owned(&[other]))],
        vec![Instruction { program_id: key(0x77), accounts: vec![AccountMeta::new(from, true)], data: vec![1] }],
        vec![system(2, &[5, 0, 0, 0, 0, 0, 0, 0, 0], transfer(from, to, 5).accounts)],
    ];
    for instructions in denied {
        let params = asking(&wallet, &legacy(&instructions, from, 1));
        daemon.fails("DENIED", SIGN, params.clone());
        let explained = daemon.ok("policy_explain", json!({ "method": SIGN, "params": params }));
        assert_eq!(explained["decision"], "deny", "{explained}");
    }
    let VersionedMessage::V0(mut message) = version_0(&[transfer(from, to, 5)], from).message else { panic!("not version 0") };
    message.address_table_lookups.push(v0::MessageAddressTableLookup {
        account_key: key(0x66),
        writable_indexes: vec![1],
        readonly_indexes: vec![],
    });
    daemon.fails("DENIED", SIGN, asking(&wallet, &unsigned(VersionedMessage::V0(message))));
    assert_eq!(daemon.kms_effects(Operation::Sign), number);
}

#[test]
fn explanation_tells_what_the_wallet_pays_and_to_which_wallet_of_ours() {
    let mut daemon = Daemon::stopped(&dev_policy(nix::unistd::geteuid().as_raw()), &[]);
    daemon.add_config("[[limits.max_fee]]\nasset = \"SOL\"\namount = 5000\n");
    daemon.start_again();
    let (wallet, other) = (daemon.wallet("SOL"), daemon.wallet("SOL"));
    let from = address(&wallet);
    let explain = |transaction: &VersionedTransaction| {
        daemon.ok("policy_explain", json!({ "method": SIGN, "params": asking(&wallet, transaction) }))
    };
    let transaction = version_0(&[transfer(from, address(&other), 7), transfer_checked(from)], from);
    let explained = explain(&transaction);
    assert_eq!(explained["decision"], "allow");
    let summary = &explained["summary"];
    assert_eq!((&summary["totalOut"], &summary["fee"]), (&json!(7), &json!(5_000)));
    let effects = summary["effects"].as_array().unwrap();
    let kinds: Vec<_> = effects.iter().map(|effect| effect["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["transfer", "token", "fee"]);
    assert_eq!((&effects[0]["toOwnWallet"], &effects[0]["recipient"]), (&json!(true), &other["address"]));
    assert_eq!((&effects[1]["amount"], &effects[1]["toOwnWallet"]), (&json!(2), &json!(false)));
    assert_eq!(summary["details"]["feePayer"], wallet["address"]);
    assert_eq!(summary["details"]["version"], 0);
    assert_eq!(summary["details"]["instructions"][1]["instruction"], "transferChecked");

    let two = legacy(&[transfer(from, address(&other), 7), transfer(address(&other), from, 1)], from, 1);
    assert_eq!(explain(&two)["decision"], "deny");
    let error = daemon.fails("TRANSACTION_REFUSED", SIGN, asking(&wallet, &two));
    assert_eq!(error["data"]["rule"], "maxFee");
    let paid_by_the_other = json!({ "walletId": other["walletId"], "transaction": base64(&two) });
    daemon.ok(SIGN, paid_by_the_other);
}

#[test]
fn message_is_signed_with_its_header() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("SOL");
    let key = address(&wallet).to_bytes();
    let asking = |text: &[u8]| json!({ "walletId": wallet["walletId"], "message": BASE64_STANDARD.encode(text) });
    for (text, format) in [("hello".to_owned(), 0_u8), ("Gr\u{fc}\u{df}e".to_owned(), 1), ("x".repeat(4011), 2)] {
        let answer = daemon.ok(SIGN_MESSAGE, asking(text.as_bytes()));
        let length = u16::try_from(text.len()).unwrap().to_le_bytes();
        let header = [&b"\xffsolana offchain\0"[..], &[0; 32], &[format, 1], &key, &length].concat();
        let signed = [&header, text.as_bytes()].concat();
        assert_eq!(answer["offchainMessage"], json!(BASE64_STANDARD.encode(&signed)));
        let signature = bs58::decode(answer["signature"].as_str().unwrap()).into_vec().unwrap();
        verify(&address(&wallet), &signed, &signature.try_into().unwrap());
    }
    let signatures = daemon.kms_effects(Operation::Sign);
    let from = address(&wallet);
    let transaction = legacy(&[transfer(from, Address::new_from_array(TO), 5)], from, 1);
    for bytes in
        [wincode::serialize(&transaction).unwrap(), transaction.message.serialize(), vec![], vec![0xff], vec![b'x'; 4012]]
    {
        let error = daemon.fails("INVALID_PARAMS", SIGN_MESSAGE, asking(&bytes));
        assert_eq!(error["data"]["field"], "message", "{error}");
    }
    assert_eq!(daemon.kms_effects(Operation::Sign), signatures);
    daemon.assert_audit_is_whole();
}
