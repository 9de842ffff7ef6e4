//! The Compute Budget program: what a transaction may use, and what is paid for a place in front.
//!
//! Layouts: `ComputeBudgetInstruction` of crate `solana-compute-budget-interface` 3.1. How validators count:
//! `compute-budget-instruction/src/compute_budget_instruction_details.rs` of <https://github.com/anza-xyz/agave>.

use serde_json::json;

use super::{COMPUTE_BUDGET, Call, Data, Reading};
use crate::chains::solana::wire::{Message, Reader};

/// Most compute units that a transaction gets, whatever it asks for.
const MAX_UNITS: u64 = 1_400_000;
/// What validators count for an instruction where no limit is set. Since SIMD-0170 it is less for the programs that are built in.
const UNITS_OF_INSTRUCTION: u64 = 200_000;
/// What they count for one of the Compute Budget program, since SIMD-0170.
const UNITS_OF_BUDGET_INSTRUCTION: u64 = 3_000;
const MICRO_LAMPORTS: u128 = 1_000_000;

/// Reads an instruction. It does nothing of its own: [`Budget`] says what it costs.
pub fn read(call: &Call<'_>) -> Option<Reading> {
    if !call.accounts.is_empty() {
        return None;
    }
    let mut data = Data::of(call);
    let reading = match data.u8()? {
        1 => Reading::new("requestHeapFrame", json!({ "bytes": data.u32()? })),
        2 => Reading::new("setComputeUnitLimit", json!({ "units": data.u32()? })),
        3 => Reading::new("setComputeUnitPrice", json!({ "microLamports": data.u64()? })),
        4 => Reading::new("setLoadedAccountsDataSizeLimit", json!({ "bytes": data.u32()? })),
        _ => return None,
    };
    data.is_empty().then_some(reading)
}

/// What a place in front costs at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Compute units that are paid for: the limit, or the most that validators count without one.
    pub units: u64,
    /// Price of a unit in millionths of a lamport.
    pub micro_lamports: u64,
}

impl Budget {
    /// Of every instruction as validators read it: what comes after the number that they look for does not matter to them.
    /// Of a number that is there twice, which they refuse, the higher.
    pub fn of(message: &Message) -> Self {
        let (mut limit, mut price, mut counted) = (None, 0, 0_u64);
        for instruction in &message.instructions {
            let program = message.keys.get(usize::from(instruction.program));
            if program.is_none_or(|program| program.to_string() != COMPUTE_BUDGET) {
                counted = counted.saturating_add(UNITS_OF_INSTRUCTION);
                continue;
            }
            counted = counted.saturating_add(UNITS_OF_BUDGET_INSTRUCTION);
            let mut data = Data(Reader::new(&instruction.data));
            match data.u8() {
                Some(2) => limit = limit.max(data.u32()),
                Some(3) => price = price.max(data.u64().unwrap_or(0)),
                _ => {}
            }
        }
        Self { units: limit.map_or(counted, u64::from).min(MAX_UNITS), micro_lamports: price }
    }

    /// Lamports, rounded up and saturating.
    pub fn fee(&self) -> u64 {
        let micro_lamports = u128::from(self.units).saturating_mul(u128::from(self.micro_lamports));
        u64::try_from(micro_lamports.div_ceil(MICRO_LAMPORTS)).unwrap_or(u64::MAX)
    }
}
