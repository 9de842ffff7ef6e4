//! What the ledger demands of a transaction whatever is in the ledger: the checks of rippled's `preflight` of each type. A transaction
//! that breaks one can't be executed, so it is not signed.

use super::amount::{Amount, Asset};
use super::fields::{Field, FieldValue, Fields};
use super::formats::{
    ACCOUNT_FLAGS, AUTHORIZED_MINTER, FILL_OR_KILL, FULLY_CANONICAL, Format, IMMEDIATE_OR_CANCEL, Kind, LIMIT_QUALITY,
    NO_RIPPLE_DIRECT, PARTIAL_PAYMENT,
};
use super::request::invalid;
use crate::chains::decoded::{DecodeError, Rule};

/// Most tickets that one transaction makes.
const MAX_TICKETS: u32 = 250;
/// A rate of one, of which transfer rates are a billionth.
pub const ONE: u32 = 1_000_000_000;

/// # Errors
/// [`DecodeError::Invalid`] with the field; [`Rule::UnknownField`] for a bit of `Flags` or a number of `SetFlag` that is not known.
pub fn check(format: &Format, fields: &Fields) -> Result<(), DecodeError> {
    common(format, fields)?;
    match format.kind {
        Kind::Payment => payment(fields),
        Kind::TrustSet => trust_set(fields),
        Kind::AccountSet => account_set(fields),
        Kind::OfferCreate => offer_create(fields),
        Kind::OfferCancel => not_zero(fields, Field::OfferSequence),
        Kind::EscrowCreate => escrow_create(fields),
        Kind::EscrowFinish => escrow_finish(fields),
        Kind::EscrowCancel => Ok(()),
        Kind::TicketCreate => match fields.uint32(Field::TicketCount) {
            Some(1..=MAX_TICKETS) => Ok(()),
            _ => Err(wrong(Field::TicketCount, format!("must be 1 to {MAX_TICKETS}"))),
        },
    }
}

fn wrong(field: Field, reason: impl std::fmt::Display) -> DecodeError {
    invalid(field.name(), reason)
}

fn common(format: &Format, fields: &Fields) -> Result<(), DecodeError> {
    if fields.amount(Field::Fee).and_then(Amount::drops).is_none_or(|drops| drops == 0) {
        return Err(wrong(Field::Fee, "must be drops of XRP, more than 0"));
    }
    match (fields.uint32(Field::Sequence), fields.uint32(Field::TicketSequence)) {
        (Some(0), None) => return Err(wrong(Field::Sequence, "must not be 0 without a TicketSequence")),
        (Some(0), Some(0)) => return Err(wrong(Field::TicketSequence, "must not be 0")),
        (Some(0), Some(_)) if fields.has(Field::AccountTxnID) => {
            return Err(wrong(Field::AccountTxnID, "does not go with a ticket"));
        }
        (Some(1..), Some(_)) => return Err(wrong(Field::Sequence, "must be 0 beside a TicketSequence")),
        _ => {}
    }
    let known = format.flags.iter().fold(FULLY_CANONICAL.0, |known, (bit, _)| known | bit);
    match fields.uint32(Field::Flags).unwrap_or(0) & !known {
        0 => Ok(()),
        unknown => {
            let reason = format!("{} has no flags {unknown:#010x} that are read here", format.name);
            Err(DecodeError::refused(Rule::UnknownField, reason))
        }
    }
}

/// Whether a flag is set.
pub fn has_flag(fields: &Fields, bit: u32) -> bool {
    fields.uint32(Field::Flags).unwrap_or(0) & bit != 0
}

fn not_zero(fields: &Fields, field: Field) -> Result<(), DecodeError> {
    if fields.uint32(field) == Some(0) { Err(wrong(field, "must not be 0")) } else { Ok(()) }
}

fn positive(fields: &Fields, field: Field) -> Result<(), DecodeError> {
    if fields.amount(field).is_some_and(Amount::is_zero) { Err(wrong(field, "must be more than 0")) } else { Ok(()) }
}

/// What a payment costs at most, and in what: `SendMax`, or else the amount of the currency in whatever issuance the account has.
pub fn source_asset(fields: &Fields) -> Option<Asset> {
    if let Some(send_max) = fields.amount(Field::SendMax) {
        return Some(send_max.asset());
    }
    match (fields.amount(Field::Amount)?.asset(), fields.account(Field::Account)?) {
        (Asset::Xrp, _) => Some(Asset::Xrp),
        (Asset::Issued(currency, _), account) => Some(Asset::Issued(currency, account)),
    }
}

