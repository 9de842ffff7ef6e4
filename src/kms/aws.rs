//! The only file that names `aws_sdk_kms`: one client per Region, built once, with explicit timeouts and no retries of its
//! own, since `kms.rs` decides what may be repeated.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_kms::Client;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::operation::RequestId;
use aws_sdk_kms::primitives::{Blob, DateTime};
use aws_sdk_kms::types::{KeySpec as AwsKeySpec, KeyUsageType, MessageType, SigningAlgorithmSpec, Tag};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::tagging::Tagging;
use super::{Attempt, AttemptError, KeyChange, KeyDescription, KeyService, NewKey, TaggedPage};
use crate::clock::Timestamp;
use crate::ids::{KeyArn, Region};
use crate::keys::{KeySpec, SigningPayload};

/// How to reach KMS.
#[derive(Debug, Clone)]
pub struct AwsSettings {
    pub region: Region,
    /// Instead of the Region's own endpoint.
    pub endpoint_url: Option<String>,
    /// Instead of the Resource Groups Tagging API's own endpoint in the Region.
    pub tagging_endpoint_url: Option<String>,
    pub connect_timeout: Duration,
    /// One attempt, from the first byte to the last.
    pub attempt_timeout: Duration,
    pub credentials: Credentials,
}

/// Where credentials come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// The normal AWS chain: environment, profile, web identity, container, instance role.
    Chain,
    /// Fixed words that mean nothing to AWS, for the embedded emulator.
    Emulator,
}

/// A key id that no key has.
const PROBE_KEY: &str = "00000000-0000-0000-0000-000000000000";

/// KMS through the AWS SDK.
pub struct AwsKms {
    clients: HashMap<String, Client>,
    tagging: Tagging,
    home: String,
}

impl AwsKms {
    /// Builds the clients. Makes no request.
    pub async fn connect(settings: &AwsSettings) -> Self {
        let home = settings.region.to_string();
        let shared = shared_config(settings).await;
        let client = client_at(&shared, settings.endpoint_url.as_deref());
        let tagging = Tagging::new(&shared, settings.tagging_endpoint_url.as_deref());
        Self { clients: HashMap::from([(home.clone(), client)]), tagging, home }
    }

    fn client(&self, region: &str) -> Result<&Client, AttemptError> {
        self.clients.get(region).ok_or_else(|| AttemptError::Refused { code: format!("no client for Region {region}") })
    }
}

/// What every client shares: one connector, one loader of credentials.
async fn shared_config(settings: &AwsSettings) -> SdkConfig {
    // A client of our own: the SDK's default one would send keys' traffic through whatever HTTPS_PROXY says.
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(aws_smithy_http_client::tls::Provider::Rustls(
            aws_smithy_http_client::tls::rustls_provider::CryptoMode::AwsLc,
        ))
        .build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.attempt_timeout)
        .operation_attempt_timeout(settings.attempt_timeout)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .region(aws_config::Region::new(settings.region.to_string()))
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(timeouts);
    if settings.credentials == Credentials::Emulator {
        loader =
            loader.credentials_provider(aws_credential_types::Credentials::new("emulator", "emulator", None, None, "emulator"));
    }
    loader.load().await
}

fn client_at(shared: &SdkConfig, endpoint_url: Option<&str>) -> Client {
    let mut config = aws_sdk_kms::config::Builder::from(shared);
    if let Some(url) = endpoint_url {
        // With an endpoint of its own the SDK refuses every request while the environment asks for another kind of endpoint.
        config = config.endpoint_url(url).use_fips(false).use_dual_stack(false);
    }
    Client::from_conf(config.build())
}

