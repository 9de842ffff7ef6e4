//! What each input spends, proven, and with which sighash type. Nothing here knows a wallet.

use bitcoin::sighash::EcdsaSighashType;
use bitcoin::{OutPoint, ScriptBuf, TxOut};

use super::container::{Map, get, number};
use super::fields::{self, Field, Signer, input};
use super::utxo::Utxo;
use super::{Place, PsbtRequest};
use crate::chains::decoded::{DecodeError, Rule};
use crate::chains::networks::{Family, Network};
use crate::chains::utxo::max_money;

/// A coin that an input spends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coin {
    pub outpoint: OutPoint,
    /// Minor units, more than 0.
    pub amount: u64,
    /// The transaction that made it says so; else the PSBT only claims it, and a segwit signature is worthless if it lies.
    pub amount_is_proven: bool,
    pub script_pubkey: ScriptBuf,
    pub kind: InputKind,
    pub sighash: EcdsaSighashType,
}

/// The kinds of input that are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputKind {
    P2pkh,
    /// What its script hides is known once its wallet is.
    P2shP2wpkh,
    P2wpkh,
}

/// The coins of all inputs, in their order. `allow_witness_utxo_only` takes the claimed amount of a segwit input where the whole
/// previous transaction is not there.
///
/// # Errors
/// [`DecodeError::Refused`] names the input and what about it breaks a rule. [`DecodeError::Invalid`] if there is nothing to spend or
/// nothing to pay, or for `asset` on a network that has no such transactions.
pub fn coins(request: &PsbtRequest, network: &Network, allow_witness_utxo_only: bool) -> Result<Vec<Coin>, DecodeError> {
    let rules = Rules { network, max_money: most(network)?, has_mweb: network.asset() == "LTC", allow_witness_utxo_only };
    let unsigned = &request.unsigned;
    if unsigned.input.is_empty() || unsigned.output.is_empty() {
        return Err(Place::Global.invalid("needs at least one input and one output"));
    }
    rules.understood(&request.global, fields::GLOBAL, Place::Global)?;
    let mut sent = 0;
    for (index, (tx_out, map)) in unsigned.output.iter().zip(&request.outputs).enumerate() {
        rules.understood(map, fields::OUTPUT, Place::Output(index))?;
        sent = rules.added(sent, tx_out.value.to_sat(), Place::Output(index))?;
    }
    let mut coins = Vec::with_capacity(unsigned.input.len());
    let mut gathered = 0;
    for (index, ((tx_in, map), utxo)) in unsigned.input.iter().zip(&request.inputs).zip(&request.utxos).enumerate() {
        let place = Place::Input(index);
        let coin = rules.coin(place, tx_in.previous_output, map, utxo)?;
        if coin.sighash_is_single() && index >= unsigned.output.len() {
            // Its digest would be the number one: a signature of it spends every other coin of the key.
            return Err(place.refused(Rule::Sighash, "has sighash SINGLE, and there is no output of its number"));
        }
        gathered = rules.added(gathered, coin.amount, place)?;
        coins.push(coin);
    }
    if sent > gathered {
        return Err(DecodeError::refused(Rule::Amount, format!("the outputs are worth {sent}, the inputs only {gathered}")));
    }
    Ok(coins)
}

/// The most that one output, and all together, can be worth.
fn most(network: &Network) -> Result<u64, DecodeError> {
    match network.params() {
        Family::Utxo(_) => Ok(max_money(network)),
        _ => Err(DecodeError::invalid("asset", format!("{network} has no PSBTs; BTC, LTC and DOGE have"))),
    }
}

impl Coin {
    /// Whether the signature fixes no output but the one of its own number.
    pub fn sighash_is_single(&self) -> bool {
        matches!(self.sighash, EcdsaSighashType::Single | EcdsaSighashType::SinglePlusAnyoneCanPay)
    }

    /// Whether the signature fixes no output at all.
    pub fn sighash_is_none(&self) -> bool {
        matches!(self.sighash, EcdsaSighashType::None | EcdsaSighashType::NonePlusAnyoneCanPay)
    }

