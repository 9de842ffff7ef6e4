//! What KMS says of a claimed wallet. Its public key must give the address, and the key must be one that this daemon made for
//! this wallet; whatever else it is, the wallet comes back in quarantine or not at all.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::evidence::Claim;
use crate::chains::networks::Networks;
use crate::chains::{Address, AddressType};
use crate::clock::{Clock, Timestamp};
use crate::keys::PublicKey;
use crate::kms::{
    AttemptError, DEPLOYMENT_TAG, KeyDescription, Kms, KmsError, STAKE_KEY_HASH_TAG, STAKE_WALLET_ID_TAG, WALLET_ID_TAG,
};
use crate::store::restore::RestoredWallet;
use crate::store::wallets::Wallet;
use crate::wallets::adopt::{Evidence, Expected, misfit};
use crate::wallets::create;
use crate::wallets::lifecycle::Status;

/// The tags that say whose key it is. Others may have been added or changed by people.
const TAGS_THAT_MATCH: [&str; 7] =
    [WALLET_ID_TAG, DEPLOYMENT_TAG, "kmsignd:user-id", "asset", "network", STAKE_WALLET_ID_TAG, STAKE_KEY_HASH_TAG];

/// How often KMS is asked anew after it could not be asked, each time within its own deadline: one bad minute must not break off a
/// restore of hours.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(2);

