//! When may a key sign? A wallet's states, what can happen to it, and what each event does in each state. Pure.
//!
//! Every pair is listed, so adding a state or an event does not compile until each new pair is decided. The same words stand
//! in the SQL CHECK of `wallets.status`; the diagram in docs/lifecycle.md is generated from [`next`].

use std::fmt;
use std::str::FromStr;

/// A wallet's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Its row is durable; KMS may or may not have made the key.
    Pending,
    /// Key, public key and address are proven and pinned. The only state in which a key signs.
    Created,
    /// Switched off here; KMS follows.
    Disabled,
    /// KMS deletes the key when its window ends.
    PendingDeletion,
    /// The key is gone for good.
    Deleted,
    /// KMS refused to make a key; none exists.
    Failed,
}

/// What can happen to a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// The key exists and its public key re-derives the address.
    Proven,
    /// KMS refused to make the key, so there is none.
    Refused,
    Disable,
    Enable,
    ScheduleDeletion,
    /// KMS leaves a key whose deletion was cancelled disabled.
    CancelDeletion,
    /// The deletion window ended.
    Deleted,
}

impl Status {
    pub const ALL: [Self; 6] = [Self::Pending, Self::Created, Self::Disabled, Self::PendingDeletion, Self::Deleted, Self::Failed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Created => "CREATED",
            Self::Disabled => "DISABLED",
            Self::PendingDeletion => "PENDING_DELETION",
            Self::Deleted => "DELETED",
            Self::Failed => "FAILED",
        }
    }

    pub const fn can_sign(self) -> bool {
        match self {
            Self::Created => true,
            Self::Pending | Self::Disabled | Self::PendingDeletion | Self::Deleted | Self::Failed => false,
        }
    }

    /// The state that the wallet's key has in KMS; `None` where there is no key, or none yet, to have one.
    pub const fn key_state(self) -> Option<KeyState> {
        match self {
            Self::Created => Some(KeyState::Enabled),
            Self::Disabled => Some(KeyState::Disabled),
            Self::PendingDeletion => Some(KeyState::PendingDeletion),
            Self::Pending | Self::Deleted | Self::Failed => None,
        }
    }
}

/// A key's state, in KMS's own words, that a wallet's state asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
pub enum KeyState {
    Enabled,
    Disabled,
    PendingDeletion,
}

impl KeyState {
    pub const ALL: [Self; 3] = [Self::Enabled, Self::Disabled, Self::PendingDeletion];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingDeletion => "PendingDeletion",
        }
    }

    /// Whether KMS's word for a state is this one. A primary that waits for its replicas to go is pending deletion too.
    pub fn is(self, word: &str) -> bool {
        word == self.as_str() || (self == Self::PendingDeletion && word == "PendingReplicaDeletion")
    }
}

/// A text that is no state that a wallet asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of Enabled, Disabled, PendingDeletion")]
pub struct UnknownKeyState;

impl FromStr for KeyState {
    type Err = UnknownKeyState;

    fn from_str(text: &str) -> Result<Self, UnknownKeyState> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownKeyState)
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Event {
    /// What it does, as `cannot be ...` goes on.
    pub const fn participle(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Refused => "refused",
            Self::Disable => "disabled",
            Self::Enable => "enabled",
            Self::ScheduleDeletion => "scheduled for deletion",
            Self::CancelDeletion => "saved from deletion",
            Self::Deleted => "deleted",
        }
    }

    pub const ALL: [Self; 7] =
        [Self::Proven, Self::Refused, Self::Disable, Self::Enable, Self::ScheduleDeletion, Self::CancelDeletion, Self::Deleted];
}

/// The state after `event`, or `None` if the event does not apply in this state and changes nothing.
pub const fn next(status: Status, event: Event) -> Option<Status> {
    use Event as E;
    use Status as S;
    match (status, event) {
        (S::Pending, E::Proven) => Some(S::Created),
        (S::Pending, E::Refused) => Some(S::Failed),
        (S::Pending, E::Disable | E::Enable | E::ScheduleDeletion | E::CancelDeletion | E::Deleted) => None,

        (S::Created, E::Disable) => Some(S::Disabled),
        (S::Created, E::ScheduleDeletion) => Some(S::PendingDeletion),
        (S::Created, E::Proven | E::Refused | E::Enable | E::CancelDeletion | E::Deleted) => None,

        (S::Disabled, E::Enable) => Some(S::Created),
        (S::Disabled, E::ScheduleDeletion) => Some(S::PendingDeletion),
        (S::Disabled, E::Proven | E::Refused | E::Disable | E::CancelDeletion | E::Deleted) => None,

        (S::PendingDeletion, E::CancelDeletion) => Some(S::Disabled),
        (S::PendingDeletion, E::Deleted) => Some(S::Deleted),
        (S::PendingDeletion, E::Proven | E::Refused | E::Disable | E::Enable | E::ScheduleDeletion) => None,

        (
            S::Deleted | S::Failed,
            E::Proven | E::Refused | E::Disable | E::Enable | E::ScheduleDeletion | E::CancelDeletion | E::Deleted,
        ) => None,
    }
}

/// The state machine as a Mermaid diagram, for docs/lifecycle.md.
pub fn diagram() -> String {
    let mut text = String::from("stateDiagram-v2\n    [*] --> PENDING\n");
    for status in Status::ALL {
        for event in Event::ALL {
            if let Some(to) = next(status, event) {
                text.push_str(&format!("    {status} --> {to}: {event:?}\n"));
            }
        }
    }
    text
}

/// A text that is no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be one of PENDING, CREATED, DISABLED, PENDING_DELETION, DELETED, FAILED")]
pub struct UnknownStatus;

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownStatus)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_never_leaves_a_final_state_and_never_skips_proof() {
        for event in Event::ALL {
            assert_eq!(next(Status::Deleted, event), None);
            assert_eq!(next(Status::Failed, event), None);
        }
        let into_created: Vec<_> = Status::ALL
            .into_iter()
            .flat_map(|status| Event::ALL.map(|event| (status, event)))
            .filter(|(status, event)| next(*status, *event) == Some(Status::Created))
            .collect();
        assert_eq!(into_created, [(Status::Pending, Event::Proven), (Status::Disabled, Event::Enable)]);
    }

    #[test]
    fn can_sign_holds_for_created_alone() {
        let signing: Vec<_> = Status::ALL.into_iter().filter(|status| status.can_sign()).collect();
        assert_eq!(signing, [Status::Created]);
    }

    #[test]
    fn key_state_follows_the_wallets_own() {
        let states = Status::ALL.map(|status| status.key_state().map(KeyState::as_str));
        assert_eq!(states, [None, Some("Enabled"), Some("Disabled"), Some("PendingDeletion"), None, None]);
        assert!(KeyState::PendingDeletion.is("PendingReplicaDeletion") && !KeyState::Disabled.is("PendingReplicaDeletion"));
        for state in KeyState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert!(state.is(state.as_str()));
        }
    }

    #[test]
    fn status_words_round_trip() {
        for status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        assert_eq!("created".parse::<Status>(), Err(UnknownStatus));
    }
}