    /// Whether the signature leaves the other inputs open.
    pub fn anyone_can_pay(&self) -> bool {
        matches!(
            self.sighash,
            EcdsaSighashType::AllPlusAnyoneCanPay
                | EcdsaSighashType::NonePlusAnyoneCanPay
                | EcdsaSighashType::SinglePlusAnyoneCanPay
        )
    }
}

/// The word for a sighash type, as BIP-174's tools write it.
pub const fn sighash_word(sighash: EcdsaSighashType) -> &'static str {
    match sighash {
        EcdsaSighashType::All => "ALL",
        EcdsaSighashType::None => "NONE",
        EcdsaSighashType::Single => "SINGLE",
        EcdsaSighashType::AllPlusAnyoneCanPay => "ALL|ANYONECANPAY",
        EcdsaSighashType::NonePlusAnyoneCanPay => "NONE|ANYONECANPAY",
        EcdsaSighashType::SinglePlusAnyoneCanPay => "SINGLE|ANYONECANPAY",
    }
}

struct Rules<'a> {
    network: &'a Network,
    max_money: u64,
    has_mweb: bool,
    allow_witness_utxo_only: bool,
}

impl Rules<'_> {
    /// Refuses what a signature would have to follow and does not here.
    fn understood(&self, map: &Map, known: &'static [Field], place: Place) -> Result<(), DecodeError> {
        for key_type in map.keys().filter_map(|key| fields::type_of(key)) {
            if self.has_mweb && fields::MWEB.contains(&key_type) {
                return Err(
                    place.refused(Rule::UnknownField, format!("has field {key_type:#x} of MWEB, which is not signed here"))
                );
            }
            let Some(field) = fields::find(known, key_type) else { continue };
            match field.signer {
                Signer::Knows => {}
                Signer::Refuses(why) => {
                    return Err(place.refused(Rule::UnknownField, format!("has {}: {why}", field.name)));
                }
                Signer::Signed => {
                    return Err(place.refused(Rule::AlreadySigned, format!("has {}: it is signed and final already", field.name)));
                }
            }
        }
        Ok(())
    }

    fn added(&self, sum: u64, amount: u64, place: Place) -> Result<u64, DecodeError> {
        sum.checked_add(amount)
            .filter(|sum| *sum <= self.max_money)
            .ok_or_else(|| place.refused(Rule::Amount, format!("brings the sum over {}, all that can be", self.max_money)))
    }

    fn coin(&self, place: Place, outpoint: OutPoint, map: &Map, utxo: &Utxo) -> Result<Coin, DecodeError> {
        if outpoint.is_null() {
            return Err(place.invalid("makes new coins, which only a block does"));
        }
        self.understood(map, fields::INPUT, place)?;
        let output = self.proven(place, outpoint, utxo)?;
        let kind = self.kind(place, output)?;
        if kind == InputKind::P2pkh && utxo.claimed.is_some() {
            // BIP-174: with a witness UTXO no non-witness signature may be made.
            let reason = "is p2pkh and has a witness UTXO, whose amount no signature of p2pkh commits to; give the whole transaction alone";
            return Err(place.refused(Rule::AmountNotProven, reason));
        }
        check_redeem_script(place, map, output, kind)?;
        let amount = output.value.to_sat();
        if amount == 0 {
            // What BIP-322 spends to sign a message: it would pass by the rules for messages.
            return Err(place.refused(Rule::Amount, "spends a coin worth nothing; a message is signed with utxo_signMessage"));
        }
        let amount_is_proven = utxo.proven.is_some();
        let script_pubkey = output.script_pubkey.clone();
        Ok(Coin { outpoint, amount, amount_is_proven, script_pubkey, kind, sighash: sighash(place, map)? })
    }

    /// The output that is spent, out of the transaction that made it.
    fn proven<'u>(&self, place: Place, outpoint: OutPoint, utxo: &'u Utxo) -> Result<&'u TxOut, DecodeError> {
        let Some(proven) = &utxo.proven else {
            let claimed = utxo.claimed.as_ref().ok_or_else(|| {
                place.refused(Rule::AmountNotProven, "has no PSBT_IN_NON_WITNESS_UTXO, the whole transaction that it spends from")
            })?;
            let is_segwit = claimed.script_pubkey.is_p2wpkh() || claimed.script_pubkey.is_p2sh();
            if is_segwit && self.allow_witness_utxo_only {
                return Ok(claimed);
            }
            let reason =
                "claims its amount with PSBT_IN_WITNESS_UTXO alone; give PSBT_IN_NON_WITNESS_UTXO, the whole transaction";
            return Err(place.refused(Rule::AmountNotProven, reason));
        };
        if proven.has_mweb_flag && !self.has_mweb {
            return Err(place.invalid("has PSBT_IN_NON_WITNESS_UTXO in a form that only Litecoin has"));
        }
        if proven.txid != outpoint.txid {
            let reason = format!("spends from {}, and PSBT_IN_NON_WITNESS_UTXO is {}", outpoint.txid, proven.txid);
            return Err(place.refused(Rule::Amount, reason));
        }
        let output = proven.output.as_ref().ok_or_else(|| {
            place.refused(Rule::Amount, format!("spends output {} of a transaction that has not so many", outpoint.vout))
        })?;
        match &utxo.claimed {
            Some(claimed) if claimed != output => {
                let reason = "has a PSBT_IN_WITNESS_UTXO that is not what PSBT_IN_NON_WITNESS_UTXO says";
                Err(place.refused(Rule::Amount, reason))
            }
            _ => Ok(output),
        }
    }

    fn kind(&self, place: Place, output: &TxOut) -> Result<InputKind, DecodeError> {
        let script = &output.script_pubkey;
        let has_segwit = matches!(self.network.params(), Family::Utxo(params) if params.has_segwit());
        if script.is_p2pkh() {
            Ok(InputKind::P2pkh)
        } else if script.is_p2wpkh() && has_segwit {
            Ok(InputKind::P2wpkh)
        } else if script.is_p2sh() && has_segwit {
            Ok(InputKind::P2shP2wpkh)
        } else if script.is_p2tr() && has_segwit {
            let reason = "is p2tr: taproot needs Schnorr signatures, which KMS does not make";
            Err(place.refused(Rule::ForeignInput, reason))
        } else {
            let reason = format!("has a script that no wallet of {} has: {}", self.network, in_short(script.as_bytes()));
            Err(place.refused(Rule::ForeignInput, reason))
        }
    }
}