#[async_trait]
impl KeyService for AwsKms {
    async fn create_key(&self, key: &NewKey) -> Attempt<KeyArn> {
        let client = match self.client(&self.home) {
            Ok(client) => client,
            Err(error) => return Attempt { request_id: None, result: Err(error) },
        };
        let mut request = client
            .create_key()
            .key_spec(match key.key_spec {
                KeySpec::EccSecgP256k1 => AwsKeySpec::EccSecgP256K1,
                KeySpec::EccNistEdwards25519 => AwsKeySpec::EccNistEdwards25519,
            })
            .key_usage(KeyUsageType::SignVerify)
            .description(&key.description);
        for (name, value) in &key.tags {
            match Tag::builder().tag_key(name).tag_value(value).build() {
                Ok(tag) => request = request.tags(tag),
                Err(_) => return refused("a tag without a key"),
            }
        }
        if let Some(policy) = &key.policy {
            // The policy keeps the account's root as administrator, so the lockout check would only refuse what is meant.
            request = request.policy(policy).bypass_policy_lockout_safety_check(true);
        }
        attempted(request.send().await, |output| output.key_metadata().and_then(|key| key.arn()).and_then(|arn| arn.parse().ok()))
    }

    async fn get_public_key(&self, key: &KeyArn) -> Attempt<Vec<u8>> {
        match self.client(key.region()) {
            Ok(client) => attempted(client.get_public_key().key_id(key.as_str()).send().await, |output| {
                let about_it = is_about(key, output.key_id.as_deref());
                output.public_key.filter(|_| about_it).map(Blob::into_inner)
            }),
            Err(error) => Attempt { request_id: None, result: Err(error) },
        }
    }

    async fn describe_key(&self, key: &KeyArn) -> Attempt<KeyDescription> {
        match self.client(key.region()) {
            Ok(client) => attempted(client.describe_key().key_id(key.as_str()).send().await, |output| {
                let key = output.key_metadata.filter(|found| is_about(key, found.arn.as_deref()))?;
                Some(KeyDescription {
                    key_state: key.key_state?.as_str().to_owned(),
                    key_spec: key.key_spec?.as_str().to_owned(),
                    key_usage: key.key_usage?.as_str().to_owned(),
                    origin: key.origin?.as_str().to_owned(),
                    key_manager: key.key_manager?.as_str().to_owned(),
                    multi_region: key.multi_region.unwrap_or(false),
                    created_at: key.creation_date.as_ref().and_then(timestamp),
                    deletion_date: key.deletion_date.as_ref().and_then(timestamp),
                })
            }),
            Err(error) => Attempt { request_id: None, result: Err(error) },
        }
    }

    async fn probe(&self) -> Attempt<()> {
        match self.client(&self.home) {
            Ok(client) => {
                let attempt = attempted(client.describe_key().key_id(PROBE_KEY).send().await, |_| Some(()));
                // Both say that it knows who we are: there is no such key, or we may not look.
                let answers = matches!(attempt.result, Ok(()) | Err(AttemptError::NotFound | AttemptError::Denied));
                Attempt { result: if answers { Ok(()) } else { attempt.result }, ..attempt }
            }
            Err(error) => Attempt { request_id: None, result: Err(error) },
        }
    }

    async fn keys_with_tag(&self, name: &str, value: &str, page: Option<&str>) -> Attempt<TaggedPage> {
        self.tagging.keys_with_tag(name, value, page).await
    }

    async fn list_resource_tags(&self, key: &KeyArn) -> Attempt<BTreeMap<String, String>> {
        match self.client(key.region()) {
            // A key has 50 tags at most, which is a page.
            Ok(client) => attempted(client.list_resource_tags().key_id(key.as_str()).limit(50).send().await, |output| {
                Some(output.tags?.into_iter().map(|tag| (tag.tag_key, tag.tag_value)).collect())
            }),
            Err(error) => Attempt { request_id: None, result: Err(error) },
        }
    }

