//! Keys: their making, their states, their Regions.

use std::collections::HashSet;

use anyhow::{Context, ensure};
use aws_sdk_kms::operation::RequestId as _;
use aws_sdk_kms::types::{KeyMetadata, KeySpec, KeyState, KeyUsageType, MultiRegionKeyType, OriginType, SigningAlgorithmSpec};
use kmsignd::keys;

use super::signing::{sign_digest, verify_digest};
use super::tags::post;
use super::{ELSEWHERE, HERE, Kms, arn, refused, state};

const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:*","Resource":"*"}]}"#;

pub async fn create_key_answers_what_describe_key_answers(kms: &Kms) -> anyhow::Result<()> {
    let created = kms.create(KeySpec::EccSecgP256K1).description("a wallet").send().await?;
    let created = created.key_metadata.context("no metadata")?;
    let described = kms.here.describe_key().key_id(&created.key_id).send().await?.key_metadata.context("no metadata")?;
    ensure!(created == described, "{created:?} differs from {described:?}");
    let arn: kmsignd::ids::KeyArn = arn(&created)?.parse()?;
    ensure!(arn.key_id() == created.key_id && arn.region() == HERE);
    ensure!(created.key_spec == Some(KeySpec::EccSecgP256K1) && created.key_usage == Some(KeyUsageType::SignVerify));
    ensure!(created.key_state == Some(KeyState::Enabled) && created.enabled);
    ensure!(created.origin == Some(OriginType::AwsKms) && created.multi_region == Some(false));
    ensure!(created.signing_algorithms() == [SigningAlgorithmSpec::EcdsaSha256]);
    ensure!(created.description.as_deref() == Some("a wallet"));
    let age = std::time::SystemTime::now().duration_since(created.creation_date.context("no CreationDate")?.try_into()?)?;
    ensure!(age.as_secs() < 60, "created {age:?} ago");
    Ok(())
}

pub async fn create_key_multi_region_is_a_primary(kms: &Kms) -> anyhow::Result<()> {
    let created = multi_region(kms).await?;
    ensure!(created.multi_region == Some(true) && created.key_id.starts_with("mrk-"));
    let configuration = created.multi_region_configuration.context("no MultiRegionConfiguration")?;
    ensure!(configuration.multi_region_key_type == Some(MultiRegionKeyType::Primary));
    ensure!(configuration.primary_key.and_then(|key| key.arn) == created.arn);
    Ok(())
}

pub async fn create_key_of_external_origin_is_pending_import(kms: &Kms) -> anyhow::Result<()> {
    let created = kms.create(KeySpec::EccSecgP256K1).origin(OriginType::External).send().await?;
    let created = created.key_metadata.context("no metadata")?;
    ensure!(created.key_state == Some(KeyState::PendingImport) && created.origin == Some(OriginType::External));
    refused(kms.here.get_public_key().key_id(&created.key_id).send().await, &["KMSInvalidStateException"])
}

pub async fn create_key_without_key_usage_is_refused(kms: &Kms) -> anyhow::Result<()> {
    refused(kms.here.create_key().key_spec(KeySpec::EccSecgP256K1).send().await, &["ValidationException"])
}

pub async fn create_key_with_long_description_is_refused(kms: &Kms) -> anyhow::Result<()> {
    kms.create(KeySpec::EccSecgP256K1).description("x".repeat(8192)).send().await?;
    refused(kms.create(KeySpec::EccSecgP256K1).description("x".repeat(8193)).send().await, &["ValidationException"])
}

pub async fn create_key_with_a_policy_that_is_not_json_is_refused(kms: &Kms) -> anyhow::Result<()> {
    refused(kms.create(KeySpec::EccSecgP256K1).policy("{").send().await, &["MalformedPolicyDocumentException"])
}

pub async fn create_key_with_policy_keeps_it(kms: &Kms) -> anyhow::Result<()> {
    let create = kms.create(KeySpec::EccSecgP256K1).policy(POLICY).bypass_policy_lockout_safety_check(true);
    let key = create.send().await?.key_metadata.context("no metadata")?.key_id;
    same_policy(&policy(kms, &key).await?, POLICY)
}

pub async fn put_key_policy_replaces_the_policy(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.secp256k1().await?;
    ensure!(policy(kms, &key).await?.contains("kms:*"), "the default policy leaves it to IAM");
    kms.here.put_key_policy().key_id(&key).policy(POLICY).bypass_policy_lockout_safety_check(true).send().await?;
    same_policy(&policy(kms, &key).await?, POLICY)
}

pub async fn describe_key_names_the_account(kms: &Kms) -> anyhow::Result<()> {
    let created = kms.key(KeySpec::EccSecgP256K1).await?;
    let arn: kmsignd::ids::KeyArn = arn(&created)?.parse()?;
    ensure!(created.aws_account_id.as_deref() == Some(arn.account()), "{:?}", created.aws_account_id);
    Ok(())
}

