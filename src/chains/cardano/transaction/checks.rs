//! What a transaction must be to be signed for a wallet: of its network, in need of its key, and worth what it pays.

use std::collections::BTreeMap;

use super::CardanoTransactionRequest;
use super::body::{Amounts, Asset, Body};
use super::certificates::Deposit;
use super::resolved::{Resolved, ResolvedInput};
use super::summary::Signer;
use crate::chains::cardano::CardanoNetwork;
use crate::chains::decoded::{DecodeError, Rule};
use crate::chains::networks::Network;

/// Everything in it that names a network must name the wallet's.
pub(super) fn network(body: &Body, network: &Network, of_wallet: CardanoNetwork) -> Result<(), DecodeError> {
    let other = |what: String| Err(DecodeError::refused(Rule::Network, format!("{what}, and the wallet is one of {network}.")));
    let own_id = u8::from(of_wallet == CardanoNetwork::Mainnet);
    if let Some(id) = body.network_id.filter(|id| *id != own_id) {
        return other(format!("The transaction has the network id {id}"));
    }
    if let Some(output) = body.all_outputs().find(|output| output.address.network != of_wallet) {
        return other(format!("{} is an address of another network", output.address.text));
    }
    let accounts = body.withdrawals.iter().map(|(account, _)| account);
    let accounts = accounts.chain(body.proposals.iter().map(|proposal| &proposal.returned_to));
    match accounts.into_iter().find(|account| account.network() != of_wallet) {
        Some(account) => other(format!("{account} is a reward account of another network")),
        None => Ok(()),
    }
}

/// A signature that nobody asks for is a mistake. What a script asks for is known only if the script is.
pub(super) fn need(transaction: &CardanoTransactionRequest, signer: &Signer, resolved: &Resolved<'_>) -> Result<(), DecodeError> {
    let body = &transaction.body;
    let hash = signer.hash();
    let holds_hash = |bytes: &[u8]| bytes.windows(hash.len()).any(|window| window == hash);
    let spent = || resolved.inputs.iter().chain(&resolved.collateral).filter_map(|input| input.payable.payment);
    let is_asked = spent().any(|payment| payment.is_key(hash))
        || body.required_signers.contains(hash)
        || body.withdrawals.iter().any(|(account, _)| account.credential.is_key(hash))
        || body.voters.iter().any(|voter| voter.credential.is_key(hash))
        || body.certificates.iter().any(|certificate| holds_hash(&certificate.bytes))
        || holds_hash(&transaction.witnesses.native_scripts);
    let has_scripts = spent().any(|payment| payment.is_script())
        || !body.mint.is_empty()
        || body.withdrawals.iter().any(|(account, _)| account.credential.is_script())
        || body.voters.iter().any(|voter| voter.credential.is_script())
        || body.certificates.iter().any(|certificate| certificate.credential.is_script());
    if is_asked || has_scripts && !body.reference_inputs.is_empty() {
        return Ok(());
    }
    let reason = "No input, withdrawal, certificate, vote or required signer of the transaction is of the wallet's key.";
    Err(DecodeError::refused(Rule::NotNeeded, reason))
}

/// What is paid beside the outputs.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Deposits {
    /// Lovelace.
    pub paid: u128,
    /// Lovelace.
    pub returned: u128,
    /// Whether a certificate pays what it does not say.
    pub paid_unsaid: bool,
    /// Whether a certificate gets back what it does not say.
    pub returned_unsaid: bool,
}

pub(super) fn deposits(body: &Body) -> Deposits {
    let mut sum = Deposits::default();
    for certificate in &body.certificates {
        match certificate.deposit {
            Deposit::None => {}
            Deposit::Paid(lovelace) => sum.paid = sum.paid.saturating_add(lovelace.into()),
            Deposit::Returned(lovelace) => sum.returned = sum.returned.saturating_add(lovelace.into()),
            Deposit::PaidUnsaid => sum.paid_unsaid = true,
            Deposit::ReturnedUnsaid => sum.returned_unsaid = true,
        }
    }
    for proposal in &body.proposals {
        sum.paid = sum.paid.saturating_add(proposal.deposit.into());
    }
    sum
}

/// How far amounts could be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Balance {
    /// What goes in comes out.
    Even,
    /// This much goes in that comes out nowhere: deposits that certificates do not say. Lovelace.
    Deposits(u64),
    /// Certificates get back what they do not say.
    Open,
}

