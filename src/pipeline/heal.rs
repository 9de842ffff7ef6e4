//! How a PENDING wallet comes to its key, whoever asks: the call that makes it, a retry with the same idempotencyKey, or the
//! daemon by itself. And the look for keys that belong to no wallet.
//!
//! It must never make a second key while the first may still show, never choose among several, and never delete one.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::Services;
use crate::clock::Timestamp;
use crate::crash_points::{self, CrashPoint};
use crate::ids::{KeyArn, WalletId};
use crate::kms::{Answered, AttemptError, Claims, FoundKey, KmsError, TaggedKey, WALLET_ID_TAG};
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
            KeyNeed::Find { creations, asked_at } => match self.find_key(permit.wallet(), asked_at, request_ids).await? {
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
        if permit.need() != KeyNeed::Prove || u128::from(age) < self.rules.reconcile_grace.as_millis() {
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
    async fn find_key(
        &self,
        wallet: &Wallet,
        asked_at: Timestamp,
        request_ids: &mut KmsRequestIds,
    ) -> Result<Option<KeyArn>, CreationFailure> {
        let Answered { result, request_ids: more } = self.kms.keys_of_wallet(wallet.wallet_id).await;
        request_ids.extend(more);
        let Claims { keys, hidden, cut } = result.map_err(|error| {
            unknown(format!("the wallet's key may exist and could not be looked for: {}", error.into_failure()))
        })?;
        if cut {
            let finding = format!(
                "more than {} keys in KMS claim to be this wallet's, and none is chosen; see `kmsign key orphans`, and find out who \
                 made them",
                keys.len().saturating_add(hidden.len())
            );
            return Err(stuck(wallet, "several_keys", finding));
        }
        let (mut fit, mut stopped) = (Vec::new(), None);
        for key in keys {
            match self.claim(wallet, &key).map_err(|error| unknown(format!("the store could not be read: {error}")))? {
                Fitness::Fit => fit.push(key.arn),
                Fitness::Unfit(reason) => {
                    tracing::error!(alarm = "unfit_key", wallet_id = %wallet.wallet_id, key = %key.arn, reason, "a key claims to be a PENDING wallet's and can't be");
                }
                Fitness::Stopped => stopped = Some(key),
            }
        }
        let is_late = self.waited_since(asked_at) >= self.rules.reconcile_grace;
        for (key, error) in hidden {
            // One that is not young any more is gone.
            if is_late && error.cause == AttemptError::NotFound {
                continue;
            }
            let why = error.into_failure();
            if !is_late {
                return Err(unknown(format!("a key in KMS may be this wallet's, and could not be looked at: {why}")));
            }
            tracing::error!(alarm = "hidden_key", wallet_id = %wallet.wallet_id, %key, "a key claims to be a PENDING wallet's and can't be looked at");
            return Err(stuck(
                wallet,
                "hidden_key",
                format!("a key in KMS claims to be this wallet's and can't be looked at, so none is chosen: {why}"),
            ));
        }
        match (fit.pop(), fit.len()) {
            (None, _) => match stopped {
                // It may be all that was ever paid to: after a restore, the wallet may have been answered with it.
                Some(FoundKey { description, .. }) => Err(stuck(
                    wallet,
                    "stopped_key",
                    format!(
                        "its key is there and {} in KMS, so no other is made; see `kmsign key orphans`, and enable the key in KMS, or \
                         schedule its deletion to have another one made",
                        description.key_state
                    ),
                )),
                None => Ok(None),
            },
            (only, 0) => Ok(only),
            (_, others) => {
                let finding = format!(
                    "{} keys in KMS claim to be this wallet's, and none is chosen; see `kmsign key orphans`, and schedule the \
                     deletion of all but one",
                    others.saturating_add(1)
                );
                Err(stuck(wallet, "several_keys", finding))
            }
        }
    }

    /// What a key that claims to be a PENDING wallet's is to it.
    fn claim(&self, wallet: &Wallet, key: &FoundKey) -> Result<Fitness, StoreError> {
        // Whoever may tag keys may have given a wallet's key the tags of another.
        if self.store.holds_key(&key.arn)? {
            return Ok(Fitness::Unfit("it is another wallet's key".to_owned()));
        }
        Ok(match self.unfit(wallet, key)? {
            None => Fitness::Fit,
            Some(_) if self.judged_by(wallet, key, adopt::is_stopped)? => Fitness::Stopped,
            Some(reason) => Fitness::Unfit(reason),
        })
    }

    fn unfit(&self, wallet: &Wallet, key: &FoundKey) -> Result<Option<String>, StoreError> {
        self.judged_by(wallet, key, adopt::unfit)
    }

    fn judged_by<T>(
        &self,
        wallet: &Wallet,
        key: &FoundKey,
        rule: fn(&Wallet, Expected<'_>, Evidence<'_>) -> T,
    ) -> Result<T, StoreError> {
        let known = self.store.some_key()?;
        let tags = self.kms.tags_of(wallet);
        let expected = Expected { tags: &tags, region: self.kms.region().as_str(), account: known.as_ref().map(KeyArn::account) };
        Ok(rule(wallet, expected, Evidence { arn: &key.arn, tags: &key.tags, description: &key.description }))
    }

    fn waited_since(&self, asked_at: Timestamp) -> Duration {
        Duration::from_millis(self.clock.now().unix_millis().saturating_sub(asked_at.unix_millis()))
    }

    /// No key shows. It may still, as tags lag; after the grace one more is made, once.
    async fn after_vain_search(
        &self,
        permit: &mut CreationPermit,
        creations: u32,
        asked_at: Timestamp,
        request_ids: &mut KmsRequestIds,
    ) -> Result<KeyArn, CreationFailure> {
        let waited = self.waited_since(asked_at);
        if waited < self.rules.reconcile_grace {
            let rest = self.rules.reconcile_grace.saturating_sub(waited).as_secs().saturating_add(1);
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
            return Err(stuck(permit.wallet(), "key_not_found", finding));
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
                let healed = match self.store.take_pending(id).await {
                    Ok(Some(permit)) => self.reconcile(permit).await,
                    Ok(None) => false,
                    // Of this wallet alone: the others need not wait for somebody to mend it.
                    Err(error @ StoreError::Corrupt(_)) => {
                        tracing::error!(wallet_id = %id, %error, "a PENDING wallet can't be taken up");
                        false
                    }
                    Err(error) => return Err(error),
                };
                if healed {
                    pass.healed = pass.healed.saturating_add(1);
                } else {
                    pass.left = pass.left.saturating_add(1);
                }
            }
            after = Some(last);
        }
    }

    /// Returns whether the wallet now has its key. What can't be recorded of one wallet is no reason to leave the next.
    async fn reconcile(&self, mut permit: CreationPermit) -> bool {
        let (id, mut request_ids) = (permit.wallet().wallet_id, Vec::new());
        let (has_its_key, recorded) = match self.bring_to_key(&mut permit, &mut request_ids).await {
            Ok(proven) => (true, self.store.record_healed(permit, proven, request_ids).await),
            Err(failed) => {
                tracing::warn!(wallet_id = %id, failure = %failed.failure, "a wallet stays PENDING");
                (false, self.store.record_not_healed(permit, failed, request_ids).await)
            }
        };
        match recorded {
            Ok(()) if has_its_key => {
                tracing::info!(wallet_id = %id, "a wallet whose creation was cut off has its key");
                true
            }
            Ok(()) => false,
            Err(error) => {
                tracing::error!(wallet_id = %id, %error, "what came of a PENDING wallet could not be recorded; it is tried again");
                false
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
        let mut unseen = None;
        loop {
            let listed = self.kms.deployment_keys(page.as_deref()).await;
            let listed = listed.result.map_err(|error| error.into_failure().to_string())?;
            for key in listed.keys {
                let orphan = match self.orphan(key, begun).await {
                    Ok(Some(orphan)) => orphan,
                    Ok(None) => continue,
                    Err(why) => {
                        tracing::warn!(why, "a key without a wallet could not be looked at");
                        unseen = Some(why);
                        continue;
                    }
                };
                if self.list_orphan(orphan).await.map_err(|error| error.to_string())? {
                    new = new.saturating_add(1);
                }
            }
            page = listed.next;
            if page.is_none() {
                // What was not looked at may be an orphan still.
                if let Some(why) = unseen {
                    return Err(why);
                }
                self.store.forget_orphans(begun).await.map_err(|error| error.to_string())?;
                return Ok(new);
            }
        }
    }

    /// The key as an orphan, if it is one. An error says why that could not be found out.
    async fn orphan(&self, key: TaggedKey, seen: Timestamp) -> Result<Option<NewOrphan>, String> {
        let unreadable = |error: StoreError| error.to_string();
        if self.store.holds_key(&key.arn).map_err(unreadable)? {
            return Ok(None);
        }
        let wallet_of = |tags: &BTreeMap<String, String>| tags.get(WALLET_ID_TAG).and_then(|id| id.parse::<WalletId>().ok());
        let found = match self.kms.evidence(key.arn.clone()).await.result {
            Ok(found) => found,
            // Gone, or too young to be found: the next look tells.
            Err(error) if error.cause == AttemptError::NotFound => return Ok(None),
            // Whoever planted it may have forbidden us to look.
            Err(error) if error.hides_the_key() => {
                let (wallet_id, evidence) = (wallet_of(&key.tags), json!({ "tags": key.tags }).to_string());
                if self.is_looking_for_its_key(wallet_id).map_err(unreadable)? {
                    return Ok(None);
                }
                let reason = format!("no wallet here has it, and it can't be looked at: {}", error.into_failure());
                return Ok(Some(NewOrphan { key: key.arn, wallet_id, reason, evidence, seen }));
            }
            Err(error) => return Err(format!("the key {}: {error}", key.arn)),
        };
        let wallet_id = wallet_of(&found.tags);
        let Some(reason) = self.orphaned(wallet_id, &found).map_err(unreadable)? else { return Ok(None) };
        let description = &found.description;
        let evidence = json!({
            "tags": found.tags,
            "keyState": description.key_state,
            "keySpec": description.key_spec,
            "origin": description.origin,
            "createdAt": description.created_at,
            "deletionDate": description.deletion_date,
        });
        Ok(Some(NewOrphan { key: found.arn, wallet_id, reason, evidence: evidence.to_string(), seen }))
    }

    /// Whether the wallet of a tag is PENDING and may still be brought to its key.
    fn is_looking_for_its_key(&self, id: Option<WalletId>) -> Result<bool, StoreError> {
        let Some(id) = id else { return Ok(false) };
        let pending = self.store.wallet(id)?.is_some_and(|wallet| wallet.status == Status::Pending);
        Ok(pending && !self.store.is_stuck(id)?)
    }

    /// Returns whether it was not listed yet.
    async fn list_orphan(&self, orphan: NewOrphan) -> Result<bool, StoreError> {
        let (arn, text) = (orphan.key.clone(), orphan.reason.clone());
        let new = self.store.note_orphan(orphan).await?;
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

/// What a key that claims to be a PENDING wallet's is to it.
enum Fitness {
    Fit,
    /// It is the wallet's by everything but its state.
    Stopped,
    Unfit(String),
}

/// Looking any longer decides nothing. `finding` names no key: the caller hears it too.
fn stuck(wallet: &Wallet, alarm: &str, finding: String) -> CreationFailure {
    tracing::error!(alarm, wallet_id = %wallet.wallet_id, finding, "a wallet stays PENDING");
    CreationFailure { failure: Failure::KmsOutcomeUnknown { reason: finding.clone() }, fate: KeyFate::Stuck(finding) }
}

fn unknown(reason: String) -> CreationFailure {
    CreationFailure { failure: Failure::KmsOutcomeUnknown { reason }, fate: KeyFate::Unknown }
}

fn defect(what: &str) -> CreationFailure {
    CreationFailure { failure: Failure::Internal(what.to_owned()), fate: KeyFate::Unknown }
}
