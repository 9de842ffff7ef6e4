//! One list of what KMS does, run against every KMS the tests have: our emulator and ministack, which others wrote. What the
//! emulator alone gets wrong shows in the other, and the daemon relies on nothing that only one of them does.
//!
//! Exceptions are told by their code, never by their text. A server's known deviations are listed by the name of the case;
//! one that no longer deviates fails the test, so the list stays true.

pub mod keys;
pub mod signing;
pub mod tags;

use std::pin::Pin;

use anyhow::{Context, ensure};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::operation::create_key::builders::CreateKeyFluentBuilder;
use aws_sdk_kms::types::{KeyMetadata, KeySpec, KeyState, KeyUsageType};
use kmsignd::emulator::{Emulator, EmulatorConfig};

pub const HERE: &str = "eu-central-1";
pub const ELSEWHERE: &str = "us-west-2";

/// Where ministack answers, if it was started (tests/kms/ministack.sh).
const MINISTACK_URL: &str = "KMSIGND_TEST_MINISTACK_URL";

/// What ministack 1.5.33 is known to do otherwise than AWS.
const MINISTACK_DEVIATIONS: &[(&str, &str)] = &[
    ("describe_key_names_the_account", "KeyMetadata has no AWSAccountId"),
    ("create_key_without_key_usage_is_refused", "takes ENCRYPT_DECRYPT for any spec"),
    ("create_key_with_long_description_is_refused", "checks no length"),
    ("create_key_with_a_policy_that_is_not_json_is_refused", "keeps any text as a policy"),
    ("create_key_with_a_tag_key_twice_is_refused", "checks no tags"),
    ("create_key_with_a_reserved_tag_key_is_refused", "checks no tags"),
    ("get_public_key_of_disabled_key_is_refused", "checks the state of a pending import alone"),
    ("schedule_deletion_twice_is_refused", "checks no state"),
    ("cancel_deletion_of_living_key_is_refused", "checks no state"),
    ("enable_key_pending_deletion_is_refused", "checks no state"),
    ("tag_resource_of_key_pending_deletion_is_refused", "checks no state"),
    ("schedule_deletion_of_primary_stops_signing", "knows PendingDeletion, not PendingReplicaDeletion"),
    ("replicate_key_is_creating_first", "a replica is Enabled at once"),
    ("list_keys_pages_through_all", "has no NextMarker"),
    ("list_resource_tags_pages_through_all", "knows no Limit"),
    ("get_resources_pages_through_all", "knows no ResourcesPerPage"),
    ("sign_raw_of_4097_bytes_is_refused", "checks no length"),
    ("sign_raw_of_no_bytes_is_refused", "checks no length"),
    ("sign_dry_run_makes_no_signature", "signs"),
    ("request_without_authorization_is_refused", "runs with AUTH off"),
];

/// A KMS under test, in two Regions.
pub struct Kms {
    pub url: String,
    pub here: Client,
    pub elsewhere: Client,
}

impl Kms {
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned(), here: client(url, HERE), elsewhere: client(url, ELSEWHERE) }
    }

    /// A CreateKey that has what each needs: to be completed and sent.
    pub fn create(&self, spec: KeySpec) -> CreateKeyFluentBuilder {
        self.here.create_key().key_spec(spec).key_usage(KeyUsageType::SignVerify)
    }

    /// A new enabled key.
    pub async fn key(&self, spec: KeySpec) -> anyhow::Result<KeyMetadata> {
        let created = self.create(spec).send().await?;
        created.key_metadata.context("CreateKey answers no metadata")
    }

    /// The ARN of a new enabled secp256k1 key.
    pub async fn secp256k1(&self) -> anyhow::Result<String> {
        arn(&self.key(KeySpec::EccSecgP256K1).await?)
    }

    pub async fn ed25519(&self) -> anyhow::Result<String> {
        arn(&self.key(KeySpec::EccNistEdwards25519).await?)
    }
}

pub fn arn(metadata: &KeyMetadata) -> anyhow::Result<String> {
    metadata.arn.clone().context("no Arn")
}

pub async fn state(client: &Client, key: &str) -> anyhow::Result<KeyState> {
    let described = client.describe_key().key_id(key).send().await?;
    described.key_metadata.and_then(|metadata| metadata.key_state).context("no KeyState")
}

/// A client that tries once and takes no proxy from the environment.
pub fn client(url: &str, region: &'static str) -> Client {
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .region(Region::new(region))
        .endpoint_url(url)
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .build();
    Client::from_conf(config)
}

/// Holds if the request was refused with one of `codes`.
pub fn refused<T, E: ProvideErrorMetadata, R>(result: Result<T, SdkError<E, R>>, codes: &[&str]) -> anyhow::Result<()> {
    let code = match &result {
        Ok(_) => "success",
        Err(error) => error.code().unwrap_or("an error without a code"),
    };
    ensure!(codes.contains(&code), "expected {codes:?}, got {code}");
    Ok(())
}

type Case = for<'a> fn(&'a Kms) -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + 'a>>;

