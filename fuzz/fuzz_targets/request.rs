//! Bytes on the socket, as requests with typed parameters: every method's parameters are read.

#![no_main]

use std::sync::LazyLock;

use kmsignd::chains::networks::{NetworkDefaults, Networks};
use kmsignd::rpc;
use kmsignd::transport::{Frame, Limits, read_stream};
use libfuzzer_sys::fuzz_target;

static NETWORKS: LazyLock<Networks> = LazyLock::new(|| Networks::new(&NetworkDefaults::default(), &[]).unwrap());

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { max_message_bytes: 16 << 10, max_batch_length: 8, ..Limits::default() };
    let at_once = read_stream(bytes, usize::MAX, &limits);
    // Wherever the stream is cut, the requests in it are the same.
    let cut = read_stream(bytes, bytes.first().map_or(1, |first| usize::from(*first % 16) + 1), &limits);
    assert_eq!(at_once.iter().map(parts).collect::<Vec<_>>(), cut.iter().map(parts).collect::<Vec<_>>());

    for frame in at_once.iter().flatten() {
        let Ok(call) = rpc::read(frame, &NETWORKS) else { continue };
        assert_eq!(call.method().name, frame.method());
        // What a requestId stands for depends on nothing but the request.
        let again = rpc::read(frame, &NETWORKS).unwrap();
        let content = |call: &rpc::Call| call.bound_request().map(|bound| (bound.id.to_string(), bound.content_hash));
        assert_eq!(content(&call), content(&again));
        assert_eq!(call.bound_request().map(|bound| bound.id.to_string()), rpc::request_id(frame).map(|id| id.to_string()));
    }
});

fn parts(read: &Result<Frame, Vec<u8>>) -> Result<(&'static str, Option<&str>), &[u8]> {
    match read {
        Ok(frame) => Ok((frame.method(), frame.params())),
        Err(answer) => Err(answer),
    }
}