    async fn sign(&self, key: &KeyArn, payload: &SigningPayload) -> Attempt<Vec<u8>> {
        let client = match self.client(key.region()) {
            Ok(client) => client,
            Err(error) => return Attempt { request_id: None, result: Err(error) },
        };
        let (algorithm, message_type) = match payload {
            SigningPayload::EcdsaDigest(_) => (SigningAlgorithmSpec::EcdsaSha256, MessageType::Digest),
            SigningPayload::Ed25519Message(_) => (SigningAlgorithmSpec::Ed25519Sha512, MessageType::Raw),
        };
        let request = client
            .sign()
            .key_id(key.as_str())
            .message(Blob::new(payload.as_bytes()))
            .message_type(message_type)
            .signing_algorithm(algorithm);
        attempted(request.send().await, |output| output.signature.map(Blob::into_inner))
    }

    async fn change_key(&self, key: &KeyArn, change: KeyChange) -> Attempt<()> {
        let client = match self.client(key.region()) {
            Ok(client) => client,
            Err(error) => return Attempt { request_id: None, result: Err(error) },
        };
        let id = key.as_str();
        match change {
            KeyChange::Enable => attempted(client.enable_key().key_id(id).send().await, |_| Some(())),
            KeyChange::Disable => attempted(client.disable_key().key_id(id).send().await, |_| Some(())),
            KeyChange::ScheduleDeletion { window_days } => {
                let request = client.schedule_key_deletion().key_id(id).pending_window_in_days(window_days.into());
                attempted(request.send().await, |_| Some(()))
            }
            KeyChange::CancelDeletion => attempted(client.cancel_key_deletion().key_id(id).send().await, |_| Some(())),
        }
    }
}

/// Whether an answer is about the key that was asked for. What stands between us and KMS may mix answers up, and coins would be sent
/// to the address of another key.
fn is_about(key: &KeyArn, answered: Option<&str>) -> bool {
    let fits = answered.is_none_or(|answered| answered == key.as_str() || answered == key.key_id());
    if !fits {
        tracing::error!(%key, answered, "KMS answered about another key than was asked for");
    }
    fits
}

fn timestamp(at: &DateTime) -> Option<Timestamp> {
    at.to_millis().ok().and_then(|millis| u64::try_from(millis).ok()).map(Timestamp::from_unix_millis)
}

fn refused<T>(code: &str) -> Attempt<T> {
    Attempt { request_id: None, result: Err(AttemptError::Refused { code: code.to_owned() }) }
}

/// Reads an answer. One without the member that the operation exists for counts as lost: the effect may have happened.
pub(super) fn attempted<O, E, T>(sent: Result<O, SdkError<E, HttpResponse>>, read: impl FnOnce(O) -> Option<T>) -> Attempt<T>
where
    O: RequestId,
    E: ProvideErrorMetadata + Error + 'static,
{
    match sent {
        Ok(output) => {
            let request_id = output.request_id().map(ToOwned::to_owned);
            Attempt { request_id, result: read(output).ok_or(AttemptError::Lost) }
        }
        Err(error) => Attempt { request_id: error.request_id().map(ToOwned::to_owned), result: Err(classify(&error)) },
    }
}

/// Tells errors apart by their code.
///
/// Source: <https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html> and each operation's errors.
fn classify<E>(error: &SdkError<E, HttpResponse>) -> AttemptError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ConstructionFailure(_) if lacks_credentials(error) => AttemptError::NoCredentials,
        SdkError::ConstructionFailure(_) => AttemptError::Refused { code: "the request could not be built".to_owned() },
        SdkError::DispatchFailure(_) if lacks_credentials(error) => AttemptError::NoCredentials,
        SdkError::DispatchFailure(failure) if never_connected(failure) => AttemptError::NotSent,
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => AttemptError::Lost,
        SdkError::ServiceError(context) => by_code(context.err().code(), context.raw().status().as_u16()),
        // The SDK may grow variants; what is not known to be without effect counts as lost.
        _ => AttemptError::Lost,
    }
}

