//! `kmsign sign`: what it sends, what it shows, and that it signs nothing unasked.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::Daemon;

use super::{Fake, Ran, Run, Seat, WALLET_ID, kmsign, wallet};

pub const TRANSACTION: &str = r#"{"from":"0x52908400098527886E0F7030069857D2E4169EE7","to":"0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf","value":"0x1","big":100000000000000000000000001}"#;

/// An explanation as the daemon gives it.
pub fn explained(method: &str, decision: &str) -> Value {
    json!({
        "decision": decision, "policies": ["use"],
        "summary": {
            "method": method, "actions": ["sign"], "action": "sign", "reason": "no policy permits it",
            "asset": "ETH", "network": "sepolia", "wallets": [WALLET_ID],
            "effects": [
                { "kind": "transfer", "recipient": "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf", "amount": 1_500_000_000u64,
                  "toOwnWallet": false, "unknownAmount": false },
                { "kind": "token", "recipient": "0x00000000000000000000000000000000000000AA", "amount": 25,
                  "token": "0x00000000000000000000000000000000000000cc", "selector": "0xa9059cbb", "toOwnWallet": true, "unknownAmount": false },
                { "kind": "fee", "amount": 2_100_000, "toOwnWallet": false, "unknownAmount": false },
            ],
            "totalOut": 1_500_000_000u64, "fee": 2_100_000, "feeRate": 100, "unknownAmount": false, "unknownParts": false,
            "warnings": [], "details": { "chainId": 11_155_111, "nonce": 7 },
        },
    })
}

pub fn ether() -> Value {
    let mut one = wallet();
    for (name, value) in [
        ("asset", "ETH"),
        ("network", "sepolia"),
        ("addressType", "eip55"),
        ("address", "0x52908400098527886E0F7030069857D2E4169EE7"),
    ] {
        one[name] = json!(value);
    }
    one
}

/// A daemon that explains, and signs with `result`.
pub fn signing(one: Value, explain: impl Fn(&str) -> Value + Send + Sync + 'static, result: Value) -> Fake {
    Fake::answering(move |method, params| match method {
        "wallet_get" => Ok(one.clone()),
        "policy_explain" => Ok(explain(params["method"].as_str().unwrap())),
        _ => Ok(result.clone()),
    })
}

pub fn allowing(one: Value, result: Value) -> Fake {
    signing(one, |method| explained(method, "allow"), result)
}

pub fn methods(fake: &Fake) -> Vec<String> {
    fake.calls().into_iter().map(|(method, _)| method).collect()
}

