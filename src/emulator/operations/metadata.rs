//! `KeyMetadata`: a key as CreateKey, DescribeKey and ReplicateKey describe it.

use serde::Serialize;

use super::super::keys::{Key, KeyState, Origin, SetState, arn_prefix};
use super::super::signatures::KeySpec;
use super::{Request, Seconds};
use crate::ids::{KeyArn, Region};

/// Source: <https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html>
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Metadata {
    #[serde(rename = "AWSAccountId")]
    aws_account_id: &'static str,
    key_id: String,
    arn: KeyArn,
    creation_date: Seconds,
    enabled: bool,
    description: String,
    key_usage: &'static str,
    key_state: KeyState,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_date: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_deletion_window_in_days: Option<u64>,
    origin: Origin,
    key_manager: &'static str,
    customer_master_key_spec: KeySpec,
    key_spec: KeySpec,
    signing_algorithms: &'static [&'static str],
    multi_region: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_region_configuration: Option<MultiRegionConfiguration>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MultiRegionConfiguration {
    multi_region_key_type: &'static str,
    primary_key: RegionalKey,
    replica_keys: Vec<RegionalKey>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RegionalKey {
    arn: String,
    region: Region,
}

impl Metadata {
    pub fn of(request: &Request, key: &Key) -> Self {
        let key_state = request.state(key);
        let (deletion_date, pending_deletion_window_in_days) = match key.spread_state(request.now, request.lags) {
            SetState::PendingDeletion { at } => (Some(Seconds(at)), None),
            SetState::PendingReplicaDeletion { days } => (None, Some(days)),
            SetState::Enabled | SetState::Disabled => (None, None),
        };
        Self {
            aws_account_id: super::super::ACCOUNT,
            key_id: key.id().to_owned(),
            arn: key.arn.clone(),
            creation_date: Seconds(key.created_at),
            enabled: key_state == KeyState::Enabled,
            description: key.description.clone(),
            key_usage: "SIGN_VERIFY",
            key_state,
            deletion_date,
            pending_deletion_window_in_days,
            origin: key.origin,
            key_manager: "CUSTOMER",
            customer_master_key_spec: key.spec,
            key_spec: key.spec,
            signing_algorithms: key.spec.signing_algorithms(),
            multi_region: key.primary_region.is_some(),
            multi_region_configuration: key.primary_region.as_ref().map(|primary| topology(request, key, primary)),
        }
    }
}

fn topology(request: &Request, key: &Key, primary: &Region) -> MultiRegionConfiguration {
    let in_region = |region: Region| RegionalKey { arn: format!("{}key/{}", arn_prefix(&region), key.id()), region };
    let replicas = request.keys.regions_of(key.id(), request.moment()).into_iter().filter(|region| region != primary);
    MultiRegionConfiguration {
        multi_region_key_type: if key.is_replica() { "REPLICA" } else { "PRIMARY" },
        primary_key: in_region(primary.clone()),
        replica_keys: replicas.map(in_region).collect(),
    }
}