/// BIP-174: a redeem script must be the one that the output names.
fn check_redeem_script(place: Place, map: &Map, output: &TxOut, kind: InputKind) -> Result<(), DecodeError> {
    let Some(redeem_script) = get(map, input::REDEEM_SCRIPT).map(|bytes| ScriptBuf::from_bytes(bytes.to_vec())) else {
        return Ok(());
    };
    if kind != InputKind::P2shP2wpkh {
        return Err(place.refused(Rule::RedeemScript, "has a redeem script, and its output is not p2sh"));
    }
    if ScriptBuf::new_p2sh(&redeem_script.script_hash()) != output.script_pubkey {
        return Err(place.refused(Rule::RedeemScript, "has a redeem script whose hash is not the output's"));
    }
    if !redeem_script.is_p2wpkh() {
        return Err(place.refused(Rule::RedeemScript, "has a redeem script that is not p2wpkh, the only one that is signed"));
    }
    Ok(())
}

fn sighash(place: Place, map: &Map) -> Result<EcdsaSighashType, DecodeError> {
    let Some(number) = number(map, input::SIGHASH_TYPE) else { return Ok(EcdsaSighashType::All) };
    EcdsaSighashType::from_standard(number)
        .map_err(|_| place.refused(Rule::Sighash, format!("has sighash type {number:#x}, which ECDSA does not have")))
}

/// The first bytes in hex.
fn in_short(script: &[u8]) -> String {
    const SHOWN: usize = 40;
    let dots = if script.len() > SHOWN { "..." } else { "" };
    format!("{}{dots}", hex::encode(script.get(..SHOWN).unwrap_or(script)))
}