pub async fn describe_key_takes_id_arn_and_alias(kms: &Kms) -> anyhow::Result<()> {
    let created = kms.key(KeySpec::EccSecgP256K1).await?;
    let arn = arn(&created)?;
    let alias = format!("alias/describe-{}", created.key_id);
    kms.here.create_alias().alias_name(&alias).target_key_id(&created.key_id).send().await?;
    let alias_arn = arn.replace(&format!("key/{}", created.key_id), &alias);
    for name in [&created.key_id, &arn, &alias, &alias_arn] {
        let described = kms.here.describe_key().key_id(name).send().await.with_context(|| name.clone())?;
        ensure!(described.key_metadata.and_then(|metadata| metadata.arn) == Some(arn.clone()), "{name}");
    }
    Ok(())
}

pub async fn describe_key_unknown_is_not_found(kms: &Kms) -> anyhow::Result<()> {
    let known = kms.secp256k1().await?;
    let unknown = "00000000-0000-4000-8000-000000000000";
    let (prefix, _) = known.split_once("key/").context("no key/")?;
    for name in [unknown, &format!("{prefix}key/{unknown}"), "alias/unknown"] {
        refused(kms.here.describe_key().key_id(name).send().await, &["NotFoundException"]).context(name.to_owned())?;
    }
    Ok(())
}

pub async fn describe_key_of_another_region_is_not_found(kms: &Kms) -> anyhow::Result<()> {
    let created = kms.key(KeySpec::EccSecgP256K1).await?;
    let there = arn(&created)?.replace(HERE, ELSEWHERE);
    refused(kms.elsewhere.describe_key().key_id(&created.key_id).send().await, &["NotFoundException"]).context("id")?;
    refused(kms.elsewhere.describe_key().key_id(arn(&created)?).send().await, &["NotFoundException"]).context("ARN")?;
    refused(kms.here.describe_key().key_id(there).send().await, &["NotFoundException"]).context("ARN of another Region")
}

pub async fn get_public_key_secp256k1_is_spki(kms: &Kms) -> anyhow::Result<()> {
    public_key(kms, KeySpec::EccSecgP256K1, keys::KeySpec::EccSecgP256k1, 88).await
}

pub async fn get_public_key_ed25519_is_spki(kms: &Kms) -> anyhow::Result<()> {
    public_key(kms, KeySpec::EccNistEdwards25519, keys::KeySpec::EccNistEdwards25519, 44).await
}

async fn public_key(kms: &Kms, spec: KeySpec, ours: keys::KeySpec, length: usize) -> anyhow::Result<()> {
    let key = arn(&kms.key(spec.clone()).await?)?;
    let answer = kms.here.get_public_key().key_id(&key).send().await?;
    let der = answer.public_key.context("no PublicKey")?.into_inner();
    ensure!(der.len() == length && keys::PublicKey::from_spki_der(ours, &der)?.to_spki_der() == der);
    ensure!(answer.key_id == Some(key) && answer.key_spec == Some(spec));
    ensure!(answer.key_usage == Some(KeyUsageType::SignVerify));
    Ok(())
}

pub async fn get_public_key_of_disabled_key_is_refused(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.secp256k1().await?;
    kms.here.disable_key().key_id(&key).send().await?;
    refused(kms.here.get_public_key().key_id(&key).send().await, &["DisabledException"])
}

pub async fn disable_key_stops_signing_until_enabled(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.secp256k1().await?;
    kms.here.disable_key().key_id(&key).send().await?;
    ensure!(state(&kms.here, &key).await? == KeyState::Disabled);
    refused(sign_digest(&kms.here, &key, &[1; 32]).await, &["DisabledException"])?;
    kms.here.enable_key().key_id(&key).send().await?;
    ensure!(state(&kms.here, &key).await? == KeyState::Enabled);
    sign_digest(&kms.here, &key, &[1; 32]).await?;
    Ok(())
}

pub async fn enable_and_disable_twice_is_taken(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.secp256k1().await?;
    kms.here.enable_key().key_id(&key).send().await?;
    ensure!(state(&kms.here, &key).await? == KeyState::Enabled);
    for _ in 0..2 {
        kms.here.disable_key().key_id(&key).send().await?;
        ensure!(state(&kms.here, &key).await? == KeyState::Disabled);
    }
    Ok(())
}

