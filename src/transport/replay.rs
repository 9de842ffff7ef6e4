//! A stream's bytes as the requests in them, the way a connection reads them but with nobody to answer: for what proves the reading
//! itself, such as the fuzz targets.

use super::envelope::{self, Refusal, Request};
use super::framing::{Framing, Piece};
use super::{Frame, Limits};
use crate::rpc;
use crate::rpc::error_codes::Kind;

/// Every request of a stream as its frame, and whatever else gets an answer as that answer, in order. The stream comes in pieces of
/// `piece` bytes, at least one. Bytes that speak HTTP give nothing.
pub fn read_stream(bytes: &[u8], piece: usize, limits: &Limits) -> Vec<Result<Frame, Vec<u8>>> {
    let mut framing = Framing::new(limits.max_message_bytes);
    let mut read = Vec::new();
    for piece in bytes.chunks(piece.max(1)) {
        framing.space().extend_from_slice(piece);
        while let Some(piece) = framing.next() {
            match piece {
                Piece::NotJson => return read,
                Piece::Message(message) => read_message(message, limits, &mut read),
                Piece::TooLong { id } => read.push(refused(Refusal::too_long(id, limits))),
                Piece::Garbage => read.push(refused(Refusal::new(None, Kind::ParseError, "garbage"))),
            }
        }
    }
    read
}

fn read_message(message: &[u8], limits: &Limits, read: &mut Vec<Result<Frame, Vec<u8>>>) {
    let elements = match envelope::text(message) {
        Ok(text) if text.trim_ascii_start().starts_with('[') => envelope::batch(text),
        Ok(text) => return read.extend(frame(envelope::request(text, limits.max_json_depth))),
        Err(refusal) => Err(refusal),
    };
    match elements {
        Ok(elements) if elements.len() <= limits.max_batch_length => {
            let depth = limits.max_json_depth.saturating_sub(1);
            read.extend(elements.into_iter().filter_map(|element| frame(envelope::request(element.get(), depth))));
        }
        Ok(_) => read.push(refused(Refusal::new(None, Kind::InvalidRequest, "the batch is too long"))),
        Err(refusal) => read.push(refused(refusal)),
    }
}

/// `None` for a notification.
fn frame(request: Result<Request<'_>, Refusal>) -> Option<Result<Frame, Vec<u8>>> {
    let request = match request {
        Ok(request) => request,
        Err(refusal) => return Some(refused(refusal)),
    };
    let id = request.id?;
    Some(match rpc::find_method(&request.method) {
        Some(method) => Ok(Frame::new(method.name, request.params.map(Box::from))),
        None => refused(Refusal::of(&id, rpc::error_codes::RpcError::new(Kind::MethodNotFound, "there is no such method"))),
    })
}

fn refused(refusal: Refusal) -> Result<Frame, Vec<u8>> {
    Err(refusal.into_json())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_gives_its_requests_in_pieces_of_any_size() {
        let stream = br#" {"jsonrpc":"2.0","id":1,"method":"eth_chainId"}x
            [{"jsonrpc":"2.0","id":"a","method":"admin_status","params":{}},{"jsonrpc":"2.0","method":"admin_status"},7]
            {"jsonrpc":"2.0","id":2,"method":"nothing"}{"jsonrpc":"2.0","id":3,"method":"eth_accounts","params":[[[[[]]]]]}"#;
        let limits = Limits { max_json_depth: 4, ..Limits::default() };
        for piece in [0, 1, 7, 4096] {
            let read: Vec<_> = read_stream(stream, piece, &limits)
                .into_iter()
                .map(|read| read.map(|frame| frame.method()).map_err(|answer| String::from_utf8(answer).unwrap()))
                .collect();
            assert_eq!(read.len(), 6, "{read:?}");
            assert_eq!((&read[0], &read[2]), (&Ok("eth_chainId"), &Ok("admin_status")));
            let ids = [r#""id":null"#, r#""id":null"#, r#""id":2"#, r#""id":3"#];
            for (refusal, id) in [&read[1], &read[3], &read[4], &read[5]].into_iter().zip(ids) {
                assert!(refusal.as_ref().is_err_and(|answer| answer.contains(id)), "{refusal:?}");
            }
        }
        assert!(read_stream(b"POST / HTTP/1.1", 4, &limits).is_empty());
    }
}