/// A file beside the fake's socket.
pub fn document(fake: &Fake, content: impl AsRef<[u8]>) -> String {
    let path = fake.directory.path().join("document");
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Runs with somebody at the terminal who types this once they are asked; gives what came on it.
fn typed(fake: &Fake, typed: &str, arguments: &[&str]) -> (Ran, String) {
    let mut seat = Seat::sit(fake, 200, "", arguments);
    if seat.sees("Sign this") {
        seat.types(typed);
    }
    seat.ends()
}

#[test]
fn sign_evm_shows_what_it_does_and_sends_the_file_as_it_is() {
    let fake = allowing(ether(), json!({ "raw": "0x02f8", "tx": { "hash": "0xabcd", "nonce": "0x7" } }));
    let file = document(&fake, format!("{TRANSACTION}\n"));
    let ran = fake.run(&["sign", "evm", &file, "--yes", "--request-id", "r", "--on-behalf-of", "user 7"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    insta::assert_snapshot!(ran.err, @r"
    policy       allowed
    by policies  use
    method       eth_signTransaction
    actions      sign
    signs        0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60: ETH sepolia
                 | 0x52908400098527886E0F7030069857D2E4169EE7, of user123

    transfer  1.500000000 ETH
              to 0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf
    token     25 tokens
              to 0x00000000000000000000000000000000000000AA (a wallet of ours)
              token 0x00000000000000000000000000000000000000cc
              selector 0xa9059cbb
    fee       0.002100000 ETH

    leaves in all  1.500000000 ETH
    fee            at most 0.002100000 ETH
    fee rate       100 gwei a unit of gas
    chainId        11155111
    nonce          7
    ");
    insta::assert_snapshot!(ran.out, @r"
    raw  0x02f8
    tx   hash 0xabcd, nonce 0x7
    ");
    assert_eq!(methods(&fake), ["policy_explain", "wallet_get", "eth_signTransaction"]);
    let transaction: Value = serde_json::from_str(TRANSACTION).unwrap();
    assert_eq!(fake.calls()[0].1, json!({ "method": "eth_signTransaction", "params": { "transaction": transaction } }));
    assert_eq!(fake.calls()[2].1, json!({ "transaction": transaction, "requestId": "r", "onBehalfOf": "user 7" }));
}

/// Of numbers and of members that stand twice too: the daemon is to see what the file has.
#[test]
fn sign_evm_sends_the_very_text() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let text = r#"{"value":100000000000000000000000001,"value":1.0}"#;
    let file = directory.path().join("document");
    std::fs::write(&file, text).unwrap();
    let mut child = kmsign();
    child.arg("--socket").arg(&socket).args(["--timeout", "20", "sign", "evm"]).arg(&file).arg("--yes");
    let mut child = child.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut sent = vec![0; 4096];
    let read = listener.accept().unwrap().0.read(&mut sent).unwrap();
    let sent = String::from_utf8(sent[..read].to_vec()).unwrap();
    assert!(sent.contains(&format!("\"transaction\":{text}")), "{sent}");
    assert_eq!(child.wait().unwrap().code(), Some(75));
}

#[test]
fn dangers_come_first_and_loudly() {
    let dangerous = |method: &str| {
        let mut found = explained(method, "allow");
        let summary = &mut found["summary"];
        summary["unknownParts"] = json!(true);
        summary["unknownAmount"] = json!(true);
        summary["warnings"] = json!(["the fee is a tenth of what is sent", "it goes to a wallet of ours that is DISABLED"]);
        summary["replaces"] = json!({ "recipients": ["0xaa"], "totalOut": 5, "fee": 1 });
        summary["effects"][0]["unknownAmount"] = json!(true);
        summary["effects"][1]["amount"] = json!(u64::MAX);
        summary["effects"][2]["unknownAmount"] = json!(true);
        summary["effects"][2]["amount"] = Value::Null;
        found
    };
    let fake = signing(ether(), dangerous, json!({ "raw": "0x02f8" }));
    let file = document(&fake, TRANSACTION);
    let ran = fake.run(&["sign", "evm", &file, "--yes", "--request-id", "r"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    insta::assert_snapshot!(ran.err, @r"
    UNKNOWN PARTS   something in it could not be read: the signature may allow
                    | more than is shown here
    UNKNOWN AMOUNT  how much it moves can't be known: it may be everything
    REPLACES        what is signed already: 0.000000005 ETH, fee 0.000000001 ETH,
                    | to 0xaa
    WARNING         the fee is a tenth of what is sent
    WARNING         it goes to a wallet of ours that is DISABLED

    policy       allowed
    by policies  use
    method       eth_signTransaction
    actions      sign
    signs        0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60: ETH sepolia
                 | 0x52908400098527886E0F7030069857D2E4169EE7, of user123

    transfer  UNKNOWN, counted as 1.500000000 ETH
              to 0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf
    token     more than can be counted
              to 0x00000000000000000000000000000000000000AA (a wallet of ours)
              token 0x00000000000000000000000000000000000000cc
              selector 0xa9059cbb
    fee       UNKNOWN

    leaves in all  1.500000000 ETH
    fee            at most 0.002100000 ETH
    fee rate       100 gwei a unit of gas
    chainId        11155111
    nonce          7
    ");
}

#[test]
fn sign_asks_and_signs_at_a_yes_alone() {
    for (answer, signs) in [("y", true), (" YES ", true), ("", false), ("n", false), ("yy", false), ("sign", false)] {
        let fake = allowing(ether(), json!({ "raw": "0x02f8" }));
        let file = document(&fake, TRANSACTION);
        let (ran, screen) = typed(&fake, answer, &["sign", "evm", &file, "--request-id", "r"]);
        assert_eq!((ran.code, ran.out.contains("0x02f8")), (if signs { 0 } else { 1 }, signs), "{answer:?}: {screen}");
        assert_eq!(methods(&fake).contains(&"eth_signTransaction".to_owned()), signs, "{answer:?}");
        assert!(screen.contains("1.500000000 ETH") && screen.contains("Sign this? [y/N] "), "{screen}");
        assert_eq!(screen.contains("error: nothing was signed [DECLINED]"), !signs, "{screen}");
    }
}

#[test]
fn sign_in_json_asks_a_person_in_words_too() {
    let fake = allowing(ether(), json!({ "raw": "0x02f8" }));
    let file = document(&fake, TRANSACTION);
    let (ran, screen) = typed(&fake, "y", &["--json", "sign", "evm", &file, "--request-id", "r"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "{\"raw\":\"0x02f8\"}\n"), "{screen}");
    assert!(screen.contains("1.500000000 ETH") && screen.contains("Sign this? [y/N] "), "{screen}");
}

#[test]
fn sign_without_a_terminal_and_without_yes_sends_nothing() {
    let fake = allowing(ether(), json!({ "raw": "0x02f8" }));
    let file = document(&fake, TRANSACTION);
    let ran = fake.run(&["sign", "evm", &file]);
    assert_eq!(ran.code, 64);
    insta::assert_snapshot!(ran.err, @r"
    error: --yes is needed where nobody can be asked [USAGE]
      next: kmsign --help
    ");
    // Standard input can't be both the document and the answer.
    let (ran, _) = typed(&fake, "{}", &["sign", "evm", "-"]);
    assert_eq!(ran.code, 64);
    assert!(fake.calls().is_empty());
}

#[test]
fn sign_of_what_the_policy_denies_says_why_and_does_not_ask() {
    let denying = || signing(ether(), |method| explained(method, "deny"), json!({ "raw": "0x02f8" }));
    let fake = denying();
    let file = document(&fake, TRANSACTION);
    let (ran, screen) = typed(&fake, "y", &["sign", "evm", &file]);
    assert_eq!((ran.code, ran.out.as_str()), (77, ""));
    assert!(screen.contains("error: the policy does not permit it: no policy permits it [DENIED]"), "{screen}");
    assert!(screen.contains("DENIED\n") && screen.contains("1.500000000 ETH") && !screen.contains("Sign this?"), "{screen}");
    assert_eq!(methods(&fake), ["policy_explain", "wallet_get"]);

    let fake = denying();
    let file = document(&fake, TRANSACTION);
    let ran = fake.run(&["--json", "sign", "evm", &file, "--yes"]);
    assert_eq!((ran.code, methods(&fake).len()), (77, 1));
    let lines: Vec<Value> = ran.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["explanation"]["decision"], "deny");
    assert_eq!(lines[1]["error"]["data"]["kind"], "DENIED");
}

#[test]
fn sign_in_json_with_yes_has_lines_of_json_alone() {
    let fake = allowing(ether(), json!({ "raw": "0x02f8" }));
    let file = document(&fake, TRANSACTION);
    let ran = fake.run(&["--json", "sign", "evm", &file, "--yes"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "{\"raw\":\"0x02f8\"}\n"));
    let lines: Vec<Value> = ran.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["explanation"]), (2, &explained("eth_signTransaction", "allow")));
    assert_eq!(lines[1]["requestId"], fake.calls()[1].1["requestId"]);
}

#[test]
fn sign_of_an_explanation_that_is_none_signs_nothing() {
    for member in ["unknownParts", "unknownAmount", "effects", "warnings"] {
        let lacking = move |method: &str| {
            let mut found = explained(method, "allow");
            found["summary"].as_object_mut().unwrap().remove(member);
            found
        };
        let fake = signing(ether(), lacking, json!({ "raw": "0x02f8" }));
        let file = document(&fake, TRANSACTION);
        let ran = fake.run(&["sign", "evm", &file, "--yes"]);
        assert_eq!((ran.code, methods(&fake).len()), (76, 1), "{}", ran.err);
    }
}

#[test]
fn sign_psbt_takes_binary_and_base64_and_writes_the_transaction() {
    let result = json!({ "psbt": "cHNidP8=", "complete": true, "transaction": "0200", "txid": "ab",
                         "signed": [{ "input": 0, "walletId": WALLET_ID, "sighashType": "ALL" }] });
    let fake = allowing(wallet(), result);
    let output = fake.directory.path().join("signed");
    let file = document(&fake, b"psbt\xff\x00\x01");
    let line = ["sign", "psbt", &file, "--asset", "btc", "--yes", "--request-id", "r", "--output", output.to_str().unwrap()];
    let ran = fake.run(&line);
    assert_eq!(ran.code, 0, "{}", ran.err);
    insta::assert_snapshot!(ran.out, @r"
    psbt         cHNidP8=
    complete     yes
    transaction  0200
    txid         ab
    signed       input 0, wallet id 0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60, sighash type ALL
    ");
    assert!(ran.err.contains("15.00000000 BTC"), "the unit is the satoshi: {}", ran.err);
    assert_eq!(std::fs::read_to_string(&output).unwrap(), "0200\n");
    assert_eq!(fake.calls()[2].1, json!({ "asset": "btc", "psbt": "cHNidP8AAQ==", "finalize": true, "requestId": "r" }));

    let ran = fake.run(&line);
    assert_eq!((ran.code, fake.calls().len()), (65, 3), "never over a file that is there: {}", ran.err);

    let fake = allowing(wallet(), json!({ "psbt": "cHNidP8=", "complete": false, "signed": [] }));
    let file = document(&fake, "cHNidP8\nAAQ==\n");
    let output = fake.directory.path().join("signed");
    let ran = fake.run(&[
        "sign",
        "psbt",
        &file,
        "--asset",
        "LTC",
        "--network",
        "mainnet",
        "--no-finalize",
        "--yes",
        "--request-id",
        "r",
        "--output",
        output.to_str().unwrap(),
    ]);
    assert_eq!((ran.code, std::fs::read_to_string(&output).unwrap().as_str()), (0, "cHNidP8=\n"), "{}", ran.err);
    let params = json!({ "asset": "LTC", "network": "mainnet", "psbt": "cHNidP8AAQ==", "finalize": false, "requestId": "r" });
    assert_eq!(fake.calls()[2].1, params);
}

#[test]
fn sign_to_a_file_that_can_not_be_written_prints_what_was_signed_all_the_same() {
    let fake = allowing(ether(), json!({ "raw": "0x02f8" }));
    let file = document(&fake, TRANSACTION);
    // No file system takes such a name, and nobody finds out before.
    let path = fake.directory.path().join("x".repeat(256));
    let ran = fake.run(&["sign", "evm", &file, "--yes", "--output", path.to_str().unwrap()]);
    assert_eq!(ran.code, 74, "{}", ran.err);
    assert!(ran.out.contains("0x02f8") && ran.err.contains("could not be written"), "{} {}", ran.out, ran.err);
    let calls = fake.calls().len();
    let ran = fake.run(&["sign", "evm", &file, "--yes", "--output", "/nonexistent/file"]);
    assert_eq!((ran.code, fake.calls().len()), (65, calls), "{}", ran.err);
}

#[test]
fn sign_message_asks_the_wallet_and_takes_its_familys_method() {
    let signature = json!({ "signature": "AkcwRA==", "address": "bc1q", "format": "bip322" });
    let fake = allowing(wallet(), signature);
    let file = document(&fake, "Gr\u{fc}\u{df}e\r\n");
    let line = |more: &[&'static str]| [&["sign", "message", &*file, "--yes", "--request-id", "r"][..], more].concat().join("\n");
    let run = |more: &[&'static str]| fake.run(&line(more).split('\n').collect::<Vec<_>>());
    let ran = run(&["--wallet", WALLET_ID, "--format", "bip322"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    insta::assert_snapshot!(ran.out, @r"
    signature  AkcwRA==
    address    bc1q
    format     bip322
    ");
    let last = || fake.calls().pop().unwrap();
    let params = json!({ "walletId": WALLET_ID, "message": "Gr\u{fc}\u{df}e", "format": "bip322", "requestId": "r" });
    assert_eq!(last(), ("utxo_signMessage".to_owned(), params));
    assert_eq!(run(&["--address", "3JvL", "--asset", "BTC", "--network", "mainnet", "--exact"]).code, 0);
    let params =
        json!({ "address": "3JvL", "asset": "BTC", "network": "mainnet", "message": "Gr\u{fc}\u{df}e\r\n", "requestId": "r" });
    assert_eq!(last(), ("utxo_signMessage".to_owned(), params));
    document(&fake, b"\xff");
    assert_eq!(run(&["--wallet", WALLET_ID]).code, 65);

    let fake = allowing(ether(), json!("0x11"));
    let file = document(&fake, b"a\xff\n\n");
    let ran = fake.run(&["sign", "message", &file, "--wallet", WALLET_ID, "--yes", "--request-id", "r"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "signature  0x11\n"), "{}", ran.err);
    let params = json!({ "data": "0x61ff0a", "address": ether()["address"], "requestId": "r" });
    assert_eq!(fake.calls().pop().unwrap(), ("personal_sign".to_owned(), params));
    let ran = fake.run(&["sign", "message", &file, "--wallet", WALLET_ID, "--yes", "--format", "legacy"]);
    assert_eq!(ran.code, 64, "{}", ran.err);
}

#[test]
fn sign_typed_data_sends_the_object_for_the_wallets_address() {
    let address = "0x52908400098527886E0F7030069857D2E4169EE7";
    for signer in
        [&["--wallet", WALLET_ID][..], &["--address", address], &["--address", address, "--asset", "POL", "--network", "mainnet"]]
    {
        let fake = allowing(ether(), json!("0x11"));
        let file = document(&fake, r#"{"primaryType":"Mail"}"#);
        let ran = fake.run(&[&["sign", "typed-data", &file, "--yes", "--request-id", "r"][..], signer].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        let wallet_id = json!({ "walletId": WALLET_ID });
        let asked = fake.calls()[0].clone();
        let names = json!({ "address": ether()["address"], "asset": signer.get(3), "network": signer.get(5) });
        assert_eq!(asked, ("wallet_get".to_owned(), if signer[0] == "--wallet" { wallet_id } else { names }));
        let params = json!({ "address": ether()["address"], "typedData": { "primaryType": "Mail" }, "requestId": "r" });
        assert_eq!(fake.calls().pop().unwrap(), ("eth_signTypedData_v4".to_owned(), params));
    }
}

/// Wallets of several chains have the same address.
#[test]
fn sign_by_another_wallet_than_the_named_one_does_not_happen() {
    let mut other = ether();
    other["walletId"] = json!("0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f61");
    let address = ether()["address"].as_str().unwrap().to_owned();
    for (kind, content) in [("typed-data", r#"{"primaryType":"Mail"}"#), ("message", "letter")] {
        let fake = allowing(other.clone(), json!("0x11"));
        let file = document(&fake, content);
        let ran = fake.run(&["sign", kind, &file, "--address", &address, "--asset", "POL", "--network", "mainnet", "--yes"]);
        assert_eq!(ran.code, 65, "{}", ran.err);
        assert!(
            ran.err.contains("error: the wallet is not the one that would sign this; nothing was signed [INPUT]"),
            "{}",
            ran.err
        );
        assert_eq!(methods(&fake)[..2], ["wallet_get", "policy_explain"]);
        assert!(!methods(&fake).iter().any(|method| method.contains("sign")), "{:?}", methods(&fake));
    }
}

#[test]
fn sign_of_a_wrong_document_sends_nothing() {
    let fake = allowing(ether(), json!("0x11"));
    let mut told = String::new();
    for (words, content) in [
        (&["evm"][..], &b"{"[..]),
        (&["evm"], b"[]"),
        (&["evm"], b"\xff"),
        (&["evm"], br#"{"requestId":"r"}"#),
        (&["psbt", "--asset", "BTC"], b"\xff\xfe"),
        (&["typed-data", "--address", "0x1"], b"\"{}\""),
    ] {
        let file = document(&fake, content);
        let ran = fake.run(&[&["sign"], &words[..1], &[&*file, "--yes"], &words[1..]].concat());
        assert_eq!(ran.code, 65, "{}", ran.err);
        told.push_str(ran.err.lines().next().unwrap());
        told.push('\n');
    }
    insta::assert_snapshot!(told, @r"
    error: the transaction must be JSON: EOF while parsing an object at line 1 column 1 [INPUT]
    error: the transaction must be a JSON object [INPUT]
    error: the transaction is not UTF-8 text [INPUT]
    error: the transaction has a member requestId; give it as --request-id instead [INPUT]
    error: the PSBT must be binary or base64 [INPUT]
    error: the typed data must be a JSON object [INPUT]
    ");
    let ran = fake.run(&["sign", "evm", "/nonexistent", "--yes"]);
    assert_eq!((ran.code, ran.err.starts_with("error: /nonexistent could not be read")), (74, true), "{}", ran.err);
    let long = document(&fake, " ".repeat((4 << 20) + 1));
    assert_eq!(fake.run(&["sign", "evm", &long, "--yes"]).code, 65);
    assert!(fake.calls().is_empty());
}

#[test]
fn sign_reads_standard_input_with_yes() {
    let fake = allowing(ether(), json!({ "raw": "0x02f8" }));
    let file: PathBuf = document(&fake, TRANSACTION).into();
    let line = ["sign", "evm", "-", "--yes", "--request-id", "r"];
    let ran = kmsign().arg("--socket").arg(fake.socket()).args(line).stdin(File::open(file).unwrap()).ran();
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[test]
fn control_characters_of_a_message_never_come_out_raw() {
    let evil = "pay\u{1b}[2J\u{9b}31m\u{202e}me\nSign this? [y/N] y";
    let showing = move |method: &str| {
        let mut found = explained(method, "allow");
        found["summary"]["details"] = json!({ "text": evil, "nested": { evil: [evil] } });
        found["summary"]["warnings"] = json!([evil]);
        found
    };
    let fake = signing(wallet(), showing, json!({ "signature": evil }));
    let file = document(&fake, evil);
    for more in [&[][..], &["--json"]] {
        let line = ["sign", "message", &file, "--wallet", WALLET_ID, "--yes", "--request-id", "r"];
        let ran = fake.run(&[&line, more].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        for text in [&ran.out, &ran.err] {
            assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
            assert!(!text.lines().any(|line| line.starts_with("Sign this?")), "{text}");
        }
    }
}

#[test]
fn sign_message_with_the_daemon_itself() {
    let daemon = Daemon::start();
    let file = daemon.path("letter");
    std::fs::write(&file, "first\nsecond\n").unwrap();
    let one = daemon.wallet("LTC");
    let run = |more: &[&str]| {
        let mut command = kmsign();
        command.arg("--socket").arg(daemon.socket()).args(["sign", "message"]).arg(&file);
        command.args(["--wallet", one["walletId"].as_str().unwrap(), "--yes"]).args(more).stdin(Stdio::null()).ran()
    };
    let ran = run(&["--json", "--request-id", "r"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let result: Value = serde_json::from_str(&ran.out).unwrap();
    let params = json!({ "walletId": one["walletId"], "message": "first\nsecond", "requestId": "r" });
    assert_eq!(result, daemon.ok("utxo_signMessage", params), "the text without its last line break");
    let explanation: Value = serde_json::from_str(ran.err.lines().next().unwrap()).unwrap();
    assert_eq!(explanation["explanation"]["summary"]["details"]["text"], "first\nsecond");

    let ran = run(&["--format", "bip137"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    // Of "first\nsecond", by another program.
    let digest = "SHA-256     4252f8d56b4bb236d0b1bc95a1202e392ca84ce0644bf628398fbb9517287da8";
    assert!(ran.err.contains("text        \"first\\nsecond\"\n") && ran.err.contains(digest), "{}", ran.err);
    assert!(ran.err.contains("LTC testnet"), "{}", ran.err);
    let ran = run(&["--format", "legacy"]);
    assert_eq!(ran.code, 65, "{}", ran.err);
}