pub async fn schedule_deletion_stops_signing(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.secp256k1().await?;
    let answer = kms.here.schedule_key_deletion().key_id(&key).pending_window_in_days(7).send().await?;
    ensure!(answer.key_state == Some(KeyState::PendingDeletion) && answer.key_id.as_ref() == Some(&key));
    let date = std::time::SystemTime::try_from(answer.deletion_date.context("no DeletionDate")?)?;
    let hours = date.duration_since(std::time::SystemTime::now())?.as_secs() / 3600;
    ensure!((7 * 24 - 1..=7 * 24).contains(&hours), "deleted in {hours} hours");
    refused(sign_digest(&kms.here, &key, &[1; 32]).await, &["KMSInvalidStateException", "DisabledException"])
}

pub async fn schedule_deletion_outside_7_to_30_days_is_refused(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.secp256k1().await?;
    for days in [0, 6, 31] {
        let answer = kms.here.schedule_key_deletion().key_id(&key).pending_window_in_days(days).send().await;
        refused(answer, &["ValidationException"]).context(format!("{days} days"))?;
    }
    ensure!(state(&kms.here, &key).await? == KeyState::Enabled);
    Ok(())
}

pub async fn schedule_deletion_twice_is_refused(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.secp256k1().await?;
    kms.here.schedule_key_deletion().key_id(&key).send().await?;
    refused(kms.here.schedule_key_deletion().key_id(&key).send().await, &["KMSInvalidStateException"])
}

pub async fn cancel_deletion_leaves_the_key_disabled(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.secp256k1().await?;
    kms.here.schedule_key_deletion().key_id(&key).send().await?;
    let answer = kms.here.cancel_key_deletion().key_id(&key).send().await?;
    ensure!(answer.key_id.as_ref() == Some(&key));
    let metadata = kms.here.describe_key().key_id(&key).send().await?.key_metadata.context("no metadata")?;
    ensure!(metadata.key_state == Some(KeyState::Disabled) && metadata.deletion_date.is_none());
    refused(sign_digest(&kms.here, &key, &[1; 32]).await, &["DisabledException"])
}

pub async fn cancel_deletion_of_living_key_is_refused(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.secp256k1().await?;
    refused(kms.here.cancel_key_deletion().key_id(&key).send().await, &["KMSInvalidStateException"])
}

pub async fn enable_key_pending_deletion_is_refused(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.secp256k1().await?;
    kms.here.schedule_key_deletion().key_id(&key).send().await?;
    refused(kms.here.enable_key().key_id(&key).send().await, &["KMSInvalidStateException"])
}

pub async fn replicate_key_is_creating_first(kms: &Kms) -> anyhow::Result<()> {
    let key = arn(&multi_region(kms).await?)?;
    let answer = kms.here.replicate_key().key_id(&key).replica_region(ELSEWHERE).send().await?;
    let metadata = answer.replica_key_metadata.context("no ReplicaKeyMetadata")?;
    ensure!(metadata.key_state == Some(KeyState::Creating), "{:?}", metadata.key_state);
    refused(sign_digest(&kms.elsewhere, &arn(&metadata)?, &[1; 32]).await, &["KMSInvalidStateException"])
}

pub async fn replicate_key_signs_with_the_same_material(kms: &Kms) -> anyhow::Result<()> {
    let primary = multi_region(kms).await?;
    let replica = replicate(kms, &primary).await?;
    ensure!(replica == arn(&primary)?.replace(HERE, ELSEWHERE), "{replica}");
    let signature = sign_digest(&kms.elsewhere, &replica, &[1; 32]).await?.signature.context("no Signature")?;
    ensure!(verify_digest(kms, &arn(&primary)?, &[1; 32], signature.as_ref()).await?, "not the primary's key");

    let described = kms.elsewhere.describe_key().key_id(&replica).send().await?.key_metadata.context("no metadata")?;
    let configuration = described.multi_region_configuration.context("no MultiRegionConfiguration")?;
    ensure!(configuration.multi_region_key_type == Some(MultiRegionKeyType::Replica));
    ensure!(configuration.primary_key.and_then(|key| key.arn) == primary.arn);
    ensure!(configuration.replica_keys.unwrap_or_default().iter().any(|key| key.arn.as_ref() == Some(&replica)));
    Ok(())
}

pub async fn replicate_key_keeps_state_per_region(kms: &Kms) -> anyhow::Result<()> {
    let primary = multi_region(kms).await?;
    let replica = replicate(kms, &primary).await?;
    kms.here.disable_key().key_id(&primary.key_id).send().await?;
    ensure!(state(&kms.here, &primary.key_id).await? == KeyState::Disabled);
    ensure!(state(&kms.elsewhere, &replica).await? == KeyState::Enabled);
    sign_digest(&kms.elsewhere, &replica, &[1; 32]).await.context("disabling the primary stops no replica")?;
    Ok(())
}

