//! How a PENDING wallet comes to its key, whoever asks: the call that makes it, a retry with the same idempotencyKey, or the
//! daemon by itself. And the look for keys that belong to no wallet.
//!
//! It must never make a second key while the first may still show, never choose among several, and never delete one.

use std::time::Duration;

use serde_json::json;

use super::Services;
use crate::clock::Timestamp;
use crate::crash_points::{self, CrashPoint};
use crate::ids::{KeyArn, WalletId};
use crate::kms::{Answered, FoundKey, KmsError, TaggedKey, WALLET_ID_TAG};
use crate::outcome::Failure;
use crate::store::commits::{CreationFailure, CreationPermit, KeyFate, KeyNeed, KmsRequestIds, ProvenWallet};
use crate::store::wallets::Wallet;
use crate::store::{NewOrphan, StoreError};
use crate::wallets::adopt::{self, Evidence, Expected};
use crate::wallets::create;
use crate::wallets::lifecycle::Status;

/// Wallets whose look-ups are read from the store at once.
const PENDING_PART: u32 = 500;

/// What one pass over the PENDING wallets came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Healed {
    pub healed: usize,
    /// Still PENDING: too early to tell, KMS away, or for an operator to decide.
    pub left: usize,
}

impl Services {
    /// Brings a PENDING wallet to its key and proves it.
    pub(super) async fn bring_to_key(
        &self,
        permit: &mut CreationPermit,
        request_ids: &mut KmsRequestIds,
    ) -> Result<ProvenWallet, CreationFailure> {
        let key = match permit.need() {
            KeyNeed::Prove => permit.wallet().kms_key_id.clone().ok_or_else(|| defect("a named key without its name"))?,
            KeyNeed::Make { .. } => self.make_key(permit, request_ids).await?,
            KeyNeed::Find { creations, asked_at } => match self.find_key(permit.wallet(), request_ids).await? {
                Some(key) => key,
                None => self.after_vain_search(permit, creations, asked_at, request_ids).await?,
            },
        };
        let Answered { result, request_ids: more } = self.kms.new_public_key(&key, permit.wallet().key_spec).await;
        request_ids.extend(more);
        result
            .map_err(KmsError::into_failure)
            .and_then(|public_key| create::prove(&self.networks, permit.wallet(), key.clone(), public_key, self.clock.now()))
            .inspect(|_| crash_points::reach(CrashPoint::KeyProven))
            .map_err(|failure| {
                let fate = self.fate_of_unproven(permit, key, &failure);
                CreationFailure { failure, fate }
            })
    }

    /// A named key that still can't be proven after the grace is an operator's to look at.
    fn fate_of_unproven(&self, permit: &CreationPermit, key: KeyArn, failure: &Failure) -> KeyFate {
        let age = self.clock.now().unix_millis().saturating_sub(permit.wallet().created_at.unix_millis());
        if permit.need() != KeyNeed::Prove || u128::from(age) < self.reconcile_grace.as_millis() {
            return KeyFate::Named(key);
        }
        let finding = format!("its key {key} can't be proven: {failure}");
        tracing::error!(alarm = "key_not_proven", wallet_id = %permit.wallet().wallet_id, finding, "a wallet stays PENDING");
        KeyFate::Stuck(finding)
    }

    async fn make_key(&self, permit: &CreationPermit, request_ids: &mut KmsRequestIds) -> Result<KeyArn, CreationFailure> {
        let Answered { result, request_ids: more } = self.kms.create_key(permit).await;
        request_ids.extend(more);
        result.map_err(|error| {
            let fate = match (error.had_no_effect(), permit.need()) {
                (true, KeyNeed::Make { creations: 1 }) => KeyFate::None,
                (true, _) => KeyFate::NotThisTime,
                (false, _) => KeyFate::Unknown,
            };
            CreationFailure { failure: error.into_failure(), fate }
        })
    }

