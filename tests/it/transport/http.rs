//! HTTP/1.1 on the same socket, by raw bytes.

use std::sync::Arc;

use kmsignd::transport::{Hooks, Limits, Readiness};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::rig::{Rig, limits};

const ECHO: &str = r#"{"jsonrpc":"2.0","id":1,"method":"echo","params":{"a":"é"}}"#;

fn post(body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn json_of(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// The id and the kind of the error in a body.
fn refusal(body: &str) -> (Value, String) {
    let body = json_of(body);
    (body["id"].clone(), body["error"]["data"]["kind"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn post_is_answered_whatever_its_content_type_and_the_connection_is_kept() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    for header in ["", "content-type: application/json\r\n", "content-type: text/plain\r\n", "Content-Type: x\r\nAccept: */*\r\n"]
    {
        client.send(post(ECHO).replacen("Host", &format!("{header}Host"), 1)).await;
        let (status, head, body) = client.response().await;
        assert_eq!((status, head.contains("content-type: application/json")), (200, true));
        assert_eq!(json_of(&body)["result"]["params"]["a"], "é");
    }
}

#[tokio::test]
async fn post_in_chunks_pieces_or_after_blank_lines_is_answered() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    let (one, two) = ECHO.as_bytes().split_at(20);
    let chunk = |part: &[u8]| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
    client.send("\r\n\r\nPOST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await;
    client.send(chunk(one)).await;
    client.send([chunk(two), b"0\r\n\r\n".to_vec()].concat()).await;
    assert_eq!(client.response().await.0, 200);
    for byte in post(ECHO).bytes() {
        client.send([byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.response().await.0, 200);
}

#[tokio::test]
async fn posts_pipelined_are_answered_in_order() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    client.send((1..=3).map(|id| post(&ECHO.replace("\"id\":1", &format!("\"id\":{id}")))).collect::<String>()).await;
    for id in 1..=3 {
        assert_eq!(json_of(&client.response().await.2)["id"], id);
    }
}

#[tokio::test]
async fn post_of_batch_runs_its_calls_side_by_side() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    client.send(post(r#"[{"jsonrpc":"2.0","id":1,"method":"hold"},{"jsonrpc":"2.0","id":2,"method":"hold"}]"#)).await;
    rig.toys.started(2).await;
    rig.toys.gate.add_permits(2);
    let answers = json_of(&client.response().await.2);
    assert_eq!((&answers[0]["id"], &answers[1]["result"]), (&json!(1), &json!("held")));
}

#[tokio::test]
async fn post_of_notification_has_no_content() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    for body in [r#"{"jsonrpc":"2.0","method":"hold"}"#, r#"[{"jsonrpc":"2.0","method":"hold"}]"#] {
        client.send(post(body)).await;
        let (status, _, body) = client.response().await;
        assert_eq!((status, body.as_str()), (204, ""));
    }
    assert_eq!(*rig.toys.started.borrow(), 0);
}

#[tokio::test]
async fn post_of_bad_json_is_refused_like_on_the_stream() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    for (body, id, kind) in [
        ("", Value::Null, "PARSE_ERROR"),
        ("text", Value::Null, "PARSE_ERROR"),
        ("7", Value::Null, "INVALID_REQUEST"),
        ("\"text\"", Value::Null, "INVALID_REQUEST"),
        (r#"{"jsonrpc":"2.0","id":5,"method":"echo"} trailing"#, json!(5), "PARSE_ERROR"),
        (r#" {"jsonrpc":"2.0","id":5,"method":"nothing"} "#, json!(5), "METHOD_NOT_FOUND"),
        (r#"{"jsonrpc":"2.0","id":5,"method":"echo""#, json!(5), "PARSE_ERROR"),
    ] {
        client.send(post(body)).await;
        let (status, _, answer) = client.response().await;
        assert_eq!((status, refusal(&answer)), (200, (id, kind.to_owned())), "{body}");
    }
}

#[tokio::test]
async fn body_over_the_limit_is_413_with_its_id() {
    let rig = Rig::new(Limits { max_message_bytes: 1000, ..limits() });
    let body = format!(r#"{{"jsonrpc":"2.0","method":"echo","params":["{}"],"id":6}}"#, "x".repeat(500_000));
    let chunked = format!("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for request in [post(&body), chunked] {
        let mut client = rig.connect().await;
        client.send(request).await;
        let (status, _, answer) = client.response().await;
        assert_eq!((status, refusal(&answer)), (413, (json!(6), "INVALID_REQUEST".to_owned())));
    }
    let mut client = rig.connect().await;
    client.send("POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 1001\r\n\r\n").await;
    assert_eq!(client.response().await.0, 413);
    let mut client = rig.connect().await;
    client.send(format!("POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n", ECHO.len())).await;
    assert_eq!(client.response().await.0, 100);
    client.send(ECHO).await;
    assert_eq!(client.response().await.0, 200);
}

#[tokio::test]
async fn body_not_finished_in_time_is_408_with_its_id() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    client.send("POST / HTTP/1.1\r\ncontent-length: 100\r\n\r\n{\"id\":7,").await;
    let (status, _, answer) = client.response().await;
    assert_eq!((status, refusal(&answer)), (408, (json!(7), "PARSE_ERROR".to_owned())));
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn head_not_finished_in_time_closes_the_connection() {
    let rig = Rig::new(limits());
    for begun in ["P", "GET /healthz HTTP/1.1\r\nhost:"] {
        let mut client = rig.connect().await;
        client.send(begun).await;
        assert!(!client.rest().await.contains("200"));
    }
}

#[tokio::test]
async fn head_of_no_http_is_refused() {
    let rig = Rig::new(limits());
    for bytes in ["\"text\"\r\n\r\n", "\x16\x03\x01\r\n\r\n", "HELLO\r\n\r\n"] {
        let mut client = rig.connect().await;
        client.send(bytes).await;
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{bytes:?}: {answer}");
    }
}

#[tokio::test]
async fn pages_tell_how_the_daemon_is() {
    let ready = Arc::new(std::sync::Mutex::new(Readiness { ready: true, reasons: Vec::new() }));
    let answer = Arc::clone(&ready);
    let hooks = Hooks {
        ready: Arc::new(move || answer.lock().unwrap().clone()),
        metrics: Arc::new(|| "kmsignd_up 1\n".to_owned()),
        ..Hooks::default()
    };
    let rig = Rig::with_hooks(limits(), hooks);
    let mut client = rig.connect().await;
    let mut get = async |path: &str| {
        client.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        client.response().await
    };
    assert_eq!(get("/healthz").await.0, 200);
    let (status, _, body) = get("/readyz").await;
    assert_eq!((status, json_of(&body)), (200, json!({"ready": true, "reasons": []})));
    *ready.lock().unwrap() = Readiness { ready: false, reasons: vec!["the audit can't be written".to_owned()] };
    let (status, _, body) = get("/readyz?verbose").await;
    assert_eq!((status, json_of(&body)), (503, json!({"ready": false, "reasons": ["the audit can't be written"]})));
    let (status, head, body) = get("/metrics").await;
    assert_eq!((status, body.as_str()), (200, "kmsignd_up 1\n"));
    assert!(head.contains("content-type: text/plain; version=0.0.4"));
}

#[tokio::test]
async fn wrong_path_or_method_is_refused_with_json() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    for (request, expected, allow) in [
        ("GET /", 405, "allow: post"),
        ("PUT /", 405, "allow: post"),
        ("POST /metrics", 405, "allow: get, head"),
        ("DELETE /healthz", 405, "allow: get, head"),
        ("GET /nothing", 404, ""),
        ("POST /rpc", 404, ""),
    ] {
        client.send(format!("{request} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")).await;
        let (status, head, body) = client.response().await;
        assert_eq!((status, head.contains(allow)), (expected, true), "{request}: {head}");
        assert_eq!(refusal(&body), (Value::Null, "INVALID_REQUEST".to_owned()));
    }
}

#[tokio::test]
async fn client_that_ends_its_stream_still_gets_its_answer() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    client.send(post(&ECHO.replace("echo", "hold"))).await;
    client.stream.shutdown().await.unwrap();
    rig.toys.started(1).await;
    rig.toys.gate.add_permits(1);
    assert_eq!(json_of(&client.response().await.2)["result"], "held");
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn call_whose_client_hangs_up_runs_to_its_end() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    client.send(post(&ECHO.replace("echo", "hold"))).await;
    rig.toys.started(1).await;
    drop(client);
    rig.connect().await.assert_alive().await;
    rig.toys.gate.add_permits(1);
    rig.toys.ended(1).await;
}

#[tokio::test]
async fn client_that_takes_no_answer_is_closed() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    let big = format!("[{}]", [r#"{"jsonrpc":"2.0","id":1,"method":"big"}"#; 20].join(","));
    client.send(post(&big)).await;
    // Read only after the server has given up, which shows by its closing the stream in the middle of the answer.
    let closed = async {
        while client.stream.ready(tokio::io::Interest::WRITABLE).await.unwrap().is_write_closed().then_some(()).is_none() {
            tokio::task::yield_now().await;
        }
    };
    super::rig::in_time(closed).await;
    assert!(client.rest().await.len() < 20 << 20);
}
