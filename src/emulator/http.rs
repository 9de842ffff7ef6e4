//! The emulator's HTTP: AWS JSON 1.1 on `POST /`, and the switches of tests below `/_emulator/`.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, ORIGIN};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::errors::KmsError;
use super::faults::Switches;
use super::operations::Operation;
use super::service::{Reply, Service};
use crate::ids::Region;

/// The largest request: a key policy of 32 kB, escaped, and room.
const MAX_BODY: usize = 256 * 1024;

type Answer = Response<Full<Bytes>>;

/// Says to hyper that a connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed on purpose")]
struct ClosedOnPurpose;

/// Accepts until `stopped` resolves, then drops every connection.
pub(super) async fn serve(listener: TcpListener, service: Arc<Service>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&service)));
                }
                Err(error) => {
                    // Out of descriptors, most likely: let some close.
                    tracing::warn!(%error, "the KMS emulator can't accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    connections.shutdown().await;
}

async fn connection(stream: TcpStream, service: Arc<Service>) {
    // Small answers must not wait for more.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(move |request| route(Arc::clone(&service), request));
    if let Err(error) = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await {
        tracing::debug!(%error, "a connection to the KMS emulator ended");
    }
}

/// A page on the web can make a browser send requests here; they carry an `Origin`, or after DNS rebinding a foreign `Host`.
fn comes_from_a_browser(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    headers.contains_key(ORIGIN) || !["127.0.0.1", "localhost", "[::1]", ""].contains(&name)
}

async fn route(service: Arc<Service>, request: Request<Incoming>) -> Result<Answer, ClosedOnPurpose> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large or was cut off"));
    };
    let body = body.to_bytes();
    if comes_from_a_browser(&parts.headers) {
        return Ok(plain(StatusCode::FORBIDDEN, "the KMS emulator serves programs of this machine, not web pages"));
    }
    match (&parts.method, parts.uri.path()) {
        (&Method::POST, "/") => kms(service, &parts.headers, body).await,
        (&Method::GET, "/_emulator/faults") => Ok(json_answer(&service.faults.get())),
        (&Method::POST, "/_emulator/faults") => Ok(match serde_json::from_slice::<Switches>(&body) {
            Ok(switches) => {
                service.faults.set(switches);
                json_answer(&json!({}))
            }
            Err(error) => plain(StatusCode::BAD_REQUEST, &error.to_string()),
        }),
        (&Method::GET, "/_emulator/log") => Ok(match since(parts.uri.query()) {
            Some(since) => json_answer(&service.log.since(since)),
            None => plain(StatusCode::BAD_REQUEST, "the query must be since=SEQUENCE"),
        }),
        (&Method::POST, "/_emulator/reset") => {
            service.faults.set(Switches::default());
            service.log.clear();
            Ok(json_answer(&json!({})))
        }
        _ => Ok(plain(StatusCode::NOT_FOUND, "no such resource")),
    }
}

fn since(query: Option<&str>) -> Option<u64> {
    query.map_or(Some(0), |query| query.strip_prefix("since=")?.parse().ok())
}

async fn kms(service: Arc<Service>, headers: &HeaderMap, body: Bytes) -> Result<Answer, ClosedOnPurpose> {
    let request_id = uuid::Uuid::now_v7().to_string();
    let (operation, region) = match target(headers) {
        Ok(target) => target,
        Err(error) => return Ok(aws_answer(Err(error), &request_id)),
    };
    let latency = service.faults.latency(operation);
    let blocks = service.durable && operation.changes_keys();
    let reply = if latency.is_none() && !blocks {
        service.call(operation, &region, &body, &request_id)
    } else {
        // In a task of its own: like AWS, the emulator does what it was asked even if the client hangs up meanwhile.
        let request_id = request_id.clone();
        let call = async move {
            if let Some(latency) = latency {
                pass(latency).await;
            }
            if !blocks {
                return Ok(service.call(operation, &region, &body, &request_id));
            }
            tokio::task::spawn_blocking(move || service.call(operation, &region, &body, &request_id)).await
        };
        tokio::spawn(call).await.and_then(|reply| reply).map_err(|_| ClosedOnPurpose)?
    };
    match reply {
        Reply::Answer(result) => Ok(aws_answer(result, &request_id)),
        Reply::Close => Err(ClosedOnPurpose),
        Reply::Hang => match pending::<Infallible>().await {},
    }
}

