//! The socket from outside: raw bytes in, raw bytes out, with a few toy methods behind.

mod http;
mod ipc;
mod limits;
pub mod rig;
mod shutdown;
mod socket;
