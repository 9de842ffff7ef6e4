//! The stream framing: what is a message, what is answered, and in what order.

use serde_json::{Value, json};

use super::rig::{Rig, limits};

const ECHO: &str = r#"{"jsonrpc":"2.0","id":1,"method":"echo","params":["{[\"é€𝄞\\"]}"#;

fn echoed() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "result": {"method": "echo", "params": ["{[\"é€𝄞\\"]}})
}

#[tokio::test]
async fn call_in_any_framing_is_answered_by_a_line() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    for stream in [format!("{ECHO}\n{ECHO}\n"), format!("{ECHO}{ECHO}"), format!("\n \t\r\n{ECHO}\r\n\r\n{ECHO} ")] {
        client.send(&stream).await;
        assert_eq!(client.answer().await, echoed());
        assert_eq!(client.answer().await, echoed());
    }
}

#[tokio::test]
async fn call_byte_by_byte_is_answered() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    for byte in ECHO.bytes() {
        client.send([byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.answer().await, echoed());
}

#[tokio::test]
async fn call_of_many_pieces_is_answered() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    let text = "é".repeat(1 << 20);
    let call = json!({"jsonrpc": "2.0", "id": "big", "method": "echo", "params": {"text": text}}).to_string();
    for piece in call.as_bytes().chunks((64 << 10) - 1) {
        client.send(piece).await;
    }
    assert_eq!(client.answer().await["result"]["params"]["text"], text);
    client.assert_alive().await;
}

#[tokio::test]
async fn call_pretty_printed_is_answered() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    let call: Value = serde_json::from_str(ECHO).unwrap();
    client.send(serde_json::to_string_pretty(&call).unwrap()).await;
    assert_eq!(client.answer().await, echoed());
}

#[tokio::test]
async fn call_id_is_echoed_unchanged() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    for id in ["0", "18446744073709551615", "\"\"", "\"a\\\"\\\\é€\"", "\"7\"", "null"] {
        client.send(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"echo"}}"#)).await;
        assert!(client.line().await.contains(&format!("\"id\":{id},")), "{id}");
    }
}

