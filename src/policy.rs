//! Who may do what: Cedar policies over callers, wallets and decoded effects.
//!
//! Pure: nothing here reads a file, a clock, a network or a store, so the same question under the same policies has the same
//! answer for ever, and `policy_explain` can ask without doing. Nothing is permitted unless a policy permits it, a `forbid`
//! always wins, and a policy whose evaluation fails denies. Velocity limits, freezes and requestIds are not decided here: they
//! are re-checked in the transaction that reserves a signature.
//!
//! What a policy can see is `policy/policy.cedarschema`, the contract with those who write policies.

mod cedar;
mod compile;
mod scope;
mod spend;

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

pub use crate::chains::effects::{Effect, EffectKind};
pub use cedar::{MAX_EFFECTS, Policy};
pub use compile::{MAX_FILE_BYTES, MAX_FILES, MAX_POLICIES, NameKind, PolicyError, SCHEMA, Source};
pub use spend::{Replaced, Spend, Spent};

macro_rules! actions {
    ($($variant:ident $name:literal $meaning:literal;)*) => {
        /// What a method does, as policies name it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action {
            $(#[doc = $meaning] $variant,)*
        }

        impl Action {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The action's name in Cedar, in the audit and in the API reference.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

actions! {
    Read "read" "Look at wallets, public keys and the daemon's state.";
    Create "create" "Make a wallet and its KMS key.";
    Sign "sign" "Sign a transaction that the daemon decoded.";
    SignMessage "signMessage" "Sign a message that no chain takes for a transaction.";
    SignRaw "signRaw" "Sign a digest whose content the daemon cannot see.";
    SignPartial "signPartial" "Sign with a sighash other than ALL.";
    Replace "replace" "Sign another content for a nonce or an outpoint already used (a fee bump).";
    Delegate "delegate" "Sign an EIP-7702 authorization, which hands an account to a contract.";
    Administer "administer" "Verify, disable and enable wallets; reload the configuration.";
    Freeze "freeze" "Stop signatures at once.";
    Unfreeze "unfreeze" "Lift a freeze.";
    Approve "approve" "Approve or reject what waits for a second person.";
    Delete "delete" "Schedule the deletion of a key, or cancel it.";
    Audit "audit" "Read and verify the audit.";
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Who asks, as the kernel says.
#[derive(Debug, Clone, Copy)]
pub struct Principal<'a> {
    pub uid: u32,
    /// Primary and supplementary groups; order and repetition do not matter.
    pub groups: &'a [u32],
}

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub enum Resource<'a> {
    Daemon,
    Wallet(WalletFacts<'a>),
    /// By canonical ticker, such as `BNB`.
    Asset(&'a str),
    Network {
        asset: &'a str,
        network: &'a str,
    },
    /// By uid.
    User(u32),
}

impl Resource<'_> {
    /// The one `Daemon` entity.
    const DAEMON_ID: &'static str = "kmsignd";

    /// The entity type's name in the schema.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Daemon => "Daemon",
            Self::Wallet(_) => "Wallet",
            Self::Asset(_) => "Asset",
            Self::Network { .. } => "Network",
            Self::User(_) => "User",
        }
    }
}

/// What a policy can see of a wallet, in the words of the API.
#[derive(Debug, Clone, Copy)]
pub struct WalletFacts<'a> {
    pub wallet_id: &'a str,
    /// Canonical ticker: a policy that names an asset must meet its aliases too.
    pub asset: &'a str,
    pub network: &'a str,
    pub family: &'a str,
    pub address_type: &'a str,
    pub user_id: &'a str,
    pub label: Option<&'a str>,
    pub status: &'a str,
}

/// What the call says beyond its resource. Which one an action takes is the schema's; another one is denied.
#[derive(Debug, Clone, Copy)]
pub enum Context<'a> {
    /// Actions other than create, approve and those that sign: the canonical method name.
    Method(&'a str),
    /// Action create.
    Create { method: &'a str, asset: &'a str, network: &'a str, user_id: &'a str },
    /// Actions that sign, and approve.
    Spend(&'a Spend<'a>),
}

