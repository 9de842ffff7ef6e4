//! Error paths: what is told, and the exit code.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use kmsignd::rpc::error_codes::{Kind, RpcError};
use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, UnixAddr};
use serde_json::{Value, json};

use super::{ARN, Fake, Ran, Run, WALLET_ID, kmsign};

fn status_of(socket: &Path) -> Ran {
    kmsign().arg("--socket").arg(socket).arg("status").ran()
}

#[test]
fn no_daemon_exits_with_69_and_says_how_to_start_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("none");
    let ran = status_of(&path);
    assert_eq!(ran.code, 69);
    insta::assert_snapshot!(ran.err.replace(path.to_str().unwrap(), "SOCKET"), @r"
    error: kmsignd cannot be reached at SOCKET: No such file or directory (os error 2) [NO_DAEMON]
      next: is kmsignd running? systemctl status kmsignd; to try it without installing: kmsignd dev
      next: a daemon elsewhere is named by --socket PATH or KMSIGN_SOCKET
    ");

    let stale = directory.path().join("stale");
    drop(UnixListener::bind(&stale).unwrap());
    assert_eq!(status_of(&stale).code, 69);
    let long = directory.path().join("x".repeat(200));
    assert_eq!(status_of(&long).code, 69);
}

#[test]
fn a_socket_that_lets_nobody_in_exits_with_77_and_names_the_group() {
    const NOBODY: u32 = 65534;
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let _listener = UnixListener::bind(at("s")).unwrap();
    mode(&at("s"), 0o000);
    mode(directory.path(), 0o755);
    std::fs::copy(env!("CARGO_BIN_EXE_kmsign"), at("kmsign")).unwrap();
    let mut command = Command::new(at("kmsign"));
    // Root is let in by every socket.
    if nix::unistd::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let ran = command.arg("--socket").arg(at("s")).arg("status").ran();
    assert_eq!(ran.code, 77, "{}", ran.err);
    assert!(ran.err.contains("NO_PERMISSION") && ran.err.contains("members of the group"), "{}", ran.err);
}

#[test]
fn garbage_in_place_of_an_answer_exits_with_76() {
    let garbage: [&[u8]; 9] = [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\n",
        b"{}\n",
        b"[]\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":1}\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":1}\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1,\"error\":{\"code\":1,\"message\":\"m\"}}\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":\"text\"}\n",
        b"\xff\xfe\x1b[31m\n",
    ];
    for bytes in garbage {
        let fake = Fake::start(move |_, stream| stream.write_all(bytes).is_ok());
        for line in [&["status"][..], &["call", "x"]] {
            let ran = fake.run(line);
            assert_eq!((ran.code, ran.out.as_str()), (76, ""), "{bytes:?} {}", ran.err);
            assert!(ran.err.starts_with("error: ") && !ran.err.contains('\u{1b}'), "{}", ran.err);
        }
    }
}

#[test]
fn a_result_of_another_form_exits_with_76() {
    let fake = Fake::answering(|_, _| Ok(json!({ "walletId": 5 })));
    assert_eq!(fake.run(&["wallet", "get", WALLET_ID]).code, 76);
}

#[test]
fn a_null_result_is_a_result() {
    let fake = Fake::answering(|_, _| Ok(Value::Null));
    let ran = fake.run(&["call", "x"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "null\n"), "{}", ran.err);
}

#[test]
fn an_endless_answer_is_cut_off() {
    let fake = Fake::start(|_, stream| {
        let chunk = vec![b'x'; 1 << 20];
        while stream.write_all(&chunk).is_ok() {}
        false
    });
    let ran = fake.run(&["status"]);
    assert_eq!(ran.code, 76, "{}", ran.err);
    assert!(ran.err.contains("longer than 64 MiB"), "{}", ran.err);
}

