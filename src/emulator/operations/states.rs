//! EnableKey, DisableKey, ScheduleKeyDeletion, CancelKeyDeletion. Each acts on the key of the request's Region alone.

use serde::{Deserialize, Serialize};

use super::super::errors::KmsError;
use super::super::keys::{KeyState, SetState};
use super::{Done, KeyInput, Request, Seconds, check_range, invalid_state};
use crate::ids::KeyArn;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

pub(super) fn enable_key(request: &Request) -> Result<Done, KmsError> {
    switch(request, SetState::Enabled)
}

pub(super) fn disable_key(request: &Request) -> Result<Done, KmsError> {
    switch(request, SetState::Disabled)
}

fn switch(request: &Request, to: SetState) -> Result<Done, KmsError> {
    let input: KeyInput = request.input()?;
    let mut changes = request.keys.changes();
    let key = request.key(&input.key_id)?;
    match request.state(&key) {
        KeyState::Enabled | KeyState::Disabled => changes.put(key.in_state(request.now, to)).map(Done::nothing),
        state => Err(invalid_state(&key, state)),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScheduleKeyDeletionInput {
    key_id: String,
    #[serde(default = "thirty")]
    pending_window_in_days: u64,
}

const fn thirty() -> u64 {
    30
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ScheduleKeyDeletionAnswer {
    key_id: KeyArn,
    key_state: KeyState,
    pending_window_in_days: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_date: Option<Seconds>,
}

pub(super) fn schedule_key_deletion(request: &Request) -> Result<Done, KmsError> {
    let input: ScheduleKeyDeletionInput = request.input()?;
    let days = input.pending_window_in_days;
    check_range("PendingWindowInDays", days, 7..=30)?;
    let mut changes = request.keys.changes();
    let key = request.living_key(&input.key_id)?;
    let at = request.now.saturating_add(days.saturating_mul(DAY_MS));
    let is_primary = key.primary_region.as_ref() == Some(&key.region);
    let waits_for_replicas = is_primary && request.keys.regions_of(key.id(), request.moment()).len() > 1;
    let (state, deletion_date) = if waits_for_replicas {
        (SetState::PendingReplicaDeletion { days }, None)
    } else {
        (SetState::PendingDeletion { at }, Some(Seconds(at)))
    };
    let key = changes.put(key.in_state(request.now, state))?;
    let answer = ScheduleKeyDeletionAnswer {
        key_id: key.arn.clone(),
        key_state: request.state(&key),
        pending_window_in_days: days,
        deletion_date,
    };
    Done::answer(Some(key), &answer)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CancelKeyDeletionAnswer {
    key_id: KeyArn,
}

/// Leaves the key disabled, as KMS does.
pub(super) fn cancel_key_deletion(request: &Request) -> Result<Done, KmsError> {
    let input: KeyInput = request.input()?;
    let mut changes = request.keys.changes();
    let key = request.key(&input.key_id)?;
    match request.state(&key) {
        KeyState::PendingDeletion | KeyState::PendingReplicaDeletion => {}
        state => return Err(invalid_state(&key, state)),
    }
    let key = changes.put(key.in_state(request.now, SetState::Disabled))?;
    let answer = CancelKeyDeletionAnswer { key_id: key.arn.clone() };
    Done::answer(Some(key), &answer)
}