#[tokio::test]
async fn call_params_may_be_absent_null_or_empty() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    for (params, seen) in [
        ("", Value::Null),
        (r#","params":null"#, Value::Null),
        (r#","params":[]"#, json!([])),
        (r#","params" : { } "#, json!({})),
        (r#","params":{"a":[1]}"#, json!({"a": [1]})),
    ] {
        client.send(format!(r#"{{"jsonrpc":"2.0","id":1,"method":"echo"{params}}}"#)).await;
        assert_eq!(client.answer().await["result"]["params"], seen, "{params}");
    }
}

#[tokio::test]
async fn bad_request_is_refused_with_its_id_and_the_connection_lives() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let too_deep = format!(r#"{{"id":1,"jsonrpc":"2.0","method":"echo","params":{}}}"#, deep(64));
    let far_too_deep = format!(r#"{{"id":1,"jsonrpc":"2.0","method":"echo","params":{}}}"#, deep(100_000));
    let cases: &[(&str, Value, &str)] = &[
        // No JSON-RPC.
        ("{}", Value::Null, "INVALID_REQUEST"),
        (r#"{"id":1}"#, json!(1), "INVALID_REQUEST"),
        (r#"{"id":1,"method":"echo"}"#, json!(1), "INVALID_REQUEST"),
        (r#"{"jsonrpc":"1.0","id":1,"method":"echo"}"#, json!(1), "INVALID_REQUEST"),
        (r#"{"jsonrpc":2.0,"id":1,"method":"echo"}"#, json!(1), "INVALID_REQUEST"),
        (r#"{"jsonrpc":"2.0","id":1}"#, json!(1), "INVALID_REQUEST"),
        (r#"{"jsonrpc":"2.0","id":1,"method":null}"#, json!(1), "INVALID_REQUEST"),
        (r#"{"jsonrpc":"2.0","id":1,"method":["echo"]}"#, json!(1), "INVALID_REQUEST"),
        (r#"{"jsonrpc":"2.0","method":7}"#, Value::Null, "INVALID_REQUEST"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"echo","params":"text"}"#, json!(1), "INVALID_REQUEST"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"echo","params":7}"#, json!(1), "INVALID_REQUEST"),
        (r#"{"jsonrpc":"2.0","id":"x","method":"nothing"}"#, json!("x"), "METHOD_NOT_FOUND"),
        // Ids that none can have.
        (r#"{"jsonrpc":"2.0","id":-1,"method":"echo"}"#, json!(-1), "INVALID_REQUEST"),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"echo"}"#, json!(1.5), "INVALID_REQUEST"),
        (
            r#"{"jsonrpc":"2.0","id":18446744073709551616,"method":"echo"}"#,
            json!(18_446_744_073_709_551_616_f64),
            "INVALID_REQUEST",
        ),
        (r#"{"jsonrpc":"2.0","id":true,"method":"echo"}"#, Value::Null, "INVALID_REQUEST"),
        (r#"{"jsonrpc":"2.0","id":{},"method":"echo"}"#, Value::Null, "INVALID_REQUEST"),
        (r#"{"jsonrpc":"2.0","id":[1],"method":"echo"}"#, Value::Null, "INVALID_REQUEST"),
        // No JSON.
        (r#"{"id":1,"jsonrpc":"2.0","method":"echo",}"#, json!(1), "PARSE_ERROR"),
        (r#"{"id":"a","jsonrpc":'2.0'}"#, json!("a"), "PARSE_ERROR"),
        (r#"{"id":1,"x":01}"#, json!(1), "PARSE_ERROR"),
        (r#"{"id":1,"x":+1}"#, json!(1), "PARSE_ERROR"),
        (r#"{"id":1,"x":NaN}"#, json!(1), "PARSE_ERROR"),
        (r#"{"id":1,"x":1e999}"#, json!(1), "PARSE_ERROR"),
        (r#"{"id":1,"x":"\x"}"#, json!(1), "PARSE_ERROR"),
        (r#"{"id":1,"x":"\ud800"}"#, json!(1), "PARSE_ERROR"),
        ("{\"id\":1,\"x\":\"\u{1}\"}", json!(1), "PARSE_ERROR"),
        (r#"{"id":1 "x":2}"#, Value::Null, "PARSE_ERROR"),
        (r#"{"id":1,"x":[1}}"#, json!(1), "PARSE_ERROR"),
        (r#"{"id":1]"#, Value::Null, "PARSE_ERROR"),
        (r#"{/* comment */"id":1}"#, Value::Null, "PARSE_ERROR"),
        ("{\"id\":1,\"method\":\"an open string\n", json!(1), "PARSE_ERROR"),
        // A key twice, at any depth and however spelled.
        (r#"{"jsonrpc":"2.0","id":1,"method":"echo","method":"hold"}"#, json!(1), "PARSE_ERROR"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"echo","params":{"a":1,"\u0061":2}}"#, json!(1), "PARSE_ERROR"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"echo","params":[[{"a":{"b":1,"b":1}}]]}"#, json!(1), "PARSE_ERROR"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"echo","unknown":{"b":1,"b":1}}"#, json!(1), "PARSE_ERROR"),
        (&too_deep, json!(1), "PARSE_ERROR"),
        (&far_too_deep, json!(1), "PARSE_ERROR"),
    ];
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    for (request, id, kind) in cases {
        client.send(request).await;
        assert_eq!(client.refusal().await, (id.clone(), (*kind).to_owned()), "{request:.100}");
    }
    client.assert_alive().await;
}

#[tokio::test]
async fn bad_json_error_names_what_is_wrong() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    for (request, named) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"echo","params":{"to":1,"to":2}}"#.to_owned(), "\"to\" stands twice"),
        (format!(r#"{{"id":1,"p":{}{}}}"#, "[".repeat(64), "]".repeat(64)), "deeper than 64 levels"),
        (r#"{"id":1,"p":tru}"#.to_owned(), "line 1 column"),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"echo"}"#.to_owned(), "id must be a string, a whole number"),
    ] {
        client.send(request).await;
        let answer = client.answer().await;
        assert!(answer["error"]["message"].as_str().unwrap().contains(named), "{answer}");
    }
}

#[tokio::test]
async fn depth_at_the_limit_is_accepted() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    client.send(format!(r#"{{"jsonrpc":"2.0","id":1,"method":"echo","params":{}{}}}"#, "[".repeat(63), "]".repeat(63))).await;
    assert_eq!(client.answer().await["result"]["method"], "echo");
    client.send(format!(r#"[{{"jsonrpc":"2.0","id":1,"method":"echo","params":{}{}}}]"#, "[".repeat(62), "]".repeat(62))).await;
    assert_eq!(client.answer().await[0]["result"]["method"], "echo");
    client.send(format!(r#"[{{"jsonrpc":"2.0","id":1,"method":"echo","params":{}{}}}]"#, "[".repeat(63), "]".repeat(63))).await;
    assert_eq!(client.answer().await[0]["error"]["data"]["kind"], "PARSE_ERROR");
}

#[tokio::test]
async fn bytes_that_are_not_utf8_are_refused_with_the_id() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    client.send(b"{\"id\":9,\"x\":\"\xff\xfe\"}").await;
    assert_eq!(client.refusal().await, (json!(9), "PARSE_ERROR".to_owned()));
    client.assert_alive().await;
}

#[tokio::test]
async fn garbage_between_messages_is_refused_once_a_line() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    client.send(format!("{ECHO}, 17 \"{{}}\" {{}}\n{ECHO}")).await;
    assert_eq!(client.answer().await, echoed());
    assert_eq!(client.refusal().await, (Value::Null, "PARSE_ERROR".to_owned()));
    assert_eq!(client.answer().await, echoed());
    client.assert_alive().await;
}

#[tokio::test]
async fn notification_runs_nothing_and_gets_no_answer() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    client
        .send(r#"{"jsonrpc":"2.0","method":"hold"}{"jsonrpc":"2.0","method":"nothing"}[{"jsonrpc":"2.0","method":"hold"}]"#)
        .await;
    client.assert_alive().await;
    assert_eq!(*rig.toys.started.borrow(), 0);
}

#[tokio::test]
async fn calls_on_one_connection_answer_as_they_end() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    client.call(1, "hold").await;
    client.call(2, "slow_read").await;
    client.call(3, "echo").await;
    assert_eq!(client.answer().await["id"], 3);
    rig.toys.started(1).await;
    rig.toys.gate.add_permits(2);
    let mut ids = [client.answer().await["id"].clone(), client.answer().await["id"].clone()];
    ids.sort_by_key(Value::as_u64);
    assert_eq!(ids, [1, 2]);
}

#[tokio::test]
async fn call_that_panics_is_answered_internal() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    client.send(r#"{"jsonrpc":"2.0","id":"b","method":"boom"}"#).await;
    assert_eq!(client.refusal().await, (json!("b"), "INTERNAL".to_owned()));
    client.send(r#"[{"jsonrpc":"2.0","id":1,"method":"boom"},{"jsonrpc":"2.0","id":2,"method":"echo"}]"#).await;
    let answers = client.answer().await;
    assert_eq!((&answers[0]["error"]["code"], &answers[1]["id"]), (&json!(-32603), &json!(2)));
}

#[tokio::test]
async fn call_whose_client_hangs_up_runs_to_its_end() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    client.call(1, "hold").await;
    client.send(r#"[{"jsonrpc":"2.0","id":2,"method":"hold"},{"jsonrpc":"2.0","id":3,"method":"hold"}]"#).await;
    rig.toys.started(3).await;
    drop(client);
    rig.connect().await.assert_alive().await;
    rig.toys.gate.add_permits(3);
    rig.toys.ended(3).await;
}

#[tokio::test]
async fn client_that_ends_its_stream_still_gets_its_answers() {
    use tokio::io::AsyncWriteExt;
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    client.call(1, "hold").await;
    client.send(r#"{"id":2,"method":"ec"#).await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.refusal().await, (json!(2), "PARSE_ERROR".to_owned()));
    rig.toys.gate.add_permits(1);
    assert_eq!(client.rest().await, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"held\"}\n");
}

#[tokio::test]
async fn batch_is_answered_in_order_without_notifications() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    client
        .send(
            r#" [ {"jsonrpc":"2.0","id":1,"method":"hold"}, {"jsonrpc":"2.0","method":"hold"},
            {"jsonrpc":"2.0","id":"2","method":"echo"}, 7, {"jsonrpc":"2.0","id":3,"method":"slow_read"},
            {"id":4,"method":"echo"}, {"jsonrpc":"2.0","id":5,"method":"echo","params":{"a":1,"a":1}}, [],
            {"jsonrpc":"2.0","id":6,"method":"nothing"} ] "#,
        )
        .await;
    client.assert_alive().await;
    rig.toys.gate.add_permits(2);
    let answers = client.answer().await;
    let summary: Vec<(Value, Value)> = answers
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| (answer["id"].clone(), answer["error"]["data"]["kind"].clone()))
        .collect();
    let refused = |kind: &str| json!(kind);
    assert_eq!(
        summary,
        [
            (json!(1), Value::Null),
            (json!("2"), Value::Null),
            (Value::Null, refused("INVALID_REQUEST")),
            (json!(3), Value::Null),
            (json!(4), refused("INVALID_REQUEST")),
            (json!(5), refused("PARSE_ERROR")),
            (Value::Null, refused("INVALID_REQUEST")),
            (json!(6), refused("METHOD_NOT_FOUND")),
        ]
    );
    assert_eq!(*rig.toys.started.borrow(), 1);
}

#[tokio::test]
async fn batch_that_is_empty_or_broken_is_refused_as_one() {
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    client.send("[]").await;
    assert_eq!(client.refusal().await, (Value::Null, "INVALID_REQUEST".to_owned()));
    client.send(r#"[{"jsonrpc":"2.0","id":1,"method":"echo"},]"#).await;
    assert_eq!(client.refusal().await, (Value::Null, "PARSE_ERROR".to_owned()));
    client.assert_alive().await;
}