pub async fn replicate_key_twice_is_refused(kms: &Kms) -> anyhow::Result<()> {
    let primary = multi_region(kms).await?;
    replicate(kms, &primary).await?;
    let again = kms.here.replicate_key().key_id(&primary.key_id).replica_region(ELSEWHERE).send().await;
    refused(again, &["AlreadyExistsException"])
}

pub async fn replicate_key_of_single_region_key_is_refused(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.secp256k1().await?;
    let answer = kms.here.replicate_key().key_id(&key).replica_region(ELSEWHERE).send().await;
    refused(answer, &["UnsupportedOperationException"])
}

pub async fn schedule_deletion_of_primary_waits_for_replicas(kms: &Kms) -> anyhow::Result<()> {
    let primary = multi_region(kms).await?;
    let replica = replicate(kms, &primary).await?;
    kms.here.schedule_key_deletion().key_id(&primary.key_id).send().await?;
    ensure!(state(&kms.here, &primary.key_id).await? == KeyState::PendingReplicaDeletion);
    ensure!(state(&kms.elsewhere, &replica).await? == KeyState::Enabled);
    Ok(())
}

pub async fn schedule_deletion_of_primary_stops_signing(kms: &Kms) -> anyhow::Result<()> {
    let primary = multi_region(kms).await?;
    replicate(kms, &primary).await?;
    kms.here.schedule_key_deletion().key_id(&primary.key_id).send().await?;
    let signed = sign_digest(&kms.here, &primary.key_id, &[1; 32]).await;
    refused(signed, &["KMSInvalidStateException", "DisabledException"])
}

pub async fn list_keys_pages_through_all(kms: &Kms) -> anyhow::Result<()> {
    let wanted = [kms.secp256k1().await?, kms.secp256k1().await?, kms.ed25519().await?];
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let page = kms.here.list_keys().limit(2).set_marker(marker).send().await?;
        ensure!(page.keys().len() <= 2 && page.truncated == page.next_marker.is_some(), "a page and its marker disagree");
        seen.extend(page.keys().iter().filter_map(|key| key.key_arn.clone()));
        marker = page.next_marker;
        if marker.is_none() {
            break;
        }
    }
    let distinct: HashSet<_> = seen.iter().collect();
    ensure!(distinct.len() == seen.len(), "a key came twice");
    ensure!(wanted.iter().all(|key| distinct.contains(key)), "a key never came");
    Ok(())
}

pub async fn request_ids_are_unique(kms: &Kms) -> anyhow::Result<()> {
    let mut seen = HashSet::new();
    for _ in 0..10 {
        let fine = kms.here.list_keys().send().await?;
        let refused = kms.here.describe_key().key_id("alias/unknown").send().await.err().context("not refused")?;
        for id in [fine.request_id(), refused.request_id()] {
            let id = uuid::Uuid::parse_str(id.context("no request id")?)?;
            ensure!(seen.insert(id), "{id} came twice");
        }
    }
    Ok(())
}

pub async fn request_without_authorization_is_refused(kms: &Kms) -> anyhow::Result<()> {
    let (status, body) = post(&kms.url, "TrentService.ListKeys", None, &serde_json::json!({})).await?;
    ensure!(status >= 400 && body["__type"] == "MissingAuthenticationTokenException", "{status} {body}");
    Ok(())
}

async fn multi_region(kms: &Kms) -> anyhow::Result<KeyMetadata> {
    let created = kms.create(KeySpec::EccSecgP256K1).multi_region(true).send().await?;
    created.key_metadata.context("no metadata")
}

/// The ARN of a new replica elsewhere of a new primary.
pub async fn replicate_now(kms: &Kms) -> anyhow::Result<String> {
    start_replication(kms, &multi_region(kms).await?).await
}

async fn start_replication(kms: &Kms, primary: &KeyMetadata) -> anyhow::Result<String> {
    let answer = kms.here.replicate_key().key_id(&primary.key_id).replica_region(ELSEWHERE).send().await?;
    arn(&answer.replica_key_metadata.context("no ReplicaKeyMetadata")?)
}

/// The ARN of a new replica elsewhere, when it is enabled.
async fn replicate(kms: &Kms, primary: &KeyMetadata) -> anyhow::Result<String> {
    let replica = start_replication(kms, primary).await?;
    while state(&kms.elsewhere, &replica).await? == KeyState::Creating {
        tokio::task::yield_now().await;
    }
    Ok(replica)
}

async fn policy(kms: &Kms, key: &str) -> anyhow::Result<String> {
    kms.here.get_key_policy().key_id(key).policy_name("default").send().await?.policy.context("no Policy")
}

fn same_policy(got: &str, wanted: &str) -> anyhow::Result<()> {
    let parse = serde_json::from_str::<serde_json::Value>;
    ensure!(parse(got)? == parse(wanted)?, "{got}");
    Ok(())
}