/// Lets time pass. The runtime's timers tick by the millisecond, which would round a short latency up and put clients in step
/// with the ticks; a sleeping thread is exact to some microseconds.
async fn pass(time: Duration) {
    const SHORT: Duration = Duration::from_millis(50);
    if time > SHORT {
        return tokio::time::sleep(time).await;
    }
    #[expect(clippy::disallowed_methods, reason = "on a thread that is there to block")]
    let slept = tokio::task::spawn_blocking(move || std::thread::sleep(time)).await;
    // Not run at all if the runtime is ending: then nobody waits for the latency.
    drop(slept);
}

/// The operation and the Region that a request is for.
fn target(headers: &HeaderMap) -> Result<(Operation, Region), KmsError> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let authorization = header(AUTHORIZATION.as_str())
        .ok_or_else(|| KmsError::new("MissingAuthenticationTokenException", "Missing Authentication Token"))?;
    let region = credential_region(authorization)
        .ok_or_else(|| KmsError::new("IncompleteSignatureException", "Authorization has no credential scope"))?;
    let operation = header("x-amz-target")
        .and_then(Operation::from_target)
        .ok_or_else(|| KmsError::new("UnknownOperationException", "the emulator has no such operation"))?;
    Ok((operation, region))
}

/// The Region in `AWS4-HMAC-SHA256 Credential=ID/DATE/REGION/SERVICE/aws4_request, ...`.
fn credential_region(authorization: &str) -> Option<Region> {
    let (_, credential) = authorization.strip_prefix("AWS4-HMAC-SHA256 ")?.split_once("Credential=")?;
    let scope = credential.split([',', ' ']).next()?;
    // From the right, since nothing says that an access key's id has no slash.
    let mut parts = scope.rsplit('/');
    let (terminator, _service) = (parts.next()?, parts.next()?);
    if terminator != "aws4_request" {
        return None;
    }
    parts.next()?.parse().ok()
}

fn aws_answer(result: Result<Vec<u8>, KmsError>, request_id: &str) -> Answer {
    let (status, body) = match result {
        Ok(body) => (StatusCode::OK, Bytes::from(body)),
        Err(error) => {
            let body = json!({"__type": error.code, "message": error.message}).to_string();
            (StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), Bytes::from(body))
        }
    };
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    answer
}

fn json_answer(value: &impl serde::Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let mut answer = Response::new(Full::new(Bytes::from(body)));
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            answer
        }
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn plain(status: StatusCode, text: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(format!("{text}\n"))));
    *answer.status_mut() = status;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credential_region_reads_the_scope() {
        let region = |scope: &str| {
            let header = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature=00");
            credential_region(&header).map(|region| region.to_string())
        };
        assert_eq!(region("AKID/20260101/eu-central-1/kms/aws4_request").as_deref(), Some("eu-central-1"));
        assert_eq!(region("a/b/20260101/us-east-1/tagging/aws4_request").as_deref(), Some("us-east-1"));
        assert_eq!(region("AKID/20260101/eu-central-1/kms/aws3"), None);
        assert_eq!(region("aws4_request"), None);
        assert_eq!(credential_region("Bearer x"), None);
    }

    #[test]
    fn since_reads_the_query() {
        assert_eq!(since(None), Some(0));
        assert_eq!(since(Some("since=12")), Some(12));
        assert_eq!(since(Some("after=12")), None);
    }
}