/// May this caller do this to that?
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub principal: Principal<'a>,
    pub action: Action,
    pub resource: Resource<'a>,
    pub context: Context<'a>,
}

/// The policies' answer to one [`Question`], or to several at once. [`Policy::decide`] and [`Policy::decide_all`] alone make one.
#[must_use = "a decision that nobody reads protects nothing"]
#[derive(Debug, PartialEq, Eq)]
pub struct Decision {
    action: Action,
    uid: u32,
    verdict: Verdict,
    /// Ids of the policies that made the verdict: sorted, each once.
    policies: Vec<String>,
    policy_digest: Arc<str>,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Permitted,
    /// No policy permits this part.
    Unpermitted(Part),
    Forbidden(Part),
    /// The evaluation of a policy failed, with Cedar's reason.
    Failed(Part, String),
    /// It is no question of the schema's, or too large a one.
    Unanswerable(String),
}

/// Which part of a request was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    /// One effect of several, counted from one.
    Effect {
        number: usize,
        of: usize,
        kind: EffectKind,
    },
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Effect { number, of, kind } => write!(f, " for effect {number} of {of} (kind {})", kind.as_str()),
        }
    }
}

impl Decision {
    pub const fn is_allowed(&self) -> bool {
        matches!(self.verdict, Verdict::Permitted)
    }

    pub const fn action(&self) -> Action {
        self.action
    }

    /// Ids of the policies that decided, sorted: those that permitted, those that forbade, or the one whose evaluation failed.
    /// Empty if no policy had anything to say.
    pub fn policies(&self) -> &[String] {
        &self.policies
    }

    /// The policy that stands in the way, by a `forbid` or by a failed evaluation; `None` if it is allowed or if there
    /// merely is no `permit`.
    pub fn forbidden_by(&self) -> Option<&str> {
        match self.verdict {
            Verdict::Forbidden(_) | Verdict::Failed(..) => self.policies.first().map(String::as_str),
            Verdict::Permitted | Verdict::Unpermitted(_) | Verdict::Unanswerable(_) => None,
        }
    }

    /// [`Policy::digest`] of the policies that decided.
    pub fn policy_digest(&self) -> &str {
        &self.policy_digest
    }

    /// Why, as a sentence for the caller.
    pub fn reason(&self) -> String {
        let (action, uid, ids) = (self.action, self.uid, self.policies.join(", "));
        match &self.verdict {
            Verdict::Permitted => format!("`{action}` by uid {uid} is permitted by {ids}"),
            Verdict::Unpermitted(part) => format!("no policy permits `{action}` by uid {uid}{part}"),
            Verdict::Forbidden(part) => format!("`{action}` by uid {uid} is forbidden{part} by {ids}"),
            Verdict::Failed(part, why) => {
                format!("`{action}` by uid {uid} is denied{part} because {ids} could not be evaluated: {why}")
            }
            Verdict::Unanswerable(why) => format!("`{action}` by uid {uid} is denied because it can't be judged: {why}"),
        }
    }
}

/// The policy that `kmsignd dev` writes to `DIR/policy.d/dev.cedar`: every action but `replace` to the uid that started it.
pub fn dev_policy(uid: u32) -> String {
    let actions: Vec<_> =
        Action::ALL.iter().filter(|action| **action != Action::Replace).map(|action| format!("Action::\"{action}\"")).collect();
    format!(
        "// Written by `kmsignd dev`: whoever started it may do everything but replace a signed transaction.\n\
         @id(\"owner\")\npermit (\n  principal == User::\"{uid}\",\n  action in [\n    {}\n  ],\n  resource\n);\n",
        actions.join(",\n    ")
    )
}
