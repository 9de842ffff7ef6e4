//! What personal_sign, eth_sign, eth_signTypedData_v4 and utxo_signMessage have signed, and what they answer.

mod evm;
mod utxo;

pub use self::evm::{personal, typed_data};
pub use self::utxo::utxo;