    /// The one key that can be the wallet's; `None` if none shows.
    async fn find_key(&self, wallet: &Wallet, request_ids: &mut KmsRequestIds) -> Result<Option<KeyArn>, CreationFailure> {
        let Answered { result, request_ids: more } = self.kms.keys_of_wallet(wallet.wallet_id).await;
        request_ids.extend(more);
        let found = result.map_err(|error| {
            unknown(format!("the wallet's key may exist and could not be looked for: {}", error.into_failure()))
        })?;
        let mut fit = Vec::new();
        for key in found {
            match self.unfit(wallet, &key).map_err(|error| unknown(format!("the store could not be read: {error}")))? {
                None => fit.push(key.arn),
                Some(reason) => {
                    tracing::error!(alarm = "unfit_key", wallet_id = %wallet.wallet_id, key = %key.arn, reason, "a key claims to be a PENDING wallet's and can't be");
                }
            }
        }
        match (fit.pop(), fit.len()) {
            (only, 0) => Ok(only),
            (_, others) => {
                let finding = format!(
                    "{} keys in KMS claim to be this wallet's, and none is chosen; see `kmsign key orphans`, and schedule the \
                     deletion of all but one",
                    others.saturating_add(1)
                );
                tracing::error!(alarm = "several_keys", wallet_id = %wallet.wallet_id, finding, "a wallet stays PENDING");
                Err(CreationFailure {
                    failure: Failure::KmsOutcomeUnknown { reason: finding.clone() },
                    fate: KeyFate::Stuck(finding),
                })
            }
        }
    }

    fn unfit(&self, wallet: &Wallet, key: &FoundKey) -> Result<Option<String>, StoreError> {
        let known = self.store.some_key()?;
        let tags = self.kms.tags_of(wallet);
        let expected = Expected { tags: &tags, region: self.kms.region().as_str(), account: known.as_ref().map(KeyArn::account) };
        Ok(adopt::unfit(wallet, expected, Evidence { arn: &key.arn, tags: &key.tags, description: &key.description }))
    }

    /// No key shows. It may still, as tags lag; after the grace one more is made, once.
    async fn after_vain_search(
        &self,
        permit: &mut CreationPermit,
        creations: u32,
        asked_at: Timestamp,
        request_ids: &mut KmsRequestIds,
    ) -> Result<KeyArn, CreationFailure> {
        let waited = self.clock.now().unix_millis().saturating_sub(asked_at.unix_millis());
        let grace = u64::try_from(self.reconcile_grace.as_millis()).unwrap_or(u64::MAX);
        if waited < grace {
            let rest = Duration::from_millis(grace.saturating_sub(waited)).as_secs().saturating_add(1);
            return Err(unknown(format!(
                "KMS's answer was lost, so the wallet's key may exist, and it does not show yet; it is looked for, and in {rest} s \
                 one more is made. Retry with the same idempotencyKey only"
            )));
        }
        if creations >= 2 {
            let finding =
                "KMS's answer to CreateKey was lost twice, and no key of this wallet shows; no third one is made. Look in \
                           CloudTrail for CreateKey with this wallet's id"
                    .to_owned();
            tracing::error!(alarm = "key_not_found", wallet_id = %permit.wallet().wallet_id, finding, "a wallet stays PENDING");
            return Err(CreationFailure {
                failure: Failure::KmsOutcomeUnknown { reason: finding.clone() },
                fate: KeyFate::Stuck(finding),
            });
        }
        self.store.permit_again(permit).await.map_err(|error| {
            tracing::error!(%error, "leave for one more CreateKey could not be written");
            CreationFailure { failure: Failure::AuditUnavailable, fate: KeyFate::Unknown }
        })?;
        self.make_key(permit, request_ids).await
    }

    /// One pass over every PENDING wallet that nobody else brings to its key now.
    ///
    /// # Errors
    /// The store can't be read or written.
    pub async fn reconcile_pending(&self) -> Result<Healed, StoreError> {
        let (mut after, mut pass) = (None, Healed::default());
        loop {
            let part = self.store.pending_wallets(after, PENDING_PART)?;
            let Some(last) = part.last().copied() else { return Ok(pass) };
            for id in part {
                if self.reconcile(id).await? {
                    pass.healed = pass.healed.saturating_add(1);
                } else {
                    pass.left = pass.left.saturating_add(1);
                }
            }
            after = Some(last);
        }
    }

    /// Returns whether the wallet now has its key.
    async fn reconcile(&self, id: WalletId) -> Result<bool, StoreError> {
        let Some(mut permit) = self.store.take_pending(id).await? else { return Ok(false) };
        let mut request_ids = Vec::new();
        match self.bring_to_key(&mut permit, &mut request_ids).await {
            Ok(proven) => {
                self.store.record_healed(permit, proven, request_ids).await?;
                tracing::info!(wallet_id = %id, "a wallet whose creation was cut off has its key");
                Ok(true)
            }
            Err(failed) => {
                tracing::warn!(wallet_id = %id, failure = %failed.failure, "a wallet stays PENDING");
                self.store.record_not_healed(permit, failed, request_ids).await?;
                Ok(false)
            }
        }
    }

