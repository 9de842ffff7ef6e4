//! What a signature would do, effect by effect. Decoders make these, policies judge them. Amounts are whole minor units (satoshi,
//! koinu, drops, lamport, lovelace), EVM amounts in gwei and tokens in whole tokens, both rounded up; every one saturates instead of
//! wrapping.

use serde::{Serialize, Serializer};

macro_rules! effect_kinds {
    ($($variant:ident $name:literal $meaning:literal;)*) => {
        /// What one effect is, as `context.effect.kind` names it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EffectKind {
            $(#[doc = $meaning] $variant,)*
        }

        impl EffectKind {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

effect_kinds! {
    Transfer "transfer" "The chain's own coin moves.";
    Token "token" "A token moves.";
    Approval "approval" "Somebody may move a token later.";
    Call "call" "A contract or a program runs.";
    Create "create" "A contract or an account is made.";
    Delegate "delegate" "An account is handed to a contract (EIP-7702) or a stake to a pool.";
    Authority "authority" "Who controls an account, a token or a nonce changes.";
    Fee "fee" "The network is paid.";
    Message "message" "A message is signed.";
    Raw "raw" "A digest is signed whose content is unknown.";
}

impl Serialize for EffectKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One thing that a signature would do. Addresses, tokens and programs are in the chain's canonical text form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    pub kind: EffectKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    pub to_own_wallet: bool,
    /// The amount cannot be known from what is signed.
    pub unknown_amount: bool,
}

impl Effect {
    /// An effect of which nothing but its kind is known yet.
    pub const fn new(kind: EffectKind) -> Self {
        Self {
            kind,
            recipient: None,
            amount: None,
            token: None,
            selector: None,
            program: None,
            to_own_wallet: false,
            unknown_amount: false,
        }
    }
}