#[test]
fn silence_ends_at_the_timeout() {
    let fake = Fake::start(|_, _| true);
    let started = Instant::now();
    let ran = fake.run(&["--timeout", "1", "key", "sign", ARN, &"ab".repeat(32), "--request-id", "r"]);
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(ran.code, 75);
    insta::assert_snapshot!(fake.without_path(&ran.err).replace(env!("CARGO_BIN_EXE_kmsign"), "kmsign"), @r"
    error: kmsignd did not answer within 1 s [TIMED_OUT]
      next: it may have happened, so repeat exactly this: kmsign --socket SOCKET --timeout 1 key sign arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab abababababababababababababababababababababababababababababababab --request-id r
      next: if KMS is slow, wait longer with --timeout SECONDS
    ");
}

#[test]
fn a_full_queue_of_connections_ends_at_the_timeout() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let address = UnixAddr::new(&path).unwrap();
    let socket = |flags| socket::socket(AddressFamily::Unix, SockType::Stream, flags, None).unwrap();
    let listener = socket(SockFlag::empty());
    socket::bind(listener.as_raw_fd(), &address).unwrap();
    socket::listen(&listener, Backlog::new(1).unwrap()).unwrap();
    let mut queued = Vec::new();
    let full = loop {
        queued.push(socket(SockFlag::SOCK_NONBLOCK));
        if let Err(errno) = socket::connect(queued.last().unwrap().as_raw_fd(), &address) {
            break errno;
        }
    };
    assert_eq!(full, Errno::EAGAIN);
    let ran = kmsign().arg("--socket").arg(&path).args(["--timeout", "1", "status"]).ran();
    assert_eq!(ran.code, 75, "{}", ran.err);
}

#[test]
fn a_trickle_ends_at_the_timeout_too() {
    let fake = Fake::start(|_, stream| {
        // One byte for each 50 ms in which the client does not hang up.
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        while stream.write_all(b" ").is_ok() && !matches!(stream.read(&mut [0]), Ok(0)) {}
        false
    });
    let ran = fake.run(&["--timeout", "1", "status"]);
    assert_eq!(ran.code, 75, "{}", ran.err);
}

#[test]
fn a_hang_up_before_the_answer_exits_with_75() {
    for part in ["", "{\"jsonrpc\":\"2.0\",\"id\":1,"] {
        let fake = Fake::start(move |_, stream| stream.write_all(part.as_bytes()).is_err());
        let ran = fake.run(&["wallet", "create", "--user", "u", "--asset", "ETH", "--idempotency-key", "k 1"]);
        assert_eq!(ran.code, 75);
        assert!(ran.err.contains("CONNECTION_LOST") && ran.err.contains("--idempotency-key 'k 1'"), "{}", ran.err);
    }
}

