//! What `kmsign` sends, and how answers read.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use super::{ARN, Fake, Run, Seat, WALLET_ID, kmsign, wallet};

#[test]
fn wallet_create_prints_the_wallet_and_tells_the_key_it_made() {
    let fake = Fake::answering(|_, _| Ok(wallet()));
    let ran =
        fake.run(&["wallet", "create", "--user", "user123", "--asset", "BTC", "--address-type", "p2wpkh", "--label", "a b"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    insta::assert_snapshot!(ran.out, @r"
    wallet        0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60
    user          user123
    asset         BTC mainnet
    address       bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4
    address type  p2wpkh
    status        CREATED
    label         -
    key           arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab
    key spec      ECC_SECG_P256K1
    public key    0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798
    created       2026-01-15T10:30:00Z
    version       3
    ");
    let (method, mut params) = fake.calls().remove(0);
    let key = params.as_object_mut().unwrap().remove("idempotencyKey").unwrap();
    assert_eq!(method, "wallet_create");
    assert_eq!(params, json!({ "userId": "user123", "asset": "BTC", "addressType": "p2wpkh", "label": "a b" }));
    assert_eq!(ran.err, format!("note: --idempotency-key {} makes this safe to repeat\n", key.as_str().unwrap()));
}

#[test]
fn wallet_create_with_a_stake_wallet_sends_and_shows_it() {
    let mut base = wallet();
    base["stakeWalletId"] = json!(WALLET_ID);
    let fake = Fake::answering(move |_, _| Ok(base.clone()));
    let ran =
        fake.run(&["wallet", "create", "--user", "u", "--asset", "ADA", "--stake-wallet", WALLET_ID, "--idempotency-key", "k"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains(&format!("stake wallet  {WALLET_ID}")), "{}", ran.out);
    assert_eq!(
        fake.calls(),
        [(
            "wallet_create".to_owned(),
            json!({ "userId": "u", "asset": "ADA", "stakeWalletId": WALLET_ID, "idempotencyKey": "k" })
        )]
    );
    let ran = fake.run(&["wallet", "create", "--user", "u", "--asset", "ADA", "--stake-wallet", "addr1x"]);
    assert_eq!((ran.code, fake.calls().len()), (65, 1), "{}", ran.err);
}

#[test]
fn wallet_create_with_a_key_sends_it_and_says_nothing_more() {
    let fake = Fake::answering(|_, _| Ok(wallet()));
    let ran = fake.run(&[
        "--json",
        "wallet",
        "create",
        "--user",
        "u",
        "--asset",
        "ETH",
        "--idempotency-key",
        "k",
        "--on-behalf-of",
        "x",
    ]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(ran.out, format!("{}\n", wallet()));
    assert_eq!(
        fake.calls(),
        [("wallet_create".to_owned(), json!({ "userId": "u", "asset": "ETH", "onBehalfOf": "x", "idempotencyKey": "k" }))]
    );
}

#[test]
fn wallet_get_names_the_wallet_by_the_form_of_its_name() {
    let fake = Fake::answering(|_, _| Ok(wallet()));
    let address = "0x52908400098527886E0F7030069857D2E4169EE7";
    for line in [&["wallet", "get", WALLET_ID][..], &["wallet", "get", ARN], &["wallet", "get", address, "--asset", "ETH"]] {
        assert_eq!(fake.run(line).code, 0);
    }
    let params: Vec<_> = fake.calls().into_iter().map(|(_, params)| params).collect();
    assert_eq!(
        params,
        [
            json!({ "walletId": WALLET_ID }),
            json!({ "kmsKeyId": ARN }),
            json!({ "address": address, "asset": "ETH", "network": null })
        ]
    );
    let ran = fake.run(&["wallet", "get", WALLET_ID, "--asset", "ETH"]);
    assert_eq!((ran.code, fake.calls().len()), (64, 3), "{}", ran.err);
}

/// Three pages of one wallet each.
fn paged() -> Fake {
    Fake::answering(|_, params| {
        let page: u64 = params["cursor"].as_str().map_or(0, |cursor| cursor.parse().unwrap());
        let mut one = wallet();
        one["label"] = json!(format!("page {page}"));
        Ok(json!({ "wallets": [one], "nextCursor": (page < 2).then(|| (page + 1).to_string()) }))
    })
}

#[test]
fn wallet_list_shows_a_page_and_says_that_there_is_more() {
    let fake = paged();
    let ran = fake.run(&["wallet", "list", "--asset", "BTC", "--status", "CREATED", "--limit", "1"]);
    insta::assert_snapshot!(ran.out, @r"
    WALLET                                ASSET  NETWORK  STATUS   ADDRESS                                     USER     LABEL
    0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60  BTC    mainnet  CREATED  bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4  user123  page 0
    ");
    assert_eq!((ran.code, ran.err.as_str()), (0, "note: there are more: --all lists them\n"));
    assert_eq!(fake.calls(), [("wallet_list".to_owned(), json!({ "asset": "BTC", "status": "CREATED", "limit": 1 }))]);
}

#[test]
fn wallet_list_of_all_follows_the_cursors() {
    let fake = paged();
    let ran = fake.run(&["wallet", "list", "--all"]);
    assert_eq!((ran.code, ran.out.lines().count(), ran.err.as_str()), (0, 4, ""));
    let ran = fake.run(&["wallet", "list", "--all", "--json"]);
    let pages: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(pages.len(), 3);
    assert_eq!(pages[2]["nextCursor"], Value::Null);
    assert_eq!(fake.calls()[2].1, json!({ "limit": 1000, "cursor": "2" }));
}

#[test]
fn wallet_list_with_cursors_in_a_circle_ends() {
    let fake = Fake::answering(|_, _| Ok(json!({ "wallets": [], "nextCursor": "same" })));
    let ran = fake.run(&["wallet", "list", "--all"]);
    assert_eq!(ran.code, 76, "{}", ran.err);
}

#[test]
fn key_sign_asks_the_wallet_for_its_key_and_reads_the_digest_from_standard_input() {
    let digest = "ab".repeat(32);
    let fake = Fake::answering(|method, _| match method {
        "wallet_get" => Ok(wallet()),
        _ => Ok(json!({ "keyId": ARN, "signature": "11".repeat(64), "recoveryId": 1, "der": "30", "publicKey": "02" })),
    });
    let mut child = kmsign()
        .arg("--socket")
        .arg(fake.socket())
        .args(["key", "sign", WALLET_ID, "-", "--request-id", "r1", "--on-behalf-of", "user 7"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "0x{digest}").unwrap();
    let output = child.wait_with_output().unwrap();
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @r"
    signature    11111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111
    recovery id  1
    der          30
    public key   02
    key          arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab
    ");
    let params = json!({ "keyId": ARN, "transactionHash": digest, "requestId": "r1", "onBehalfOf": "user 7" });
    assert_eq!(fake.calls()[1], ("kms_signTransactionHash".to_owned(), params));
}

#[test]
fn key_sign_of_a_wrong_digest_sends_nothing() {
    let fake = Fake::answering(|_, _| Ok(wallet()));
    for bytes in [0, 31, 33, 64] {
        let ran = fake.run(&["key", "sign", WALLET_ID, &"ab".repeat(bytes)]);
        assert_eq!(ran.code, 65, "{}", ran.err);
        assert!(ran.err.contains(&format!("got {bytes} bytes")), "{}", ran.err);
    }
    let ran = fake.run(&["key", "sign", WALLET_ID, "-"]);
    assert_eq!(ran.code, 65, "{}", ran.err);
    assert!(ran.err.starts_with("error: the digest must be 32 bytes of hex"), "{}", ran.err);
    assert!(fake.calls().is_empty());
}

#[test]
fn wallet_disable_and_enable_send_reason_and_id_and_show_the_wallet() {
    for (word, method, status) in [("disable", "wallet_disable", "DISABLED"), ("enable", "wallet_enable", "CREATED")] {
        let fake = Fake::answering(move |_, _| {
            let mut one = wallet();
            one["status"] = json!(status);
            Ok(one)
        });
        let ran = fake.run(&["wallet", word, WALLET_ID, "--reason", "a b", "--request-id", "r1", "--on-behalf-of", "user 7"]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        assert!(ran.out.contains(&format!("status        {status}\n")), "{}", ran.out);
        let params = json!({ "walletId": WALLET_ID, "reason": "a b", "requestId": "r1", "onBehalfOf": "user 7" });
        assert_eq!(fake.calls(), [(method.to_owned(), params)]);
        let ran = fake.run(&["wallet", word, WALLET_ID]);
        assert_eq!((ran.code, fake.calls().len()), (64, 1), "a reason is needed: {}", ran.err);
        let ran = fake.run(&["wallet", word, WALLET_ID, "--reason", "x"]);
        let id = fake.calls()[1].1["requestId"].take();
        assert_eq!(ran.err, format!("note: --request-id {} makes this safe to repeat\n", id.as_str().unwrap()));
    }
}

/// A daemon with one wallet whose key can be deleted.
fn with_a_key() -> Fake {
    Fake::answering(|method, _| match method {
        "kms_deleteKey" => Ok(json!({ "keyId": ARN, "status": "PENDING_DELETION", "deletionDate": "2026-02-14T10:30:00Z" })),
        "kms_cancelKeyDeletion" => {
            let mut one = wallet();
            one["status"] = json!("DISABLED");
            Ok(one)
        }
        _ => Ok(wallet()),
    })
}

#[test]
fn key_delete_sends_the_address_that_was_given() {
    let fake = with_a_key();
    let address = wallet()["address"].take();
    let line =
        ["key", "delete", ARN, "--confirm", address.as_str().unwrap(), "--window", "30", "--reason", "gone", "--request-id", "r"];
    let ran = fake.run(&line);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    insta::assert_snapshot!(ran.out, @r"
    key         arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab
    status      PENDING_DELETION
    deleted at  2026-02-14T10:30:00Z
    ");
    let params = json!({ "keyId": ARN, "confirm": address, "pendingWindowInDays": 30, "reason": "gone", "requestId": "r" });
    assert_eq!(fake.calls(), [("kms_deleteKey".to_owned(), params)]);
    for days in ["6", "31"] {
        let ran = fake.run(&["key", "delete", ARN, "--confirm", "x", "--window", days]);
        assert_eq!((ran.code, fake.calls().len()), (65, 1), "{}", ran.err);
    }
}

#[test]
fn key_delete_without_an_address_and_without_a_terminal_sends_nothing() {
    let fake = with_a_key();
    let ran = fake.run(&["key", "delete", WALLET_ID]);
    assert_eq!(ran.code, 64, "{}", ran.err);
    assert!(ran.err.contains("--confirm ADDRESS"), "{}", ran.err);
    assert!(fake.calls().is_empty());
}

#[test]
fn key_delete_on_a_terminal_has_the_address_typed_back() {
    let address = wallet()["address"].as_str().unwrap().to_owned();
    for (typed, code, deleted) in [(address.clone(), 0, true), (address.to_uppercase(), 65, false), (String::new(), 65, false)] {
        let fake = with_a_key();
        let mut seat = Seat::sit(&fake, 80, &format!("{address}\n"), &["key", "delete", WALLET_ID]);
        assert!(seat.sees("address to go on: "), "{typed}");
        seat.types(&typed);
        let (ran, screen) = seat.ends();
        assert_eq!(ran.code, code, "{typed}: {screen}");
        let calls = fake.calls();
        let deletions: Vec<_> = calls.iter().filter(|(method, _)| method == "kms_deleteKey").collect();
        assert_eq!(deletions.len(), usize::from(deleted), "{typed}: {calls:?}");
        assert!(deletions.iter().all(|(_, params)| params["confirm"] == *address && params["keyId"] == ARN), "{calls:?}");
    }
}

#[test]
fn key_cancel_deletion_shows_the_wallet() {
    let fake = with_a_key();
    let ran = fake.run(&["key", "cancel-deletion", WALLET_ID, "--request-id", "r"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("DISABLED"), "{}", ran.out);
    assert_eq!(fake.calls()[1], ("kms_cancelKeyDeletion".to_owned(), json!({ "keyId": ARN, "requestId": "r" })));
}

#[test]
fn wallet_verify_of_a_disabled_key_says_that_kms_shows_no_public_key() {
    let fake = Fake::answering(|_, _| {
        Ok(json!({ "walletId": WALLET_ID, "keyState": "Disabled", "publicKeyMatches": null, "addressMatches": true,
                   "signatureVerified": false, "checkedAt": "2026-01-15T10:30:00Z" }))
    });
    let ran = fake.run(&["wallet", "verify", WALLET_ID]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    assert!(ran.out.contains("public key matches  not shown by KMS\n"), "{}", ran.out);
}

#[test]
fn verdicts_that_are_a_no_exit_with_1() {
    let cases = [
        (&["address", "validate", "BTC", "bc1x"][..], json!({ "valid": false, "reason": "the address has a bad checksum" })),
        (&["audit", "verify"], json!({ "records": 9, "head": { "sequence": 9, "hash": "aa" }, "ok": false, "firstBad": 4 })),
        (
            &["policy", "explain", "admin_reload"],
            json!({ "decision": "deny", "policies": [], "summary": { "reason": "none permits" } }),
        ),
        (
            &["wallet", "verify", WALLET_ID],
            json!({ "walletId": WALLET_ID, "keyState": "Disabled", "publicKeyMatches": true, "addressMatches": true,
                    "signatureVerified": false, "checkedAt": "2026-01-15T10:30:00Z" }),
        ),
        (&["status"], json!({ "version": "0.1.0", "ready": false, "reasons": ["KMS does not answer"] })),
    ];
    let mut shown = String::new();
    for (line, answer) in cases {
        let fake = Fake::answering(move |_, _| Ok(answer.clone()));
        let ran = fake.run(line);
        assert_eq!((ran.code, ran.err.as_str()), (1, ""), "{line:?}");
        shown.push_str(&ran.out);
        shown.push('\n');
    }
    insta::assert_snapshot!(shown, @r"
    verdict  not valid
    reason   the address has a bad checksum

    chain    BROKEN from record 4 on
    records  9
    head     9 aa

    decision     deny
    by policies  none
    reason       none permits

    wallet              0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60
    key state           Disabled
    public key matches  yes
    address matches     yes
    signature verified  no
    checked             2026-01-15T10:30:00Z

    ready    no
    version  0.1.0
    reasons  KMS does not answer
    ");
}

#[test]
fn status_shows_members_that_this_kmsign_does_not_know() {
    let fake = Fake::answering(|_, _| {
        Ok(json!({ "version": "9.0.0", "uptimeSeconds": 61, "ready": true, "reasons": [],
                   "kms": [{ "region": "eu-central-1", "answers": true }], "wallets": { "CREATED": 2, "PENDING": 1 }, "newThing": { "a": 1 } }))
    });
    let ran = fake.run(&["status"]);
    assert_eq!(ran.code, 0);
    insta::assert_snapshot!(ran.out, @r"
    ready           yes
    version         9.0.0
    uptime seconds  61
    reasons         -
    kms             region eu-central-1, answers yes
    wallets         CREATED 2, PENDING 1
    new thing       a 1
    ");
}

#[test]
fn reads_show_what_the_daemon_says() {
    let cases = [
        (
            &["wallet", "addresses", WALLET_ID][..],
            json!({ "walletId": WALLET_ID, "addresses": [{ "addressType": "p2wpkh", "address": "bc1q" }, { "addressType": "p2sh-p2wpkh", "address": "3J" }] }),
        ),
        (&["key", "public", ARN], json!({ "keyId": ARN, "publicKey": "02", "spki": "MFYw", "keySpec": "ECC_SECG_P256K1" })),
        (
            &["address", "validate", "ETH", "0x1", "--network", "sepolia"],
            json!({ "valid": true, "addressType": "eip55", "address": "0x1" }),
        ),
        (&["audit", "verify"], json!({ "records": 9, "head": { "sequence": 9, "hash": "aa" }, "ok": true })),
        (
            &["policy", "explain", "wallet_list", "{\"limit\": 1}"],
            json!({ "decision": "allow", "policies": ["use"], "summary": { "method": "wallet_list", "action": "read", "effects": [] } }),
        ),
        (&["admin", "reload"], json!({ "changes": [{ "key": "socket.path", "needsRestart": true }], "policyDigest": "ff" })),
        (&["call", "eth_chainId"], json!("0x1")),
    ];
    let mut shown = String::new();
    for (line, answer) in cases {
        let fake = Fake::answering(move |_, _| Ok(answer.clone()));
        let ran = fake.run(line);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{line:?}");
        shown.push_str(&format!("{} {}\n{}\n", fake.calls()[0].0, fake.calls()[0].1, ran.out));
    }
    insta::assert_snapshot!(shown, @r#"
    wallet_addresses {"walletId":"0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60"}
    TYPE         ADDRESS
    p2wpkh       bc1q
    p2sh-p2wpkh  3J

    kms_getPublicKey {"keyId":"arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}
    key         arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab
    key spec    ECC_SECG_P256K1
    public key  02
    spki        MFYw

    address_validate {"asset":"ETH","address":"0x1","network":"sepolia"}
    verdict       valid
    address       0x1
    address type  eip55

    audit_verify {}
    chain    holds
    records  9
    head     9 aa

    policy_explain {"method":"wallet_list","params":{"limit":1}}
    decision     allow
    by policies  use
    method       wallet_list
    action       read
    effects      -

    admin_reload {}
    policy digest  ff
    socket.path    after a restart

    eth_chainId null
    "0x1"
    "#);
}

#[test]
fn audit_tail_prints_lines_in_fixed_columns() {
    let fake = Fake::answering(|_, _| Ok(audit(&[1, 2])));
    let ran = fake.run(&["audit", "tail", "--after", "0", "--limit", "2"]);
    assert_eq!(fake.calls()[0].1, json!({ "afterSequence": 0, "limit": 2 }));
    insta::assert_snapshot!(ran.out, @r"
    SEQUENCE  AT                        KIND      RESULT          METHOD                      UID  WALLET                                DETAIL
           1  2026-01-15T10:30:00.123Z  intent    allow           wallet_create              1000  0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60
           2  2026-01-15T10:30:00.456Z  start     -               -                             -  -                                     boot; kmsignd 0.1.0
    ");
}

#[test]
fn audit_tail_that_follows_prints_each_record_once() {
    // The last answer hangs up, so that the run ends.
    let fake = Fake::start(|request, stream| {
        let answer = match request["params"]["afterSequence"].as_u64() {
            None => audit(&[1, 2]),
            Some(2) => audit(&[3]),
            Some(_) => return false,
        };
        writeln!(stream, "{}", json!({ "jsonrpc": "2.0", "id": request["id"], "result": answer })).is_ok()
    });
    let ran = fake.run(&["audit", "tail", "--follow"]);
    assert_eq!(ran.code, 75, "{}", ran.err);
    let sequences: Vec<_> = ran.out.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(sequences, ["SEQUENCE", "1", "2", "3"]);
}

fn audit(sequences: &[u64]) -> Value {
    let record = |sequence: &u64| {
        if sequence % 2 == 1 {
            json!({ "sequence": sequence, "at": "2026-01-15T10:30:00.123Z", "kind": "intent", "method": "wallet_create",
                    "caller": { "uid": 1000, "gid": 1000, "groups": [], "pid": null, "executable": null, "unit": null },
                    "walletId": WALLET_ID, "decision": { "effect": "allow", "policies": ["use"], "policyDigest": "ff" }, "hash": "aa" })
        } else {
            json!({ "sequence": sequence, "at": "2026-01-15T10:30:00.456Z", "kind": "start", "reason": "boot", "detail": "kmsignd 0.1.0", "hash": "bb" })
        }
    };
    let records: Vec<_> = sequences.iter().map(record).collect();
    json!({ "records": records, "head": { "sequence": sequences.last(), "hash": "bb" } })
}

#[test]
fn control_characters_from_the_daemon_never_come_out_raw() {
    let evil = "x\u{1b}]0;y\u{7}\u{9b}31m\u{202e}z";
    let fake = Fake::answering(move |_, _| {
        let mut one = wallet();
        one["label"] = json!(evil);
        one["status"] = json!(evil);
        Ok(json!({ "wallets": [one], "nextCursor": null }))
    });
    let is_raw = |text: &str| text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}');
    let people = fake.run(&["wallet", "list"]);
    let json = fake.run(&["wallet", "list", "--json"]);
    assert!(!is_raw(&people.out) && !is_raw(&json.out), "{:?} {:?}", people.out, json.out);
    assert_eq!(serde_json::from_str::<Value>(&json.out).unwrap()["wallets"][0]["label"], json!(evil));
    let fake = Fake::answering(move |_, _| Err(json!({ "code": 1, "message": evil, "data": { "kind": evil, "retry": evil } })));
    for line in [&["status"][..], &["status", "--json"]] {
        let ran = fake.run(line);
        assert!(!is_raw(&ran.err), "{}", ran.err);
    }
}

#[test]
fn output_to_a_reader_that_left_is_no_error() {
    let fake = paged();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = kmsign().arg("--socket").arg(fake.socket()).args(["wallet", "list"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn socket_is_taken_from_the_environment() {
    let fake = Fake::answering(|_, _| Ok(json!("0x1")));
    let ran = kmsign().env("KMSIGN_SOCKET", fake.socket()).args(["call", "eth_chainId"]).ran();
    assert_eq!((ran.code, ran.out.as_str()), (0, "\"0x1\"\n"));
}