macro_rules! cases {
    ($($module:ident { $($name:ident,)* })*) => {
        const CASES: &[(&str, Case)] = &[$($((stringify!($name), |kms| Box::pin($module::$name(kms))),)*)*];
    };
}

cases! {
    keys {
        create_key_answers_what_describe_key_answers,
        create_key_multi_region_is_a_primary,
        create_key_of_external_origin_is_pending_import,
        create_key_without_key_usage_is_refused,
        create_key_with_long_description_is_refused,
        create_key_with_a_policy_that_is_not_json_is_refused,
        create_key_with_policy_keeps_it,
        put_key_policy_replaces_the_policy,
        describe_key_names_the_account,
        describe_key_takes_id_arn_and_alias,
        describe_key_unknown_is_not_found,
        describe_key_of_another_region_is_not_found,
        get_public_key_secp256k1_is_spki,
        get_public_key_ed25519_is_spki,
        get_public_key_of_disabled_key_is_refused,
        disable_key_stops_signing_until_enabled,
        enable_and_disable_twice_is_taken,
        schedule_deletion_stops_signing,
        schedule_deletion_outside_7_to_30_days_is_refused,
        schedule_deletion_twice_is_refused,
        cancel_deletion_leaves_the_key_disabled,
        cancel_deletion_of_living_key_is_refused,
        enable_key_pending_deletion_is_refused,
        replicate_key_is_creating_first,
        replicate_key_signs_with_the_same_material,
        replicate_key_keeps_state_per_region,
        replicate_key_twice_is_refused,
        replicate_key_of_single_region_key_is_refused,
        schedule_deletion_of_primary_waits_for_replicas,
        schedule_deletion_of_primary_stops_signing,
        list_keys_pages_through_all,
        request_ids_are_unique,
        request_without_authorization_is_refused,
    }
    signing {
        sign_digest_verifies_with_libsecp256k1,
        sign_digest_twice_gives_two_signatures,
        sign_64_digests_gives_high_and_low_s_in_minimal_der,
        sign_raw_ecdsa_hashes_the_message,
        sign_raw_ed25519_verifies,
        sign_raw_ed25519_of_4096_bytes_verifies,
        sign_raw_of_4097_bytes_is_refused,
        sign_raw_of_no_bytes_is_refused,
        sign_digest_of_other_length_is_refused,
        sign_with_algorithm_of_another_spec_is_refused,
        sign_with_unknown_algorithm_is_refused,
        sign_with_ed25519_and_digest_is_refused,
        sign_with_unknown_key_is_not_found,
        sign_with_external_key_without_material_is_refused,
        sign_dry_run_makes_no_signature,
        sign_dry_run_of_disabled_key_is_refused,
        verify_tells_a_signature_from_another,
    }
    tags {
        create_key_with_tags_lists_them,
        create_key_with_a_tag_key_twice_is_refused,
        create_key_with_a_reserved_tag_key_is_refused,
        tag_resource_adds_and_replaces,
        untag_resource_removes,
        tag_resource_of_key_pending_deletion_is_refused,
        list_resource_tags_pages_through_all,
        get_resources_finds_the_key_by_all_its_filters,
        get_resources_finds_nothing_of_another_type_or_region,
        get_resources_pages_through_all,
        list_aliases_names_the_key_until_deleted,
        create_alias_twice_is_refused,
    }
}

/// Runs every case. All that went otherwise than expected is told at once.
async fn run(kms: &Kms, deviations: &[(&str, &str)]) {
    let mut surprises = Vec::new();
    for (name, case) in CASES {
        let known = deviations.iter().find(|(case, _)| case == name);
        match (case(kms).await, known) {
            (Ok(()), None) => {}
            (Err(error), Some((_, reason))) => eprintln!("{name} deviates as known ({reason}): {error:#}"),
            (Err(error), None) => surprises.push(format!("{name}: {error:#}")),
            (Ok(()), Some(_)) => surprises.push(format!("{name} is listed as a deviation and deviates no more")),
        }
    }
    for (name, _) in deviations {
        assert!(CASES.iter().any(|(case, _)| case == name), "{name} is listed as a deviation, and no case has that name");
    }
    eprintln!("{} cases, {} known deviations, {} surprises", CASES.len(), deviations.len(), surprises.len());
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

#[tokio::test]
async fn conformance_of_the_emulator_has_no_deviations() {
    let emulator = Emulator::start(EmulatorConfig::default()).await.unwrap();
    // Long enough to be seen, short enough to be waited for.
    emulator.faults().change(|switches| switches.lags.replica_creating_ms = 300);
    run(&Kms::at(&emulator.endpoint_url()), &[]).await;
    emulator.shutdown().await;
}

#[tokio::test]
async fn conformance_of_ministack_has_only_the_known_deviations() {
    match std::env::var(MINISTACK_URL) {
        Ok(url) => run(&Kms::at(&url), MINISTACK_DEVIATIONS).await,
        Err(_) => crate::skipped("the KMS list against ministack", "see tests/kms/ministack.sh"),
    }
}