/// An answer without one of AWS's codes is not AWS's refusal, whatever its status: a proxy's page, or a success that can't be
/// read, behind which the effect may have happened.
fn by_code(code: Option<&str>, status: u16) -> AttemptError {
    let Some(code) = code else { return AttemptError::Lost };
    match code {
        "ThrottlingException" | "Throttling" | "ThrottledException" | "RequestLimitExceeded" | "TooManyRequestsException" => {
            AttemptError::Throttled
        }
        "AccessDeniedException" | "AccessDenied" => AttemptError::Denied,
        "NotFoundException" => AttemptError::NotFound,
        "DisabledException" | "KMSInvalidStateException" | "KeyUnavailableException" => {
            AttemptError::KeyState { code: code.to_owned() }
        }
        "DependencyTimeoutException" | "KMSInternalException" | "InternalFailure" | "ServiceUnavailable" => {
            AttemptError::Unavailable { code: code.to_owned() }
        }
        _ if status >= 500 => AttemptError::Unavailable { code: code.to_owned() },
        _ if status >= 400 => AttemptError::Refused { code: code.to_owned() },
        _ => AttemptError::Lost,
    }
}

/// A connection that was never made carried no request.
fn never_connected(failure: &aws_smithy_runtime_api::client::result::DispatchFailure) -> bool {
    let connecting = |cause: &(dyn Error + 'static)| {
        cause.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(hyper_util::client::legacy::Error::is_connect)
    };
    failure.as_connector_error().is_some_and(|error| causes(error).any(connecting))
}

fn lacks_credentials<E: Error + 'static>(error: &E) -> bool {
    causes(error).any(|cause| cause.downcast_ref::<aws_credential_types::provider::error::CredentialsError>().is_some())
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// A server that is no KMS: it reads a request and answers each connection with this.
    fn answering(answer: String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        url
    }

    async fn create_key_answered(status: &str, body: &str) -> AttemptError {
        let key = NewKey { key_spec: KeySpec::EccSecgP256k1, description: String::new(), tags: Vec::new(), policy: None };
        kms_answering(status, body).await.create_key(&key).await.result.unwrap_err()
    }

    async fn kms_answering(status: &str, body: &str) -> AwsKms {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        AwsKms::connect(&AwsSettings {
            region: "eu-central-1".parse().unwrap(),
            endpoint_url: Some(answering(answer)),
            tagging_endpoint_url: None,
            connect_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(5),
            credentials: Credentials::Emulator,
        })
        .await
    }

    #[tokio::test]
    async fn public_key_of_another_key_than_was_asked_for_is_not_taken() {
        let asked: KeyArn = "arn:aws:kms:eu-central-1:111122223333:key/1234".parse().unwrap();
        let public_key_of = async |key_id: &str| {
            let body = format!("{{\"KeyId\":\"{key_id}\",\"PublicKey\":\"AQID\"}}");
            kms_answering("200 OK", &body).await.get_public_key(&asked).await.result
        };
        assert_eq!(public_key_of(asked.as_str()).await, Ok(vec![1, 2, 3]));
        assert_eq!(public_key_of("1234").await, Ok(vec![1, 2, 3]));
        assert_eq!(public_key_of("arn:aws:kms:eu-central-1:111122223333:key/5678").await, Err(AttemptError::Lost));
    }

    #[tokio::test]
    async fn create_key_answered_by_what_is_not_kms_is_lost() {
        for status in ["200 OK", "404 Not Found", "408 Request Timeout", "499 X"] {
            for body in ["<html>a proxy's page</html>", "", "{\"KeyMetadata\":{\"Arn\":\"arn:aws", "{}"] {
                let error = create_key_answered(status, body).await;
                assert_eq!(error, AttemptError::Lost, "{status} {body:?}");
            }
        }
    }

    #[tokio::test]
    async fn create_key_refused_by_kms_is_told_by_its_code() {
        let refused = create_key_answered("400 Bad Request", "{\"__type\":\"LimitExceededException\"}").await;
        assert_eq!(refused, AttemptError::Refused { code: "LimitExceededException".to_owned() });
        let busy = create_key_answered("503 Service Unavailable", "{\"__type\":\"SomethingNewException\"}").await;
        assert!(matches!(busy, AttemptError::Unavailable { .. }), "{busy:?}");
    }
}