    /// Looks at every key of this deployment, a page at a time, and lists those that belong to no wallet here. Returns how many
    /// were new.
    ///
    /// # Errors
    /// Why the look was broken off: what is listed stays.
    pub async fn find_orphans(&self) -> Result<usize, String> {
        let (begun, mut page, mut new) = (self.clock.now(), None::<String>, 0_usize);
        loop {
            let listed = self.kms.deployment_keys(page.as_deref()).await;
            let listed = listed.result.map_err(|error| error.into_failure().to_string())?;
            for key in listed.keys {
                if self.is_new_orphan(key).await.map_err(|error| error.to_string())? {
                    new = new.saturating_add(1);
                }
            }
            page = listed.next;
            if page.is_none() {
                self.store.forget_orphans(begun).await.map_err(|error| error.to_string())?;
                return Ok(new);
            }
        }
    }

    async fn is_new_orphan(&self, key: TaggedKey) -> Result<bool, StoreError> {
        if self.store.holds_key(&key.arn)? {
            return Ok(false);
        }
        let found = match self.kms.evidence(key.arn.clone()).await.result {
            Ok(found) => found,
            // Gone, or not to be seen: the next look tells.
            Err(error) => {
                tracing::warn!(key = %key.arn, %error, "a key without a wallet could not be looked at");
                return Ok(false);
            }
        };
        let wallet_id = found.tags.get(WALLET_ID_TAG).and_then(|id| id.parse::<WalletId>().ok());
        let Some(reason) = self.orphaned(wallet_id, &found)? else { return Ok(false) };
        let description = &found.description;
        let evidence = json!({
            "tags": found.tags,
            "keyState": description.key_state,
            "keySpec": description.key_spec,
            "origin": description.origin,
            "createdAt": description.created_at,
            "deletionDate": description.deletion_date,
        });
        let (arn, text) = (found.arn.clone(), reason.clone());
        let new = self.store.note_orphan(NewOrphan { key: found.arn, wallet_id, reason, evidence: evidence.to_string() }).await?;
        crash_points::reach(CrashPoint::OrphanListed);
        if new {
            tracing::error!(alarm = "orphan_key", key = %arn, reason = text, "a key of this deployment belongs to no wallet");
        }
        Ok(new)
    }

    /// Why a key that no wallet has is an orphan; `None` if it may still find its wallet, or is on its way out.
    fn orphaned(&self, wallet_id: Option<WalletId>, key: &FoundKey) -> Result<Option<String>, StoreError> {
        if key.description.key_state == "PendingDeletion" {
            return Ok(None);
        }
        let Some(id) = wallet_id else { return Ok(Some("its tag kmsignd:wallet-id is missing or no wallet id".to_owned())) };
        let Some(wallet) = self.store.wallet(id)? else { return Ok(Some("no wallet here has the id of its tag".to_owned())) };
        Ok(match wallet.status {
            // Looked at a moment before its wallet was completed, most likely.
            _ if wallet.kms_key_id.as_ref() == Some(&key.arn) => None,
            Status::Pending => match self.unfit(&wallet, key)? {
                Some(unfit) => Some(format!("it claims to be a PENDING wallet's and can't be: {unfit}")),
                None => self
                    .store
                    .is_stuck(id)?
                    .then(|| "the wallet of its tag is PENDING, and several keys claim to be its".to_owned()),
            },
            Status::Failed => Some("the wallet of its tag is FAILED".to_owned()),
            Status::Created | Status::Disabled | Status::PendingDeletion | Status::Deleted => {
                Some("the wallet of its tag has another key".to_owned())
            }
        })
    }
}

fn unknown(reason: String) -> CreationFailure {
    CreationFailure { failure: Failure::KmsOutcomeUnknown { reason }, fate: KeyFate::Unknown }
}

fn defect(what: &str) -> CreationFailure {
    CreationFailure { failure: Failure::Internal(what.to_owned()), fate: KeyFate::Unknown }
}
