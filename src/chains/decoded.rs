//! What every decoder gives, and why it gives nothing.

use std::borrow::Cow;

use serde_json::Value;

use super::effects::Effect;

/// What is to be signed, in words a policy and a person can judge. It must say everything that a signature over the same bytes
/// allows: what could not be read is `unknown_parts`, never left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// Change, what returns to a wallet of what it pays itself, is no effect. The fee is one, of kind `fee`, where a fee is paid.
    pub effects: Vec<Effect>,
    /// What leaves for others, fee excluded, in the chain's own coin: minor units, gwei rounded up for EVM.
    pub total_out: u64,
    /// The most that the network may be paid; 0 for what pays nothing. Units of `total_out`.
    pub fee: u64,
    /// For UTXO: satoshi per virtual byte, rounded up. For EVM: the highest price of a unit of gas in gwei, rounded up.
    pub fee_rate: Option<u64>,
    /// Something in it could not be read.
    pub unknown_parts: bool,
    /// Sentences for whoever looks at the decoded content before it is signed.
    pub warnings: Vec<String>,
    /// What else people want to see, an object in the family's own words: `chainId`, `nonce`, `inputs`, `outputs`.
    pub details: Value,
}

impl Decoded {
    /// Of effects alone: nothing leaves and nothing is paid.
    pub fn new(effects: Vec<Effect>, details: Value) -> Self {
        Self { effects, total_out: 0, fee: 0, fee_rate: None, unknown_parts: false, warnings: Vec::new(), details }
    }
}

macro_rules! rules {
    ($($variant:ident $name:literal $meaning:literal;)*) => {
        /// What a well-formed content is refused for: `data.rule` of TRANSACTION_REFUSED.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Rule {
            $(#[doc = $meaning] $variant,)*
        }

        impl Rule {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

rules! {
    ChainId "chainId" "It is for another chain than its wallet's network.";
    MaxFee "maxFee" "The fee is over `[limits] max_fee` of the asset.";
    AmountNotProven "amountNotProven" "An input's amount is claimed and not proven by the transaction that made it.";
    Amount "amount" "An amount is forged, or outputs are worth more than inputs.";
    RedeemScript "redeemScript" "A redeem script is missing or is not the one that the output names.";
    ForeignInput "foreignInput" "An input belongs to no wallet here.";
    UnknownField "unknownField" "A field that must be understood is not.";
    Sighash "sighash" "The sighash type is none that ECDSA has.";
    AlreadySigned "alreadySigned" "It carries a signature already that does not belong there.";
    Network "network" "It is for another network than the wallet's.";
    NotNeeded "notNeeded" "It has no place for a signature of the wallet.";
    TransactionType "transactionType" "Transactions of its type are not read here, so not signed.";
    Guards "guards" "What it spends can't be guarded against being spent twice.";
}

/// Why a content is not decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is not what it should be. The sentence completes "`field` ...".
    #[error("{field}: {reason}")]
    Invalid { field: Cow<'static, str>, reason: String },
    /// It is well-formed and breaks a rule. `reason` is a whole sentence.
    #[error("{reason}")]
    Refused { rule: Rule, reason: String },
}

impl DecodeError {
    pub fn invalid(field: impl Into<Cow<'static, str>>, reason: impl std::fmt::Display) -> Self {
        Self::Invalid { field: field.into(), reason: reason.to_string() }
    }

    pub fn refused(rule: Rule, reason: impl std::fmt::Display) -> Self {
        Self::Refused { rule, reason: reason.to_string() }
    }
}