/// Asks again after what says nothing of a wallet or a permission.
///
/// # Errors
/// As the last try.
pub async fn patiently<T, F>(ask: impl Fn() -> F) -> Result<T, KmsError>
where
    F: Future<Output = Result<T, KmsError>>,
{
    let mut tries = 1;
    loop {
        let error = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let passes = matches!(
            error.cause,
            AttemptError::NotSent | AttemptError::Throttled | AttemptError::Unavailable { .. } | AttemptError::Lost
        );
        if !passes || tries == TRIES {
            return Err(error);
        }
        tries = tries.saturating_add(1);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks KMS about wallets.
pub struct Prover {
    pub networks: Networks,
    kms: Kms,
    clock: Arc<dyn Clock>,
    /// Our account, if any key of it is known.
    account: Option<String>,
    rate: Option<DefaultDirectRateLimiter>,
}

/// What came of a claim.
pub struct Judgement {
    pub claim: Claim,
    pub verdict: Verdict,
}

pub enum Verdict {
    /// As it was. `changed`: in what KMS is stricter than the document, or the other way round.
    Proven { wallet: Box<RestoredWallet>, changed: Option<String> },
    /// Not proven. `wallet` is its row, if there can be one.
    Quarantined { wallet: Option<Box<RestoredWallet>>, reason: String, why: Why },
}

/// What kind of reason it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// What was claimed is not so.
    Refuted,
    /// KMS knows no such key.
    Gone,
    /// KMS does not show what would prove it, or the claim can't be judged as things are configured.
    NotShown,
    /// AWS did not let us look.
    Denied,
}

impl Verdict {
    /// Why AWS did not even let us look.
    pub fn denied(&self) -> Option<&str> {
        match self {
            Self::Quarantined { reason, why: Why::Denied, .. } => Some(reason),
            Self::Quarantined { .. } | Self::Proven { .. } => None,
        }
    }
}

/// A wallet with every address of its key.
type Derived = (Wallet, Vec<(AddressType, Address)>);

impl Prover {
    pub fn new(
        networks: Networks,
        kms: Kms,
        clock: Arc<dyn Clock>,
        account: Option<String>,
        wallets_per_second: Option<NonZeroU32>,
    ) -> Self {
        let rate = wallets_per_second.map(|rate| RateLimiter::direct(Quota::per_second(rate)));
        Self { networks, kms, clock, account, rate }
    }

    /// Milliseconds since 1970.
    pub fn now(&self) -> u64 {
        self.clock.now().unix_millis()
    }

    /// # Errors
    /// KMS could not be asked: that says nothing of the wallet.
    pub async fn judge(&self, claim: Claim) -> Result<Judgement, KmsError> {
        if let Some(rate) = &self.rate {
            rate.until_ready().await;
        }
        let verdict = patiently(|| self.verdict(&claim, self.clock.now())).await?;
        Ok(Judgement { claim, verdict })
    }

    async fn verdict(&self, claim: &Claim, now: Timestamp) -> Result<Verdict, KmsError> {
        let arn = &claim.arn;
        let unseen = |reason: String| quarantined(self.as_claimed(claim, now), reason);
        if arn.region() != self.kms.region().as_str() {
            return Ok(unseen(format!("its key is in Region {}, and the daemon's is {}", arn.region(), self.kms.region())));
        }
        match self.account.as_deref() {
            Some(account) if account == arn.account() => {}
            Some(account) => return Ok(unseen(format!("its key is in account {}, and ours is {account}", arn.account()))),
            // A key of any account can be tagged as ours.
            None => {
                let reason = "the tagging API lists no key of this deployment, so nobody can say whether its account is ours; is [keys] \
                              deployment as it was?";
                return Ok(unseen(reason.to_owned()));
            }
        }
        if let Some(reason) = &claim.contradiction {
            return Ok(quarantined(None, reason.clone()));
        }
        let (description, tags) = match self.look_at(claim).await {
            Ok(seen) => seen,
            Err(error) => return self.not_seen(claim, error, now),
        };
        let wanted: Vec<_> =
            self.kms.tags_of(&claim.wallet).into_iter().filter(|(name, _)| TAGS_THAT_MATCH.contains(&name.as_str())).collect();
        let expected = Expected { tags: &wanted, region: self.kms.region().as_str(), account: self.account.as_deref() };
        let evidence = Evidence { arn, tags: &tags, description: &description };
        if let Some(reason) = misfit(&claim.wallet, expected, evidence) {
            // A key that is another's must not be taken away from it by a row here.
            let is_its_key = wanted.iter().take(2).all(|(name, value)| tags.get(name) == Some(value));
            let row = if is_its_key { self.as_claimed(claim, now) } else { None };
            return Ok(quarantined(row, reason));
        }
        let shown = self.kms.current_public_key(arn, claim.wallet.key_spec).await;
        match shown.result {
            Ok(public_key) => Ok(self.compare(claim, public_key, &description, now)),
            Err(KmsError { cause: AttemptError::KeyState { .. }, .. }) => {
                let state = &description.key_state;
                let reason = format!(
                    "KMS shows no public key of a key that is {state}, so its address is not proven; enable the key in KMS and repeat the \
                     restore while the store is frozen"
                );
                let row = self.as_claimed(claim, now).map(|mut row| {
                    if let Some((status, _)) = state_of(claim.wallet.status, state) {
                        row.wallet.status = status;
                        row.wallet.deletion_date = description.deletion_date.filter(|_| status == Status::PendingDeletion);
                    }
                    row
                });
                Ok(of_kind(Why::NotShown, row, reason))
            }
            Err(error) => self.not_seen(claim, error, now),
        }
    }

    async fn look_at(&self, claim: &Claim) -> Result<(KeyDescription, BTreeMap<String, String>), KmsError> {
        match &claim.tags {
            Some(tags) => Ok((self.kms.describe_key(&claim.arn).await.result?, tags.clone())),
            None => {
                let found = self.kms.evidence(claim.arn.clone()).await.result?;
                Ok((found.description, found.tags))
            }
        }
    }

    fn not_seen(&self, claim: &Claim, error: KmsError, now: Timestamp) -> Result<Verdict, KmsError> {
        match &error.cause {
            AttemptError::NotFound if claim.wallet.status == Status::Deleted => {
                if let Some(other) = claim.rivals.first() {
                    let reason =
                        format!("its document says that it is DELETED, and the key {} has this wallet's tag", other.key_id());
                    return Ok(quarantined(self.as_claimed(claim, now), reason));
                }
                Ok(match self.derive(claim, claimed_key(claim), now) {
                    // Nothing can sign with it any more, so there is nothing to prove but that the document agrees with itself. Nobody
                    // may take its address for ours, which anybody could have written.
                    Some((wallet, _)) if wallet.address == claim.wallet.address => proven(
                        claim,
                        RestoredWallet {
                            wallet: Wallet { status: Status::Deleted, ..wallet },
                            forms: Vec::new(),
                            quarantine: None,
                            disable_in_kms: false,
                        },
                        None,
                    ),
                    _ => quarantined(None, "it is DELETED, and its document does not agree with itself".to_owned()),
                })
            }
            AttemptError::NotFound => {
                Ok(of_kind(Why::Gone, self.as_claimed(claim, now), "KMS knows no such key (any more)".to_owned()))
            }
            AttemptError::Denied => {
                let reason = error.into_failure().to_string();
                Ok(of_kind(Why::Denied, self.as_claimed(claim, now), reason))
            }
            AttemptError::Refused { code } => {
                let reason = format!("KMS refuses {} of its key ({code})", error.operation.name());
                Ok(quarantined(self.as_claimed(claim, now), reason))
            }
            AttemptError::NotSent
            | AttemptError::NoCredentials
            | AttemptError::Throttled
            | AttemptError::Unavailable { .. }
            | AttemptError::Lost
            | AttemptError::KeyState { .. } => Err(error),
        }
    }

    /// Holds what KMS's public key gives against what was claimed.
    fn compare(&self, claim: &Claim, public_key: PublicKey, description: &KeyDescription, now: Timestamp) -> Verdict {
        let Some((wallet, forms)) = self.derive(claim, Some(public_key), now) else {
            return quarantined(None, "its public key gives no address of its network".to_owned());
        };
        let true_row = || Some(RestoredWallet { forms: Vec::new(), ..in_quarantine(wallet.clone()) });
        if claim.wallet.public_key.as_ref().is_some_and(|claimed| wallet.public_key.as_ref() != Some(claimed)) {
            return quarantined(true_row(), "KMS's public key is another than its document's".to_owned());
        }
        if claim.wallet.address.as_ref().is_some_and(|claimed| wallet.address.as_ref() != Some(claimed)) {
            return quarantined(true_row(), "KMS's public key gives another address than its document's".to_owned());
        }
        let claimed = claim.wallet.status;
        let Some((status, disable_in_kms)) = state_of(claimed, &description.key_state) else {
            let reason = format!("it is {claimed}, and its key is {}", description.key_state);
            return of_kind(Why::NotShown, true_row(), reason);
        };
        let changed = (status != claimed).then(|| {
            let again = if claimed == Status::PendingDeletion { "; no deletion is asked for by itself, ask again" } else { "" };
            format!("it was {claimed}, its key is {}, and so it is {status}{again}", description.key_state)
        });
        let deletion_date = description.deletion_date.filter(|_| status == Status::PendingDeletion);
        let wallet = Wallet { status, deletion_date, ..wallet };
        proven(claim, RestoredWallet { wallet, forms, quarantine: None, disable_in_kms }, changed)
    }

    fn derive(&self, claim: &Claim, public_key: Option<PublicKey>, now: Timestamp) -> Option<Derived> {
        let proven = create::prove(&self.networks, &claim.wallet, claim.arn.clone(), public_key?, now).ok()?;
        Some((Wallet { version: claim.wallet.version.max(1), ..proven.wallet }, proven.forms))
    }

    /// The row of a wallet that nobody could prove, if what is claimed of it at least agrees with itself.
    fn as_claimed(&self, claim: &Claim, now: Timestamp) -> Option<RestoredWallet> {
        let (wallet, _) = self.derive(claim, claimed_key(claim), now)?;
        (wallet.address == claim.wallet.address).then(|| in_quarantine(wallet))
    }
}

/// The wallet's state, and whether KMS is still to be told to disable the key: of document and KMS the stricter holds. `None` if
/// they can't both be true. That a document says PENDING_DELETION never has a key deleted.
fn state_of(claimed: Status, key_state: &str) -> Option<(Status, bool)> {
    match (key_state, claimed) {
        ("Enabled", Status::Created) => Some((Status::Created, false)),
        ("Enabled", Status::Disabled | Status::PendingDeletion) => Some((Status::Disabled, true)),
        ("Disabled", Status::Created | Status::Disabled | Status::PendingDeletion) => Some((Status::Disabled, false)),
        ("PendingDeletion", Status::Created | Status::Disabled | Status::PendingDeletion | Status::Deleted) => {
            Some((Status::PendingDeletion, false))
        }
        _ => None,
    }
}

fn claimed_key(claim: &Claim) -> Option<PublicKey> {
    claim.wallet.public_key.as_ref()?.open().ok()
}

fn in_quarantine(wallet: Wallet) -> RestoredWallet {
    let wallet = Wallet { status: Status::Disabled, ..wallet };
    // No addresses: nobody may take them for ours.
    RestoredWallet { wallet, forms: Vec::new(), quarantine: None, disable_in_kms: false }
}

fn quarantined(row: Option<RestoredWallet>, reason: String) -> Verdict {
    of_kind(Why::Refuted, row, reason)
}

fn of_kind(why: Why, row: Option<RestoredWallet>, reason: String) -> Verdict {
    let wallet = row.map(|row| Box::new(RestoredWallet { quarantine: Some(reason.clone()), ..row }));
    Verdict::Quarantined { wallet, reason, why }
}

/// A version of its own only where MongoDB is to be told something.
fn proven(claim: &Claim, restored: RestoredWallet, changed: Option<String>) -> Verdict {
    let news = claim.is_documented && changed.is_some();
    let version = restored.wallet.version.saturating_add(u64::from(news));
    let wallet = Box::new(RestoredWallet { wallet: Wallet { version, ..restored.wallet }, ..restored });
    Verdict::Proven { wallet, changed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_of_document_and_kms_is_the_stricter_and_never_deletes() {
        let rank = |status: Status| match status {
            Status::Created => 0,
            Status::Disabled => 1,
            Status::PendingDeletion => 2,
            Status::Pending | Status::Failed | Status::Deleted => 3,
        };
        for (key_state, least) in [("Enabled", 0), ("Disabled", 1), ("PendingDeletion", 2)] {
            for claimed in [Status::Created, Status::Disabled, Status::PendingDeletion] {
                let (status, disable) = state_of(claimed, key_state).unwrap();
                assert!(rank(status) >= least && rank(status) >= rank(claimed).min(1), "{claimed} {key_state}: {status}");
                assert_eq!(disable, key_state == "Enabled" && status == Status::Disabled, "{claimed} {key_state}");
                assert!(key_state == "PendingDeletion" || status != Status::PendingDeletion, "{claimed} {key_state}");
            }
        }
        for key_state in ["Creating", "PendingImport", "Unavailable", "Updating", "PendingReplicaDeletion", "whatever"] {
            assert_eq!(state_of(Status::Created, key_state), None, "{key_state}");
        }
        assert_eq!(state_of(Status::Deleted, "Enabled"), None);
    }
}