/// Holds what goes in against what comes out, as the ledger will.
///
/// # Errors
/// [`Rule::Amount`] says what is not even.
pub(super) fn balance(body: &Body, resolved: &Resolved<'_>) -> Result<Balance, DecodeError> {
    let uneven =
        |what: String| Err(DecodeError::refused(Rule::Amount, format!("{what}, if the inputs are what resolvedInputs says.")));
    let mut tokens: BTreeMap<&Asset, i128> = BTreeMap::new();
    add(&mut tokens, amounts(&resolved.inputs), 1);
    add(&mut tokens, body.outputs.iter().map(|output| &output.amounts), -1);
    for (asset, quantity) in &body.mint {
        count(&mut tokens, asset, i128::from(*quantity));
    }
    if let Some((asset, left)) = tokens.iter().find(|(_, left)| **left != 0) {
        return uneven(format!("{left} of the token {asset} more go in than come out"));
    }
    let deposits = deposits(body);
    let withdrawn = body.withdrawals.iter().map(|(_, lovelace)| u128::from(*lovelace));
    let goes_in = lovelace(amounts(&resolved.inputs)).saturating_add(withdrawn.sum()).saturating_add(deposits.returned);
    let comes_out = lovelace(body.outputs.iter().map(|output| &output.amounts))
        .saturating_add(body.fee.into())
        .saturating_add(deposits.paid)
        .saturating_add(body.donation.unwrap_or(0).into());
    match goes_in.checked_sub(comes_out) {
        _ if deposits.returned_unsaid => Ok(Balance::Open),
        Some(0) if !deposits.paid_unsaid => Ok(Balance::Even),
        Some(left) if deposits.paid_unsaid => Ok(Balance::Deposits(u64::try_from(left).unwrap_or(u64::MAX))),
        _ => uneven(format!("{goes_in} lovelace go in and {comes_out} come out, fee and deposits among them")),
    }
}

/// What may be taken if scripts fail, in lovelace; `None` if nothing says it. The ledger holds what the body says of it to the inputs.
///
/// # Errors
/// [`Rule::Amount`] if what the body says and what the inputs are said to be do not agree.
pub(super) fn collateral(body: &Body, resolved: Option<&Resolved<'_>>) -> Result<Option<u64>, DecodeError> {
    let refused =
        |what: &str| Err(DecodeError::refused(Rule::Amount, format!("{what}, if the inputs are what resolvedInputs says.")));
    let Some(resolved) = resolved else { return Ok(body.total_collateral) };
    let back = body.collateral_return.iter().map(|output| &output.amounts);
    let mut tokens: BTreeMap<&Asset, i128> = BTreeMap::new();
    add(&mut tokens, amounts(&resolved.collateral), 1);
    add(&mut tokens, back.clone(), -1);
    if !body.collateral.is_empty() && tokens.values().any(|left| *left != 0) {
        return refused("The tokens of the collateral are not the ones of its return");
    }
    let Some(taken) = lovelace(amounts(&resolved.collateral)).checked_sub(lovelace(back)) else {
        return refused("More collateral is returned than there is");
    };
    match body.total_collateral {
        Some(said) if u128::from(said) != taken && !body.collateral.is_empty() => {
            refused("The total collateral that the transaction says is not what its collateral comes to")
        }
        Some(said) => Ok(Some(said)),
        None => Ok(Some(u64::try_from(taken).unwrap_or(u64::MAX))),
    }
}

fn amounts<'a>(inputs: &'a [&'a ResolvedInput]) -> impl Iterator<Item = &'a Amounts> {
    inputs.iter().map(|input| &input.amounts)
}

/// Fewer than 2^32 amounts of 64 bits can't overflow.
fn lovelace<'a>(amounts: impl Iterator<Item = &'a Amounts>) -> u128 {
    amounts.map(|amounts| u128::from(amounts.lovelace)).sum()
}

fn add<'a>(tokens: &mut BTreeMap<&'a Asset, i128>, amounts: impl Iterator<Item = &'a Amounts>, sign: i128) {
    for (asset, quantity) in amounts.flat_map(|amounts| &amounts.tokens) {
        count(tokens, asset, i128::from(*quantity).saturating_mul(sign));
    }
}

fn count<'a>(tokens: &mut BTreeMap<&'a Asset, i128>, asset: &'a Asset, quantity: i128) {
    let sum = tokens.entry(asset).or_default();
    *sum = sum.saturating_add(quantity);
}
