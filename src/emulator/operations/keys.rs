//! CreateKey, ReplicateKey, DescribeKey, GetPublicKey.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::super::errors::KmsError;
use super::super::keys::{Key, Origin, SetState, Tags, arn_prefix};
use super::super::signatures::{KeySpec, Material, random_bytes};
use super::metadata::Metadata;
use super::policies::{checked_policy, default_policy};
use super::tags::{Tag, checked_tags};
use super::{Blob, Done, KeyInput, Request};
use crate::ids::{KeyArn, Region};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateKeyInput {
    #[serde(alias = "CustomerMasterKeySpec")]
    key_spec: Option<String>,
    key_usage: Option<String>,
    origin: Option<String>,
    #[serde(default)]
    description: String,
    policy: Option<String>,
    #[serde(default)]
    multi_region: bool,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KeyMetadataAnswer {
    key_metadata: Metadata,
}

pub(super) fn create_key(request: &Request) -> Result<Done, KmsError> {
    let input: CreateKeyInput = request.input()?;
    let spec = match input.key_spec.as_deref() {
        Some("ECC_SECG_P256K1") => KeySpec::Secp256k1,
        Some("ECC_NIST_EDWARDS25519") => KeySpec::Ed25519,
        other => {
            let got = other.unwrap_or("SYMMETRIC_DEFAULT");
            return Err(KmsError::unsupported(format!("the emulator makes no keys of KeySpec {got}")));
        }
    };
    if input.key_usage.as_deref() != Some("SIGN_VERIFY") {
        return Err(KmsError::validation("KeyUsage must be SIGN_VERIFY for this KeySpec"));
    }
    let origin = match input.origin.as_deref() {
        None | Some("AWS_KMS") => Origin::AwsKms,
        Some("EXTERNAL") => Origin::External,
        Some(other) => return Err(KmsError::unsupported(format!("Origin {other} needs a custom key store"))),
    };
    let material = match origin {
        Origin::AwsKms => Some(Material::generate(spec)?),
        Origin::External => None,
    };
    let id = uuid::Builder::from_random_bytes(random_bytes()?).into_uuid();
    let id = if input.multi_region { format!("mrk-{}", id.simple()) } else { id.to_string() };
    let key = Key {
        arn: arn(request.region, &id)?,
        region: request.region.clone(),
        created_at: request.now,
        spec,
        origin,
        description: checked_description(input.description)?,
        policy: input.policy.map_or_else(|| Ok(default_policy()), checked_policy)?,
        primary_region: input.multi_region.then(|| request.region.clone()),
        state: SetState::Enabled,
        tags: checked_tags(input.tags)?,
        aliases: BTreeSet::new(),
        material,
        earlier_tags: Some((request.now, Tags::new())),
        earlier_state: None,
    };
    let key = request.keys.changes().put(key)?;
    let answer = KeyMetadataAnswer { key_metadata: Metadata::of(request, &key) };
    Done::answer(Some(key), &answer)
}

pub(super) fn make_signing_key(request: &Request, tags: Tags) -> Result<(), KmsError> {
    let id = uuid::Builder::from_random_bytes(random_bytes()?).into_uuid().to_string();
    let key = Key {
        arn: arn(request.region, &id)?,
        region: request.region.clone(),
        created_at: request.now,
        spec: KeySpec::Secp256k1,
        origin: Origin::AwsKms,
        description: String::new(),
        policy: default_policy(),
        primary_region: None,
        state: SetState::Enabled,
        tags,
        aliases: BTreeSet::new(),
        material: Some(Material::generate(KeySpec::Secp256k1)?),
        earlier_tags: None,
        earlier_state: None,
    };
    request.keys.changes().put(key).map(drop)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReplicateKeyInput {
    key_id: String,
    replica_region: Region,
    #[serde(default)]
    description: String,
    policy: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ReplicateKeyAnswer {
    replica_key_metadata: Metadata,
    replica_policy: String,
    replica_tags: Vec<Tag>,
}

pub(super) fn replicate_key(request: &Request) -> Result<Done, KmsError> {
    let input: ReplicateKeyInput = request.input()?;
    let mut changes = request.keys.changes();
    let primary = request.usable_key(&input.key_id)?;
    if primary.primary_region.is_none() || primary.is_replica() {
        return Err(KmsError::unsupported(format!("{} is not a multi-Region primary key.", primary.arn)));
    }
    if request.keys.regions_of(primary.id(), request.moment()).contains(&input.replica_region) {
        let message = format!("{} already exists in {}.", primary.id(), input.replica_region);
        return Err(KmsError::new("AlreadyExistsException", message));
    }
    let replica = changes.put(Key {
        arn: arn(&input.replica_region, primary.id())?,
        region: input.replica_region,
        created_at: request.now,
        description: checked_description(input.description)?,
        policy: input.policy.map_or_else(|| Ok(default_policy()), checked_policy)?,
        tags: checked_tags(input.tags)?,
        aliases: BTreeSet::new(),
        earlier_tags: Some((request.now, Tags::new())),
        earlier_state: None,
        ..Key::clone(&primary)
    })?;
    let answer = ReplicateKeyAnswer {
        replica_key_metadata: Metadata::of(request, &replica),
        replica_policy: replica.policy.clone(),
        replica_tags: Tag::list(&replica.tags),
    };
    Done::answer(Some(replica), &answer)
}

pub(super) fn describe_key(request: &Request) -> Result<Done, KmsError> {
    let input: KeyInput = request.input()?;
    let key = request.key(&input.key_id)?;
    let answer = KeyMetadataAnswer { key_metadata: Metadata::of(request, &key) };
    Done::answer(Some(key), &answer)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetPublicKeyAnswer {
    key_id: KeyArn,
    public_key: Blob,
    customer_master_key_spec: KeySpec,
    key_spec: KeySpec,
    key_usage: &'static str,
    signing_algorithms: &'static [&'static str],
}

pub(super) fn get_public_key(request: &Request) -> Result<Done, KmsError> {
    let input: KeyInput = request.input()?;
    let key = request.usable_key(&input.key_id)?;
    let material = key.material.as_ref().ok_or_else(|| KmsError::internal("a usable key has no material"))?;
    let answer = GetPublicKeyAnswer {
        key_id: key.arn.clone(),
        public_key: Blob(material.public_key().to_vec()),
        customer_master_key_spec: key.spec,
        key_spec: key.spec,
        key_usage: "SIGN_VERIFY",
        signing_algorithms: key.spec.signing_algorithms(),
    };
    Done::answer(Some(key), &answer)
}

fn arn(region: &Region, id: &str) -> Result<KeyArn, KmsError> {
    format!("{}key/{id}", arn_prefix(region)).parse().map_err(|_| KmsError::internal("an ARN of the emulator does not parse"))
}

fn checked_description(description: String) -> Result<String, KmsError> {
    if description.chars().count() > 8192 {
        return Err(KmsError::validation("Description must have at most 8192 characters"));
    }
    Ok(description)
}
