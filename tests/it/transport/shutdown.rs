//! The server stops: what runs ends, what comes is told, nothing is dropped.

use std::time::Duration;

use kmsignd::transport::{Drained, Limits};
use serde_json::json;

use super::rig::{Rig, limits};

fn shutting_down(id: u64) -> (serde_json::Value, String) {
    (json!(id), "SHUTTING_DOWN".to_owned())
}

#[tokio::test]
async fn stop_lets_calls_end_and_tells_new_ones() {
    let mut rig = Rig::new(limits());
    let (mut busy, mut idle) = (rig.connect().await, rig.connect().await);
    idle.assert_alive().await;
    busy.call(1, "hold").await;
    rig.toys.started(1).await;
    rig.stop().await;
    for id in 2..4 {
        busy.call(id, "hold").await;
        assert_eq!(busy.refusal().await, shutting_down(id));
    }
    idle.send(r#"[{"jsonrpc":"2.0","id":5,"method":"echo"},{"jsonrpc":"2.0","id":6,"method":"hold"}]"#).await;
    let answers = idle.answer().await;
    assert_eq!((&answers[0]["id"], &answers[1]["error"]["data"]["kind"]), (&json!(5), &json!("SHUTTING_DOWN")));
    assert_eq!(idle.rest().await, "", "an idle connection is closed");
    rig.toys.gate.add_permits(1);
    assert_eq!(busy.answer().await["result"], "held");
    assert_eq!(busy.rest().await, "");
    assert_eq!(rig.stopped().await, Drained::Finished);
    assert_eq!(*rig.toys.started.borrow(), 1);
}

#[tokio::test]
async fn stop_waits_for_calls_whose_clients_are_gone() {
    let mut rig = Rig::new(limits());
    let mut client = rig.connect().await;
    client.call(1, "hold").await;
    rig.toys.started(1).await;
    drop(client);
    rig.stop().await;
    rig.toys.gate.add_permits(1);
    assert_eq!(rig.stopped().await, Drained::Finished);
    assert_eq!(*rig.toys.ended.borrow(), 1);
}

#[tokio::test]
async fn stop_refuses_what_of_a_batch_has_not_begun() {
    let mut rig = Rig::new(Limits { max_in_flight_per_connection: 1, ..limits() });
    let mut client = rig.connect().await;
    client.send(r#"[{"jsonrpc":"2.0","id":1,"method":"hold"},{"jsonrpc":"2.0","id":2,"method":"hold"}]"#).await;
    rig.toys.started(1).await;
    rig.stop().await;
    rig.toys.gate.add_permits(2);
    let answers = client.answer().await;
    assert_eq!((&answers[0]["result"], &answers[1]["error"]["data"]["kind"]), (&json!("held"), &json!("SHUTTING_DOWN")));
    assert_eq!(rig.stopped().await, Drained::Finished);
}

#[tokio::test]
async fn stop_past_its_time_says_that_the_outcome_is_unknown() {
    let mut rig = Rig::new(Limits { drain_time: Duration::from_millis(100), ..limits() });
    let (mut stream, mut http) = (rig.connect().await, rig.connect().await);
    stream.call(1, "hold").await;
    stream.send(r#"[{"jsonrpc":"2.0","id":2,"method":"hold"}]"#).await;
    let body = r#"{"jsonrpc":"2.0","id":3,"method":"hold"}"#;
    http.send(format!("POST / HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
    rig.toys.started(3).await;
    rig.stop().await;
    let mut answers = [stream.answer().await, stream.answer().await];
    answers.sort_by_key(serde_json::Value::is_array);
    let answer = &answers[0];
    assert_eq!((&answer["id"], &answer["error"]["data"]["kind"]), (&json!(1), &json!("KMS_OUTCOME_UNKNOWN")));
    assert_eq!(answer["error"]["data"]["retry"], "sameRequestId");
    assert_eq!(answers[1][0]["error"]["data"]["kind"], "KMS_OUTCOME_UNKNOWN");
    assert!(http.response().await.2.contains("KMS_OUTCOME_UNKNOWN"));
    assert_eq!(rig.stopped().await, Drained::Abandoned(3));
    rig.toys.gate.add_permits(3);
    rig.toys.ended(3).await;
}

#[tokio::test]
async fn stop_answers_http_and_then_closes() {
    let mut rig = Rig::new(limits());
    let (mut busy, mut idle) = (rig.connect().await, rig.connect().await);
    let post = |body: &str| format!("POST / HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    idle.send(post(r#"{"jsonrpc":"2.0","id":1,"method":"echo"}"#)).await;
    assert_eq!(idle.response().await.0, 200);
    busy.send(post(r#"{"jsonrpc":"2.0","id":2,"method":"hold"}"#)).await;
    rig.toys.started(1).await;
    rig.stop().await;
    idle.send(post(r#"{"jsonrpc":"2.0","id":3,"method":"echo"}"#)).await;
    let (_, head, body) = idle.response().await;
    assert!(body.contains("SHUTTING_DOWN") && head.contains("connection: close"), "{head}{body}");
    assert_eq!(idle.rest().await, "");
    rig.toys.gate.add_permits(1);
    let (_, head, body) = busy.response().await;
    assert!(body.contains("held") && head.contains("connection: close"), "{head}{body}");
    assert_eq!(rig.stopped().await, Drained::Finished);
}

#[tokio::test]
async fn stop_answers_a_message_that_is_on_its_way() {
    let mut rig = Rig::new(limits());
    let mut client = rig.connect().await;
    client.send(r#"{"jsonrpc":"2.0","id":1,"method":"#).await;
    rig.connect().await.assert_alive().await;
    rig.stop().await;
    assert_eq!(client.refusal().await, shutting_down(1));
    assert_eq!(client.rest().await, "");
    assert_eq!(rig.stopped().await, Drained::Finished);
}

/// One thread, and nothing yields to the server between the connecting and the stop: the connections are still in the backlog.
#[tokio::test(flavor = "current_thread")]
async fn stop_tells_connections_that_were_not_accepted_yet() {
    let mut rig = Rig::new(limits());
    rig.connect().await.assert_alive().await;
    let mut waiting: Vec<std::os::unix::net::UnixStream> =
        (0..3).map(|_| std::os::unix::net::UnixStream::connect(&rig.path).unwrap()).collect();
    for stream in &mut waiting {
        std::io::Write::write_all(stream, br#"{"jsonrpc":"2.0","id":1,"method":"echo"}"#).unwrap();
    }
    rig.stop().await;
    for stream in waiting {
        stream.set_nonblocking(true).unwrap();
        let mut client = super::rig::Client::new(tokio::net::UnixStream::from_std(stream).unwrap());
        assert_eq!(client.refusal().await, shutting_down(1));
    }
    assert_eq!(rig.stopped().await, Drained::Finished);
    assert!(!rig.path.exists());
}
