//! The transaction that changes a wallet's state because a caller asked: state, what KMS is to be brought to, the row for MongoDB,
//! intent, outcome and stored answer are written together, so that what was answered acts at once and survives any crash.
//!
//! KMS is not asked here. Ours is the switch that acts at once, and KMS is brought after it.

use std::convert::Infallible;

use super::reserve::{RequestState, Reservation, Reserving};
use super::{Judged, Recorded, Reserved};
use crate::audit::record::Kind;
use crate::clock::Timestamp;
use crate::ids::WalletId;
use crate::outcome::{Answer, Failure};
use crate::store::wallets::{self, Wallet};
use crate::store::{Store, StoreError, audit, key_drives, requests};
use crate::wallets::lifecycle::{Event, next};

/// A change that was asked for.
pub struct StateChange {
    pub wallet_id: WalletId,
    pub event: Event,
    /// For [`Event::ScheduleDeletion`]: 7..30.
    pub window_days: Option<u8>,
    /// What the caller gets, of the wallet as it is then.
    pub answer: fn(&Wallet) -> Result<Answer, Failure>,
}

impl Store {
    /// Changes the wallet, durably, or refuses to and says why. A repeat under the same requestId gets the stored answer, even
    /// where the change would no longer apply.
    pub async fn change_state(&self, judged: Judged, change: StateChange) -> Recorded {
        let reserved = self
            .reserve::<Infallible, _>(judged, &[], move |reserving| match reserving.request_state()? {
                RequestState::Fresh | RequestState::Unfinished(_) => reserving.change(&change),
                ended => reserving.end(ended),
            })
            .await;
        match reserved {
            Reserved::Settled(recorded) => recorded,
            Reserved::Proceed(never, _) => match never {},
        }
    }
}

impl Reserving<'_, '_> {
    fn change(self, change: &StateChange) -> Result<Reservation<Infallible>, StoreError> {
        let (judged, now) = (self.judged, self.now);
        let wallet = self.wallet(change.wallet_id)?;
        let status = wallet.status;
        let Some(to) = next(status, change.event) else {
            let reason = format!(", and can't be {}", change.event.participle());
            return self.refuse(Failure::StateForbids { status, reason });
        };
        // Its key may be anybody's.
        if matches!(change.event, Event::Enable | Event::ScheduleDeletion)
            && let Some(why) = wallets::quarantine(self.transaction.connection, wallet.wallet_id)?
        {
            return self.refuse(Failure::StateForbids { status, reason: format!(", and stays so, in quarantine: {why}") });
        }
        let changed = Wallet {
            status: to,
            updated_at: now,
            version: wallet.version.saturating_add(1),
            deletion_date: change.window_days.map(|days| after_days(now, days)),
            ..wallet
        };
        let answer = match (change.answer)(&changed) {
            Ok(answer) => answer,
            Err(failure) => return self.refuse(failure),
        };
        wallets::step(self.transaction, changed.wallet_id, change.event, &changed)?;
        key_drives::ask(self.transaction.connection, &changed, change.window_days)?;
        let detail = change.window_days.map(|days| format!("KMS is to delete the key after {days} days"));
        let mut record = |kind, intent, outcome| {
            audit::append(self.transaction, |sequence| {
                let mut record = judged.record(sequence, now, kind, intent, outcome);
                record.facts.detail = detail.clone();
                record
            })
        };
        let intent = record(Kind::Intent, None, None)?;
        record(Kind::Outcome, Some(intent), Some("success"))?;
        if let (Some(key), Some(request)) = (judged.request_key(), &judged.request) {
            let connection = self.transaction.connection;
            requests::bind(connection, &key, &request.content_hash, Some(changed.wallet_id), intent)?;
            requests::answer(connection, &key, answer.as_json(), now)?;
        }
        Ok(Reservation::Ended(Ok(answer)))
    }
}

fn after_days(now: Timestamp, days: u8) -> Timestamp {
    const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;
    Timestamp::from_unix_millis(now.unix_millis().saturating_add(u64::from(days).saturating_mul(DAY_MILLIS)))
}