fn payment(fields: &Fields) -> Result<(), DecodeError> {
    [Field::Amount, Field::SendMax, Field::DeliverMin].into_iter().try_for_each(|field| positive(fields, field))?;
    let Some(amount) = fields.amount(Field::Amount) else { return Ok(()) };
    let xrp_alone = amount.asset() == Asset::Xrp && source_asset(fields) == Some(Asset::Xrp);
    let has = |bit| has_flag(fields, bit);
    if xrp_alone {
        const NEEDLESS: &str = "does not go with a payment of XRP for XRP";
        if let Some(field) = [Field::SendMax, Field::Paths].into_iter().find(|field| fields.has(*field)) {
            return Err(wrong(field, NEEDLESS));
        }
        if has(PARTIAL_PAYMENT | LIMIT_QUALITY | NO_RIPPLE_DIRECT) {
            return Err(wrong(Field::Flags, NEEDLESS));
        }
    }
    let to_itself = fields.account(Field::Account) == fields.account(Field::Destination);
    let same = |asset: Asset| match (asset, amount.asset()) {
        (Asset::Issued(one, _), Asset::Issued(other, _)) => one == other,
        (one, other) => one == other,
    };
    if to_itself && !fields.has(Field::Paths) && source_asset(fields).is_some_and(same) {
        return Err(wrong(Field::Destination, "is the account itself, which would pay itself what it has"));
    }
    if let Some(least) = fields.amount(Field::DeliverMin) {
        if !has(PARTIAL_PAYMENT) {
            return Err(wrong(Field::DeliverMin, "goes with tfPartialPayment alone"));
        }
        if least.asset() != amount.asset() || least.exceeds(amount) {
            return Err(wrong(Field::DeliverMin, "must be of the currency of Amount, and no more"));
        }
    }
    Ok(())
}

fn trust_set(fields: &Fields) -> Result<(), DecodeError> {
    match fields.amount(Field::LimitAmount).map(Amount::asset) {
        Some(Asset::Issued(_, issuer)) if Some(issuer) == fields.account(Field::Account) => {
            Err(wrong(Field::LimitAmount, "must be of another account's currency"))
        }
        Some(Asset::Issued(..)) => Ok(()),
        _ => Err(wrong(Field::LimitAmount, "must be of an issued currency")),
    }
}

fn account_set(fields: &Fields) -> Result<(), DecodeError> {
    let (set, cleared) = (fields.uint32(Field::SetFlag), fields.uint32(Field::ClearFlag));
    for (field, number) in [(Field::SetFlag, set), (Field::ClearFlag, cleared)] {
        if let Some(number) = number.filter(|number| *number != 0 && ACCOUNT_FLAGS.iter().all(|flag| flag.number != *number)) {
            let reason = format!("{} has no flag {number} that is read here", field.name());
            return Err(DecodeError::refused(Rule::UnknownField, reason));
        }
    }
    if set.is_some_and(|flag| flag != 0) && set == cleared {
        return Err(wrong(Field::ClearFlag, "must not be the flag that is set"));
    }
    // tfRequireDestTag and tfOptionalDestTag, and so on.
    if [0x3_0000, 0xc_0000, 0x30_0000].into_iter().any(|both| fields.uint32(Field::Flags).unwrap_or(0) & both == both) {
        return Err(wrong(Field::Flags, "sets and clears the same"));
    }
    match fields.uint32(Field::TransferRate) {
        None | Some(0) => {}
        Some(rate) if (ONE..=2 * ONE).contains(&rate) => {}
        Some(_) => return Err(wrong(Field::TransferRate, "must be 0, or 1000000000 to 2000000000")),
    }
    if let Some(FieldValue::UInt8(size)) = fields.get(Field::TickSize)
        && !matches!(size, 0 | 3..=16)
    {
        return Err(wrong(Field::TickSize, "must be 0, or 3 to 16"));
    }
    let (sets_minter, has_minter) = (set == Some(AUTHORIZED_MINTER), fields.has(Field::NFTokenMinter));
    if sets_minter == has_minter {
        return Ok(());
    }
    Err(wrong(Field::NFTokenMinter, "goes with the SetFlag 10 (asfAuthorizedNFTokenMinter), and only with it"))
}

fn offer_create(fields: &Fields) -> Result<(), DecodeError> {
    [Field::TakerGets, Field::TakerPays].into_iter().try_for_each(|field| positive(fields, field))?;
    [Field::Expiration, Field::OfferSequence].into_iter().try_for_each(|field| not_zero(fields, field))?;
    if fields.amount(Field::TakerGets).map(Amount::asset) == fields.amount(Field::TakerPays).map(Amount::asset) {
        return Err(wrong(Field::TakerPays, "must be of another currency than TakerGets"));
    }
    if has_flag(fields, IMMEDIATE_OR_CANCEL) && has_flag(fields, FILL_OR_KILL) {
        return Err(wrong(Field::Flags, "must not have both tfImmediateOrCancel and tfFillOrKill"));
    }
    Ok(())
}

fn escrow_create(fields: &Fields) -> Result<(), DecodeError> {
    positive(fields, Field::Amount)?;
    let (finish, cancel) = (fields.uint32(Field::FinishAfter), fields.uint32(Field::CancelAfter));
    let is_issued = fields.amount(Field::Amount).is_some_and(|amount| amount.asset() != Asset::Xrp);
    if finish.is_none() && !fields.has(Field::Condition) {
        return Err(wrong(Field::FinishAfter, "is missing; an escrow needs it or a Condition"));
    }
    match (finish, cancel) {
        (None, None) => Err(wrong(Field::CancelAfter, "is missing; an escrow needs a FinishAfter or a CancelAfter")),
        (Some(finish), Some(cancel)) if cancel <= finish => Err(wrong(Field::CancelAfter, "must be later than FinishAfter")),
        (_, None) if is_issued => Err(wrong(Field::CancelAfter, "is missing; an escrow of an issued currency needs it")),
        _ => Ok(()),
    }
}

fn escrow_finish(fields: &Fields) -> Result<(), DecodeError> {
    if fields.has(Field::Condition) == fields.has(Field::Fulfillment) {
        return Ok(());
    }
    Err(wrong(Field::Fulfillment, "goes with a Condition, and only with it"))
}
