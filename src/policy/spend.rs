//! What a signature would do, as policies see it. Amounts are whole minor units (satoshi, koinu, drops, lamport, lovelace),
//! EVM amounts in gwei and tokens in whole tokens, both rounded up; every one saturates instead of wrapping.

use serde::{Deserialize, Serialize};

use crate::chains::decoded::Decoded;
use crate::chains::effects::{Effect, EffectKind};
use crate::clock::Timestamp;

/// What this wallet has spent lately. Advice for policies: a limit that must hold is decided where the spend is reserved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    pub last_hour: u64,
    pub last_day: u64,
    pub signatures_last_hour: u64,
}

/// The transaction that this one would replace, or several as one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replaced {
    pub recipients: Vec<String>,
    pub total_out: u64,
    pub fee: u64,
    pub fee_rate: Option<u64>,
}

impl Replaced {
    /// What others will see of this content once it is in their way.
    pub fn of(decoded: &Decoded) -> Self {
        let mut recipients: Vec<_> = decoded.effects.iter().filter_map(|effect| effect.recipient.clone()).collect();
        recipients.sort_unstable();
        recipients.dedup();
        Self { recipients, total_out: decoded.total_out, fee: decoded.fee, fee_rate: decoded.fee_rate }
    }

    /// Both as one: all recipients, the sums, and the higher rate.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.recipients.extend(other.recipients);
        self.recipients.sort_unstable();
        self.recipients.dedup();
        Self {
            recipients: self.recipients,
            total_out: self.total_out.saturating_add(other.total_out),
            fee: self.fee.saturating_add(other.fee),
            fee_rate: self.fee_rate.max(other.fee_rate),
        }
    }
}

/// A whole request to sign. It is judged effect by effect and once as a whole, and every judgement must permit it.
///
/// The whole's recipients, tokens and programs are collected from its effects, and its `unknownAmount` is true if any
/// effect's is, so that the two views cannot disagree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spend<'a> {
    /// The canonical method name.
    pub method: &'a str,
    /// 0..23.
    pub hour_utc: u8,
    /// A spend without effects counts as one that could not be decoded.
    pub effects: Vec<Effect>,
    /// What leaves the wallet for others, fee excluded.
    pub total_out: u64,
    pub fee: u64,
    pub fee_rate: Option<u64>,
    /// Something in it could not be decoded.
    pub unknown_parts: bool,
    pub replaced: Option<Replaced>,
    pub spent: Spent,
}

impl<'a> Spend<'a> {
    pub fn new(method: &'a str, at: Timestamp, effects: Vec<Effect>) -> Self {
        const MILLIS_PER_HOUR: u64 = 3_600_000;
        Self {
            method,
            hour_utc: u8::try_from(at.unix_millis() / MILLIS_PER_HOUR % 24).unwrap_or(0),
            unknown_parts: effects.is_empty(),
            effects,
            total_out: 0,
            fee: 0,
            fee_rate: None,
            replaced: None,
            spent: Spent::default(),
        }
    }

    /// Of what a decoder gave.
    pub fn decoded(method: &'a str, at: Timestamp, decoded: &Decoded, replaced: Option<Replaced>) -> Self {
        let spend = Self::new(method, at, decoded.effects.clone());
        Self {
            total_out: decoded.total_out,
            fee: decoded.fee,
            fee_rate: decoded.fee_rate,
            unknown_parts: spend.unknown_parts || decoded.unknown_parts,
            replaced,
            ..spend
        }
    }

    /// A bare digest: nothing is known of what it does.
    pub fn raw(method: &'a str, at: Timestamp) -> Self {
        let effect = Effect { unknown_amount: true, ..Effect::new(EffectKind::Raw) };
        Self { unknown_parts: true, ..Self::new(method, at, vec![effect]) }
    }

    pub fn unknown_amount(&self) -> bool {
        self.effects.is_empty() || self.effects.iter().any(|effect| effect.unknown_amount)
    }

    pub fn unknown_parts(&self) -> bool {
        self.unknown_parts || self.effects.is_empty()
    }
}
