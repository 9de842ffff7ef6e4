//! HTTP/1.1 on the same socket: `POST /` carries JSON-RPC, whatever its content type; `GET /healthz`, `/readyz` and `/metrics`
//! tell how the daemon is. Every body is JSON but that of `/metrics`.

use std::convert::Infallible;
use std::io::Cursor;
use std::pin::pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, EXPECT, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep, timeout_at};

use super::connection::QUIET_TIME;
use super::dispatch::{Phase, Session, put_line, reached};
use super::envelope::Refusal;
use super::framing::IdFinder;
use super::patient::Patient;
use crate::rpc::error_codes::Kind;

/// Most bytes of one request's head.
const MAX_HEAD_BYTES: usize = 64 << 10;
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROMETHEUS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

type Reply = Response<Full<Bytes>>;

/// Serves a connection whose first bytes, `begun`, have been read.
pub(super) async fn serve(session: &Arc<Session>, stream: UnixStream, begun: Vec<u8>) -> hyper::Result<()> {
    let message_time = session.limits().message_time;
    let (read, write) = stream.into_split();
    let io = TokioIo::new(tokio::io::join(Cursor::new(begun).chain(read), Patient::new(write, message_time)));
    let service = service_fn(async |request| Ok::<_, Infallible>(reply(session, request).await));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(message_time)
        .max_buf_size(MAX_HEAD_BYTES)
        .half_close(true)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let stopping = async {
        reached(session.phase(), Phase::Draining).await;
        // A request may be on its way; it is answered, and told to be the last.
        sleep(QUIET_TIME).await;
    };
    tokio::select! {
        result = &mut connection => return result,
        () = stopping => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

async fn reply(session: &Arc<Session>, request: Request<Incoming>) -> Reply {
    let mut reply = match (request.method(), request.uri().path()) {
        (&Method::POST, "/") => call(session, request).await,
        (&Method::GET | &Method::HEAD, "/healthz") => with_body(StatusCode::OK, JSON, r#"{"alive":true}"#),
        (&Method::GET | &Method::HEAD, "/readyz") => {
            let readiness = (session.hooks().ready)();
            let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            with_body(status, JSON, serde_json::to_vec(&readiness).unwrap_or_default())
        }
        (&Method::GET | &Method::HEAD, "/metrics") => with_body(StatusCode::OK, PROMETHEUS, (session.hooks().metrics)()),
        (_, "/") => wrong_method(session, HeaderValue::from_static("POST")),
        (_, "/healthz" | "/readyz" | "/metrics") => wrong_method(session, HeaderValue::from_static("GET, HEAD")),
        _ => {
            let text = "there is nothing here: POST / takes JSON-RPC, and GET /healthz, /readyz and /metrics answer";
            refuse(session, StatusCode::NOT_FOUND, Refusal::new(None, Kind::InvalidRequest, text))
        }
    };
    if session.is_turned_away() {
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}

async fn call(session: &Arc<Session>, request: Request<Incoming>) -> Reply {
    let message = match read_body(session, request).await {
        Ok(message) => message,
        Err((status, refusal)) => {
            let mut reply = refuse(session, status, refusal);
            // What is left of the body has no place to go.
            reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return reply;
        }
    };
    let (later, mut finished) = unbounded_channel();
    let mut out = BytesMut::new();
    let waits = session.receive(&message, &mut out, &later);
    drop(message);
    if waits && let Some((_, answer)) = finished.recv().await {
        put_line(&mut out, &answer);
    }
    let status = if out.is_empty() { StatusCode::NO_CONTENT } else { StatusCode::OK };
    with_body(if session.is_refused() { StatusCode::SERVICE_UNAVAILABLE } else { status }, JSON, out.freeze())
}

/// The whole body. One that is too long is read to its end all the same, but not kept, so that the client hears why and for which
/// id.
async fn read_body(session: &Session, request: Request<Incoming>) -> Result<Vec<u8>, (StatusCode, Refusal)> {
    let limits = session.limits();
    let too_long = |id| (StatusCode::PAYLOAD_TOO_LARGE, Refusal::too_long(id, limits));
    let max_bytes = limits.max_message_bytes;
    let deadline = Instant::now() + limits.message_time;
    let waits_for_consent = request.headers().contains_key(EXPECT);
    let mut body = request.into_body();
    let promised = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if promised > max_bytes && waits_for_consent {
        return Err(too_long(None));
    }

    let mut message = Vec::with_capacity(promised.min(max_bytes).min(64 << 10));
    let mut discarding: Option<IdFinder> = None;
    loop {
        let frame = match timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => break,
            Ok(Some(Err(_))) => {
                let text = "the body ended early or is not well-formed";
                return Err((StatusCode::BAD_REQUEST, Refusal::new(IdFinder::find(&message), Kind::ParseError, text)));
            }
            Err(_) => {
                let id = discarding.map_or_else(|| IdFinder::find(&message), |finder| finder.id());
                let text = format!("the body was not finished within {} s", limits.message_time.as_secs_f64());
                return Err((StatusCode::REQUEST_TIMEOUT, Refusal::new(id, Kind::ParseError, text)));
            }
        };
        let Ok(data) = frame.into_data() else { continue };
        if let Some(finder) = &mut discarding {
            finder.feed(&data);
            continue;
        }
        message.extend_from_slice(&data);
        if message.len() > max_bytes {
            let finder = discarding.insert(IdFinder::default());
            finder.feed(&std::mem::take(&mut message));
        }
    }
    match discarding {
        Some(finder) => Err(too_long(finder.id())),
        None => Ok(message),
    }
}

fn wrong_method(session: &Session, allowed: HeaderValue) -> Reply {
    let text = format!("this path takes {} only", allowed.to_str().unwrap_or_default());
    let mut reply = refuse(session, StatusCode::METHOD_NOT_ALLOWED, Refusal::new(None, Kind::InvalidRequest, text));
    reply.headers_mut().insert(ALLOW, allowed);
    reply
}

fn refuse(session: &Session, status: StatusCode, refusal: Refusal) -> Reply {
    let mut out = BytesMut::new();
    session.refuse(refusal, &mut out);
    with_body(if session.is_refused() { StatusCode::SERVICE_UNAVAILABLE } else { status }, JSON, out.freeze())
}

fn with_body(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    if status != StatusCode::NO_CONTENT {
        reply.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    reply
}
