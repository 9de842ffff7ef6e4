//! Every limit of the contract: what goes over it is told so, with its id, and nothing else suffers.

use std::sync::Arc;
use std::time::Duration;

use kmsignd::transport::{Hooks, Limits};
use serde_json::{Value, json};

use super::rig::{Client, Rig, limits, run_in_child};

fn overloaded(id: impl Into<Value>) -> (Value, String) {
    (id.into(), "OVERLOADED".to_owned())
}

/// Of `bytes` bytes.
fn call_of(bytes: usize, id_last: bool) -> String {
    let wrapped = |text: &str| {
        if id_last {
            format!(r#"{{"jsonrpc":"2.0","method":"echo","params":["{text}"],"id":"long"}}"#)
        } else {
            format!(r#"{{"id":"long","jsonrpc":"2.0","method":"echo","params":["{text}"]}}"#)
        }
    };
    wrapped(&"x".repeat(bytes - wrapped("").len()))
}

#[tokio::test]
async fn message_at_the_limit_is_answered_and_over_it_refused_with_its_id() {
    let rig = Rig::new(Limits { max_message_bytes: 100_000, ..limits() });
    let mut client = rig.connect().await;
    for id_last in [false, true] {
        client.send(call_of(100_000, id_last)).await;
        assert_eq!(client.answer().await["result"]["method"], "echo");
        for bytes in [100_001, 3_000_000] {
            client.send(call_of(bytes, id_last)).await;
            let answer = client.answer().await;
            assert_eq!((&answer["id"], &answer["error"]["data"]["kind"]), (&json!("long"), &json!("INVALID_REQUEST")));
            assert!(answer["error"]["message"].as_str().unwrap().contains("100000 bytes"));
        }
        client.assert_alive().await;
    }
}

#[tokio::test]
async fn message_not_finished_in_time_is_refused_with_its_id_and_the_stream_goes_on_at_the_next_line() {
    let rig = Rig::new(Limits { max_message_bytes: 1000, ..limits() });
    let mut client = rig.connect().await;
    let too_long = format!(r#"{{"id":"slow","x":"{}"#, "x".repeat(5000));
    for begun in [r#"{"jsonrpc":"2.0","id":"slow","method":"echo","params":["#, &too_long] {
        client.send(begun).await;
        assert_eq!(client.refusal().await, (json!("slow"), "PARSE_ERROR".to_owned()));
        client.send(r#"{"jsonrpc":"2.0","id":1,"method":"hold"}]}"#).await;
        client.send("\n").await;
        client.assert_alive().await;
    }
    assert_eq!(*rig.toys.started.borrow(), 0, "what was inside a message must not run");
}

#[tokio::test]
async fn message_that_never_ends_is_refused_in_time_though_bytes_keep_coming() {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let rig = Rig::new(Limits { max_message_bytes: 100_000, ..limits() });
    let (read, mut write) = rig.connect().await.stream.into_split();
    let flood = async {
        write.write_all(br#"{"id":"flood","x":""#).await?;
        loop {
            write.write_all(&vec![b'x'; 64 << 10]).await?;
        }
    };
    let mut line = String::new();
    let mut read = BufReader::new(read);
    let ended: Result<(), std::io::Error> = super::rig::in_time(async {
        tokio::select! { ended = flood => ended, _ = read.read_line(&mut line) => Ok(()) }
    })
    .await;
    ended.unwrap();
    assert!(line.contains("\"flood\"") && line.contains("PARSE_ERROR"), "{line}");
}

#[tokio::test]
async fn message_time_counts_for_each_message() {
    let rig = Rig::new(Limits { message_time: Duration::from_millis(400), ..limits() });
    let mut client = rig.connect().await;
    // Always inside a message, none of which takes long.
    let mut pause = tokio::time::interval(Duration::from_millis(20));
    for id in 0..40 {
        client.send(format!(r#""method":"echo"}}{{"jsonrpc":"2.0","id":{id},"#).split_off(if id == 0 { 16 } else { 0 })).await;
        pause.tick().await;
    }
    for id in 0..39 {
        let answer = client.answer().await;
        assert_eq!((&answer["id"], &answer["error"]), (&json!(id), &Value::Null));
    }
}

#[tokio::test]
async fn batch_over_the_limit_is_refused_for_each_request() {
    let rig = Rig::new(Limits { max_batch_length: 3, max_message_bytes: 2000, ..limits() });
    let mut client = rig.connect().await;
    let call = |id: usize| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"echo"}}"#);
    let batch = |length: usize| format!("[{}]", (1..=length).map(call).collect::<Vec<_>>().join(","));
    client.send(batch(3)).await;
    assert_eq!(client.answer().await.as_array().unwrap().len(), 3);

    client.send(batch(3).replace(']', r#",{"method":"hold"},{"id":4}]"#)).await;
    let answers = client.answer().await;
    let ids: Vec<&Value> = answers.as_array().unwrap().iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [1, 2, 3, 4]);
    assert_eq!(answers[3]["error"]["data"]["kind"], "INVALID_REQUEST");
    assert!(answers[3]["error"]["message"].as_str().unwrap().contains("at most 3"));

    // As many answers as would be bigger than a message: one for all.
    client.send(batch(40)).await;
    assert_eq!(client.refusal().await, (Value::Null, "INVALID_REQUEST".to_owned()));
    client.assert_alive().await;
}

#[tokio::test]
async fn calls_over_those_of_a_connection_are_overloaded_and_reads_are_not() {
    let rig = Rig::new(Limits { max_in_flight_per_connection: 2, ..limits() });
    let mut client = rig.connect().await;
    for id in 1..=3 {
        client.call(id, "hold").await;
    }
    let answer = client.answer().await;
    assert_eq!((&answer["id"], &answer["error"]["data"]["kind"]), (&json!(3), &json!("OVERLOADED")));
    assert!(answer["error"]["data"]["retryAfterMs"].as_u64().unwrap() > 0);
    client.call(4, "slow_read").await;
    assert_eq!(client.refusal().await, overloaded(4));
    client.assert_alive().await;
    let mut other = rig.connect().await;
    other.call(5, "hold").await;
    rig.toys.started(3).await;
    rig.toys.gate.add_permits(4);
    client.answer().await;
    client.answer().await;
    client.call(6, "hold").await;
    assert_eq!(client.answer().await["result"], "held");
}

#[tokio::test]
async fn calls_over_those_of_all_are_overloaded_but_for_reserved_callers() {
    let reserved = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_reserved = Arc::clone(&reserved);
    let hooks = Hooks { reserved: Arc::new(move |_| is_reserved.load(std::sync::atomic::Ordering::SeqCst)), ..Hooks::default() };
    let rig = Rig::with_hooks(Limits { max_in_flight: 3, reserved_in_flight: 1, ..limits() }, hooks);
    let (mut one, mut two) = (rig.connect().await, rig.connect().await);
    one.call(1, "hold").await;
    two.call(2, "hold").await;
    rig.toys.started(2).await;
    two.call(3, "hold").await;
    assert_eq!(two.refusal().await, overloaded(3));
    reserved.store(true, std::sync::atomic::Ordering::SeqCst);
    two.call(4, "hold").await;
    rig.toys.started(3).await;
    two.call(5, "hold").await;
    assert_eq!(two.refusal().await, overloaded(5));
}

#[tokio::test]
async fn batch_waits_for_slots_instead_of_being_refused() {
    let rig = Rig::new(Limits { max_in_flight_per_connection: 2, max_in_flight: 3, reserved_in_flight: 0, ..limits() });
    let mut client = rig.connect().await;
    let holds: Vec<String> = (0..20).map(|id| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"hold"}}"#)).collect();
    for _ in 0..6 {
        // More batches than run at once: the rest is not read until one is done.
        client.send(format!("[{}]", holds.join(","))).await;
    }
    rig.toys.started(2).await;
    rig.toys.gate.add_permits(6 * 20);
    for _ in 0..6 {
        let answers = client.answer().await;
        let ids: Vec<u64> = answers.as_array().unwrap().iter().map(|answer| answer["id"].as_u64().unwrap()).collect();
        assert_eq!(ids, (0..20).collect::<Vec<_>>());
        assert!(answers.as_array().unwrap().iter().all(|answer| answer["result"] == "held"));
    }
}

#[tokio::test]
async fn connection_over_the_limit_is_told_so_and_closed() {
    let per_uid = Limits { max_connections_per_uid: 2, ..limits() };
    let in_all = Limits { max_connections: 3, reserved_connections: 1, ..limits() };
    for limits in [per_uid, in_all] {
        let rig = Rig::new(limits);
        let (mut one, mut two) = (rig.connect().await, rig.connect().await);
        one.assert_alive().await;
        two.assert_alive().await;

        let mut stream = rig.connect().await;
        stream.send(call_of(200_000, true)).await;
        assert_eq!(stream.refusal().await, overloaded("long"));
        assert_eq!(stream.rest().await, "");

        let mut batch = rig.connect().await;
        batch.send(r#"[{"jsonrpc":"2.0","id":1,"method":"hold"},{"jsonrpc":"2.0","id":2,"method":"echo"}]"#).await;
        let answers = batch.answer().await;
        assert_eq!((&answers[0]["id"], &answers[1]["error"]["data"]["kind"]), (&json!(1), &json!("OVERLOADED")));

        let mut http = rig.connect().await;
        let body = r#"{"jsonrpc":"2.0","id":8,"method":"echo"}"#;
        http.send(format!("POST / HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
        let (status, head, body) = http.response().await;
        assert_eq!((status, head.contains("connection: close")), (503, true));
        assert!(body.contains("\"id\":8") && body.contains("OVERLOADED"), "{body}");
        assert_eq!(http.rest().await, "");

        drop(one);
        // Its place is free once the server has seen it go.
        loop {
            let mut next = rig.connect().await;
            next.call(1, "echo").await;
            if next.answer().await["error"].is_null() {
                break;
            }
        }
        two.assert_alive().await;
        assert_eq!(*rig.toys.started.borrow(), 0);
    }
}

#[tokio::test]
async fn connection_over_the_limit_of_a_reserved_caller_is_served() {
    let hooks = Hooks { reserved: Arc::new(|_| true), ..Hooks::default() };
    let limits = Limits { max_connections: 3, max_connections_per_uid: 1, reserved_connections: 1, ..limits() };
    let rig = Rig::with_hooks(limits, hooks);
    let (mut one, mut two, mut three) = (rig.connect().await, rig.connect().await, rig.connect().await);
    one.assert_alive().await;
    two.assert_alive().await;
    three.call(1, "echo").await;
    assert_eq!(three.refusal().await, overloaded(1));
}

#[tokio::test]
async fn client_that_takes_no_answers_is_not_read_and_then_closed() {
    let rig = Rig::new(limits());
    let mut greedy = rig.connect().await;
    // 400 answers of 1 MiB: the server would need all of that memory if it went on reading.
    let calls = r#"{"jsonrpc":"2.0","id":1,"method":"big"}"#.repeat(100_000);
    let send = async {
        use tokio::io::AsyncWriteExt;
        greedy.stream.write_all(calls.as_bytes()).await
    };
    super::rig::in_time(send).await.expect_err("the server took it all, or never closed");
    rig.connect().await.assert_alive().await;
}

#[tokio::test]
async fn client_that_pipelines_and_reads_late_gets_every_answer() {
    const CALLS: u64 = 1000;
    let rig = Rig::new(limits());
    let mut client = rig.connect().await;
    for id in 0..CALLS {
        client.call(id, "echo").await;
    }
    for id in 0..CALLS {
        assert_eq!(client.answer().await["id"], id);
    }
}

/// The server runs out of file descriptors, which a process of its own has few of.
#[test]
fn accept_without_descriptors_slows_down_and_recovers() {
    run_in_child("transport::limits::child_with_few_descriptors", |_| ());
}

#[tokio::test]
#[ignore = "lowers the limits of its process; run by accept_without_descriptors_slows_down_and_recovers"]
async fn child_with_few_descriptors() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let rig = Rig::new(limits());
    let mut first = rig.connect().await;
    first.assert_alive().await;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 64, hard).unwrap();
    // Each connection takes two of this process's descriptors, so the last ones are made and not accepted.
    let mut clients = Vec::new();
    while let Ok(stream) = tokio::net::UnixStream::connect(&rig.path).await {
        clients.push(stream);
    }
    first.assert_alive().await;
    assert!(clients.len() > 10);
    clients.truncate(5);
    let mut late = loop {
        if let Ok(stream) = tokio::net::UnixStream::connect(&rig.path).await {
            drop(stream);
            break Client::connect(&rig.path).await;
        }
        tokio::task::yield_now().await;
    };
    late.assert_alive().await;
    first.assert_alive().await;
}
