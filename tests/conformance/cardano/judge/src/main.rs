//! Judges transactions of Cardano by pallas-validate, phase 1, on Conway's rules.
//!
//! Reads one JSON request a line, `{transaction, networkId, slot, outputs: [{txId, index, output}]}`, transaction and outputs as hex
//! of their CBOR, and answers each with a line: `{txId}`, or `{refused}` with the rule that it breaks, or `{error}` if the request
//! can't be read.

use std::borrow::Cow;
use std::io::{self, BufRead as _, Write as _};

use pallas_codec::utils::Bytes;
use pallas_primitives::conway::{CostModels, DRepVotingThresholds, ExUnits, PoolVotingThresholds, RationalNumber};
use pallas_primitives::{ExUnitPrices, Hash, TransactionInput};
use pallas_traverse::{Era, MultiEraInput, MultiEraOutput, MultiEraTx};
use pallas_validate::phase1::validate_tx;
use pallas_validate::utils::{AccountState, CertState, ConwayProtParams, Environment, MultiEraProtocolParameters, UTxOs};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Request {
    transaction: String,
    /// 1: the main network. 0: any other.
    network_id: u8,
    slot: u64,
    /// What the transaction's inputs, collateral and reference inputs are.
    outputs: Vec<Output>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Output {
    tx_id: String,
    index: u64,
    output: String,
}

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = judge(&line?).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn judge(line: &str) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    let request: Request = serde_json::from_str(line)?;
    let transaction = hex::decode(&request.transaction)?;
    let transaction = MultiEraTx::decode_for_era(Era::Conway, &transaction)?;
    let outputs: Vec<Bytes> =
        request.outputs.iter().map(|output| hex::decode(&output.output).map(Bytes::from)).collect::<Result<_, _>>()?;
    let mut utxos = UTxOs::new();
    for (named, output) in request.outputs.iter().zip(&outputs) {
        let input = TransactionInput { transaction_id: named.tx_id.parse::<Hash<32>>()?, index: named.index };
        let input = MultiEraInput::AlonzoCompatible(Box::new(Cow::Owned(input)));
        utxos.insert(input, MultiEraOutput::decode(Era::Conway, output)?);
    }
    let environment = Environment {
        prot_params: MultiEraProtocolParameters::Conway(parameters()?),
        prot_magic: if request.network_id == 1 { 764_824_073 } else { 1 },
        block_slot: request.slot,
        network_id: request.network_id,
        acnt: Some(AccountState::default()),
    };
    Ok(match validate_tx(&transaction, 0, &environment, &utxos, &mut CertState::default()) {
        Ok(()) => json!({ "txId": transaction.hash().to_string() }),
        Err(rule) => json!({ "refused": format!("{rule:?}") }),
    })
}

/// The main network's parameters, as far as transactions without Plutus scripts need them to be right.
fn parameters() -> Result<ConwayProtParams, chrono::ParseError> {
    let part = |numerator, denominator| RationalNumber { numerator, denominator };
    let half = || part(1, 2);
    Ok(ConwayProtParams {
        system_start: chrono::DateTime::parse_from_rfc3339("2017-09-23T21:44:51Z")?,
        epoch_length: 432_000,
        slot_length: 1,
        minfee_a: 44,
        minfee_b: 155_381,
        max_block_body_size: 90_112,
        max_transaction_size: 16_384,
        max_block_header_size: 1_100,
        key_deposit: 2_000_000,
        pool_deposit: 500_000_000,
        maximum_epoch: 18,
        desired_number_of_stake_pools: 500,
        pool_pledge_influence: part(3, 10),
        expansion_rate: part(3, 1_000),
        treasury_growth_rate: part(2, 10),
        protocol_version: (9, 0),
        min_pool_cost: 170_000_000,
        ada_per_utxo_byte: 4_310,
        cost_models_for_script_languages: CostModels {
            plutus_v1: None,
            plutus_v2: None,
            plutus_v3: None,
            unknown: std::collections::BTreeMap::new(),
        },
        execution_costs: ExUnitPrices { mem_price: part(577, 10_000), step_price: part(721, 10_000_000) },
        max_tx_ex_units: ExUnits { mem: 14_000_000, steps: 10_000_000_000 },
        max_block_ex_units: ExUnits { mem: 62_000_000, steps: 20_000_000_000 },
        max_value_size: 5_000,
        collateral_percentage: 150,
        max_collateral_inputs: 3,
        pool_voting_thresholds: PoolVotingThresholds {
            motion_no_confidence: half(),
            committee_normal: half(),
            committee_no_confidence: half(),
            hard_fork_initiation: half(),
            security_voting_threshold: half(),
        },
        drep_voting_thresholds: DRepVotingThresholds {
            motion_no_confidence: half(),
            committee_normal: half(),
            committee_no_confidence: half(),
            update_constitution: half(),
            hard_fork_initiation: half(),
            pp_network_group: half(),
            pp_economic_group: half(),
            pp_technical_group: half(),
            pp_governance_group: half(),
            treasury_withdrawal: half(),
        },
        min_committee_size: 7,
        committee_term_limit: 146,
        governance_action_validity_period: 6,
        governance_action_deposit: 100_000_000_000,
        drep_deposit: 500_000_000,
        drep_inactivity_period: 20,
        minfee_refscript_cost_per_byte: part(15, 1),
    })
}
