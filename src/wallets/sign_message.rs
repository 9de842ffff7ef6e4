//! What personal_sign, eth_sign, eth_signTypedData_v4, utxo_signMessage and sol_signMessage have signed, and what they answer.

mod evm;
mod solana;
mod utxo;

pub use self::evm::{personal, typed_data};
pub use self::solana::solana;
pub use self::utxo::utxo;