#[test]
fn an_error_without_an_id_is_told() {
    let fake = Fake::start(|_, stream| {
        let error = RpcError::new(Kind::Overloaded, "too many connections").with("retryAfterMs", 100).into_object();
        writeln!(stream, "{}", json!({ "jsonrpc": "2.0", "id": null, "error": error })).is_ok()
    });
    let ran = fake.run(&["status"]);
    assert_eq!(ran.code, 75);
    insta::assert_snapshot!(ran.err, @r"
    error: too many connections [OVERLOADED]
      next: try again in 100 ms
    ");
}

#[test]
fn every_kind_of_error_has_its_exit_code_and_its_next_step() {
    let mut table = String::new();
    for kind in Kind::ALL {
        let error = RpcError::new(*kind, "what happened")
            .with("field", "asset")
            .with("rule", "max_fee")
            .with("retryAfterMs", 250)
            .with("requestId", "r9")
            .with("approvalId", "a1");
        let error = serde_json::to_value(error.into_object()).unwrap();
        let fake = Fake::answering(move |_, _| Err(error.clone()));
        let ran = fake.run(&["key", "sign", ARN, &"ab".repeat(32), "--request-id", "r"]);
        let err = fake.without_path(&ran.err).replace(env!("CARGO_BIN_EXE_kmsign"), "kmsign");
        assert!(err.starts_with(&format!("error: what happened [{}]\n", kind.as_str())), "{err}");
        let next: Vec<_> = err.lines().skip(1).map(|line| line.trim_start().trim_start_matches("next: ")).collect();
        let row = format!("{} {} {}", ran.code, kind.as_str(), next.join(" | "));
        table.push_str(row.trim_end());
        table.push('\n');
    }
    insta::assert_snapshot!(table, @r#"
    65 PARSE_ERROR
    65 INVALID_REQUEST
    64 METHOD_NOT_FOUND kmsign --socket SOCKET call rpc.discover lists the methods
    65 INVALID_PARAMS
    70 INTERNAL journalctl -u kmsignd, under the request r9
    1 NOT_FOUND kmsign --socket SOCKET wallet list
    69 KMS_UNAVAILABLE try again in 250 ms; is KMS well? kmsign --socket SOCKET status
    69 STORE_UNAVAILABLE is the disk full? systemctl status kmsignd; journalctl -u kmsignd
    69 AUDIT_UNAVAILABLE is the disk full? systemctl status kmsignd; journalctl -u kmsignd
    75 SHUTTING_DOWN try again once it runs: systemctl status kmsignd
    75 KMS_OUTCOME_UNKNOWN it may have happened, so repeat exactly this: kmsign --socket SOCKET key sign arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab abababababababababababababababababababababababababababababababab --request-id r
    1 TRANSACTION_REFUSED the rule is max_fee; a transaction that keeps it may pass
    64 METHOD_NOT_SUPPORTED
    75 RATE_LIMITED try again in 250 ms
    75 OVERLOADED try again in 250 ms
    77 DENIED kmsign --socket SOCKET policy explain kms_signTransactionHash '{"keyId":"arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab","transactionHash":"abababababababababababababababababababababababababababababababab","requestId":"r"}'
    75 APPROVAL_REQUIRED a second person has to approve a1; then repeat the same command with the same id
    1 CONFLICT take a new --request-id, or none to have one made
    75 FROZEN kmsign --socket SOCKET freeze list shows what is frozen and why
    1 KEY_NOT_USABLE kmsign --socket SOCKET wallet list shows the state of each wallet
    1 KMS_REFUSED give the daemon's AWS identity the permission that the message names
    70 SIGNATURE_INVALID do not repeat it; tell who runs the daemon at once
    "#);
}

#[test]
fn an_error_in_json_is_one_line_with_the_daemons_own_object() {
    let error = json!({ "code": 4100, "message": "no", "data": { "kind": "DENIED", "retry": "never", "policyId": "p" } });
    let answer = error.clone();
    let fake = Fake::answering(move |_, _| Err(answer.clone()));
    let ran = fake.run(&["--json", "wallet", "get", WALLET_ID]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.lines().count()), (77, "", 1));
    let told: Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(told["error"], error);
    assert!(told["next"].as_str().unwrap().contains("policy explain wallet_get"), "{told}");

    let ran = kmsign().args(["--json", "--socket", "/nonexistent/s", "status"]).ran();
    let told: Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!((ran.code, &told["error"]["data"]["kind"]), (69, &json!("NO_DAEMON")));
}

#[test]
fn json_of_a_made_key_is_on_standard_error_before_the_call() {
    let fake = Fake::start(|_, _| false);
    let ran = fake.run(&["--json", "wallet", "create", "--user", "u", "--asset", "ETH"]);
    let lines: Vec<Value> = ran.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["idempotencyKey"], fake.calls()[0].1["idempotencyKey"]);
    assert_eq!(lines[1]["error"]["data"]["kind"], json!("CONNECTION_LOST"));
}

#[test]
fn a_wrong_command_line_exits_with_64_and_help_with_0() {
    let code = |line: &[&str]| kmsign().args(line).ran().code;
    assert_eq!(code(&["wallet", "destroy"]), 64);
    assert_eq!(code(&[]), 64);
    assert_eq!(code(&["wallet", "list", "--limit", "x"]), 65);
    for line in [&["--help"][..], &["--version"], &["wallet", "create", "--help"]] {
        assert_eq!(code(line), 0, "{line:?}");
    }
}
