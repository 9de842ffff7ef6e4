//! Which types of transactions are read, with the fields and flags that each has.
//! <https://xrpl.org/docs/references/protocol/transactions/types>; numbers: rippled's `transactions.macro` and `TxFlags.h`.
//!
//! What is not here is refused by its name. So are fields that the ledger has and this table has not: MPT amounts, `CredentialIDs`,
//! `DomainID`, `Delegate`, and those that hand an account's money to somebody else.

use super::fields::Field;

/// A type of transaction.
#[derive(Debug, PartialEq, Eq)]
pub struct Format {
    pub kind: Kind,
    pub name: &'static str,
    /// The ledger's number of it.
    pub code: u16,
    /// What it has beside [`COMMON`], and whether that must be there.
    pub fields: &'static [(Field, bool)],
    /// Bits of `Flags`, beside [`FULLY_CANONICAL`].
    pub flags: &'static [(u32, &'static str)],
}

/// Which type it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Payment,
    TrustSet,
    AccountSet,
    OfferCreate,
    OfferCancel,
    EscrowCreate,
    EscrowFinish,
    EscrowCancel,
    TicketCreate,
}

const REQUIRED: bool = true;
const OPTIONAL: bool = false;

/// What every transaction has. `SigningPubKey`, `TxnSignature` and `Signers` are set here.
pub const COMMON: &[(Field, bool)] = &[
    (Field::Account, REQUIRED),
    (Field::Fee, REQUIRED),
    (Field::Sequence, REQUIRED),
    (Field::TicketSequence, OPTIONAL),
    (Field::LastLedgerSequence, OPTIONAL),
    (Field::AccountTxnID, OPTIONAL),
    (Field::Flags, OPTIONAL),
    (Field::SourceTag, OPTIONAL),
    (Field::Memos, OPTIONAL),
];

/// The flag that every transaction may have. It asks for what the ledger has required of every signature since 2021.
pub const FULLY_CANONICAL: (u32, &str) = (0x8000_0000, "tfFullyCanonicalSig");

pub const NO_RIPPLE_DIRECT: u32 = 0x0001_0000;
pub const PARTIAL_PAYMENT: u32 = 0x0002_0000;
pub const LIMIT_QUALITY: u32 = 0x0004_0000;
pub const IMMEDIATE_OR_CANCEL: u32 = 0x0002_0000;
pub const FILL_OR_KILL: u32 = 0x0004_0000;

pub const FORMATS: &[Format] = &[
    Format {
        kind: Kind::Payment,
        name: "Payment",
        code: 0,
        fields: &[
            (Field::Destination, REQUIRED),
            (Field::Amount, REQUIRED),
            (Field::SendMax, OPTIONAL),
            (Field::DeliverMin, OPTIONAL),
            (Field::Paths, OPTIONAL),
            (Field::DestinationTag, OPTIONAL),
            (Field::InvoiceID, OPTIONAL),
        ],
        flags: &[
            (NO_RIPPLE_DIRECT, "tfNoRippleDirect"),
            (PARTIAL_PAYMENT, "tfPartialPayment"),
            (LIMIT_QUALITY, "tfLimitQuality"),
        ],
    },
    Format {
        kind: Kind::TrustSet,
        name: "TrustSet",
        code: 20,
        fields: &[(Field::LimitAmount, REQUIRED), (Field::QualityIn, OPTIONAL), (Field::QualityOut, OPTIONAL)],
        flags: &[
            (0x0001_0000, "tfSetfAuth"),
            (0x0002_0000, "tfSetNoRipple"),
            (0x0004_0000, "tfClearNoRipple"),
            (0x0010_0000, "tfSetFreeze"),
            (0x0020_0000, "tfClearFreeze"),
            (0x0040_0000, "tfSetDeepFreeze"),
            (0x0080_0000, "tfClearDeepFreeze"),
        ],
    },
    Format {
        kind: Kind::AccountSet,
        name: "AccountSet",
        code: 3,
        fields: &[
            (Field::SetFlag, OPTIONAL),
            (Field::ClearFlag, OPTIONAL),
            (Field::Domain, OPTIONAL),
            (Field::EmailHash, OPTIONAL),
            (Field::MessageKey, OPTIONAL),
            (Field::TransferRate, OPTIONAL),
            (Field::TickSize, OPTIONAL),
            (Field::NFTokenMinter, OPTIONAL),
            (Field::WalletLocator, OPTIONAL),
            (Field::WalletSize, OPTIONAL),
        ],
        flags: &[
            (0x0001_0000, "tfRequireDestTag"),
            (0x0002_0000, "tfOptionalDestTag"),
            (0x0004_0000, "tfRequireAuth"),
            (0x0008_0000, "tfOptionalAuth"),
            (0x0010_0000, "tfDisallowXRP"),
            (0x0020_0000, "tfAllowXRP"),
        ],
    },
    Format {
        kind: Kind::OfferCreate,
        name: "OfferCreate",
        code: 7,
        fields: &[
            (Field::TakerGets, REQUIRED),
            (Field::TakerPays, REQUIRED),
            (Field::Expiration, OPTIONAL),
            (Field::OfferSequence, OPTIONAL),
        ],
        flags: &[
            (0x0001_0000, "tfPassive"),
            (IMMEDIATE_OR_CANCEL, "tfImmediateOrCancel"),
            (FILL_OR_KILL, "tfFillOrKill"),
            (0x0008_0000, "tfSell"),
        ],
    },
    Format { kind: Kind::OfferCancel, name: "OfferCancel", code: 8, fields: &[(Field::OfferSequence, REQUIRED)], flags: &[] },
    Format {
        kind: Kind::EscrowCreate,
        name: "EscrowCreate",
        code: 1,
        fields: &[
            (Field::Destination, REQUIRED),
            (Field::Amount, REQUIRED),
            (Field::DestinationTag, OPTIONAL),
            (Field::FinishAfter, OPTIONAL),
            (Field::CancelAfter, OPTIONAL),
            (Field::Condition, OPTIONAL),
        ],
        flags: &[],
    },
    Format {
        kind: Kind::EscrowFinish,
        name: "EscrowFinish",
        code: 2,
        fields: &[
            (Field::Owner, REQUIRED),
            (Field::OfferSequence, REQUIRED),
            (Field::Condition, OPTIONAL),
            (Field::Fulfillment, OPTIONAL),
        ],
        flags: &[],
    },
    Format {
        kind: Kind::EscrowCancel,
        name: "EscrowCancel",
        code: 4,
        fields: &[(Field::Owner, REQUIRED), (Field::OfferSequence, REQUIRED)],
        flags: &[],
    },
    Format { kind: Kind::TicketCreate, name: "TicketCreate", code: 10, fields: &[(Field::TicketCount, REQUIRED)], flags: &[] },
];

/// A setting of an account, by its number in `SetFlag` and `ClearFlag`.
pub struct AccountFlag {
    pub number: u32,
    pub name: &'static str,
    /// Whether it changes who may sign for the account, or what is done with the tokens that it issues.
    pub is_authority: bool,
}

const fn account_flag(number: u32, name: &'static str, is_authority: bool) -> AccountFlag {
    AccountFlag { number, name, is_authority }
}

/// <https://xrpl.org/docs/references/protocol/transactions/types/accountset#accountset-flags>
pub const ACCOUNT_FLAGS: &[AccountFlag] = &[
    account_flag(1, "asfRequireDest", false),
    account_flag(2, "asfRequireAuth", true),
    account_flag(3, "asfDisallowXRP", false),
    account_flag(4, "asfDisableMaster", true),
    account_flag(5, "asfAccountTxnID", false),
    account_flag(6, "asfNoFreeze", true),
    account_flag(7, "asfGlobalFreeze", true),
    account_flag(8, "asfDefaultRipple", true),
    account_flag(9, "asfDepositAuth", true),
    account_flag(10, "asfAuthorizedNFTokenMinter", true),
    account_flag(12, "asfDisallowIncomingNFTokenOffer", false),
    account_flag(13, "asfDisallowIncomingCheck", false),
    account_flag(14, "asfDisallowIncomingPayChan", false),
    account_flag(15, "asfDisallowIncomingTrustline", false),
    account_flag(16, "asfAllowTrustLineClawback", true),
    account_flag(17, "asfAllowTrustLineLocking", true),
];

/// The flag under which the one account is set that may mint NFTs for another.
pub const AUTHORIZED_MINTER: u32 = 10;

/// The names of all types, for who asks for another.
pub fn served() -> String {
    FORMATS.iter().map(|format| format.name).collect::<Vec<_>>().join(", ")
}
