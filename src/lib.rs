//! kmsignd: a signing daemon whose private keys never leave AWS KMS.
//!
//! The modules in reading order. First the words everything else is written in, then the way of a request from the socket to
//! the reply, then what it stands on, then what runs beside it. `ARCHITECTURE.md` has the picture; `pipeline` has the way on
//! one screen.
#![deny(unsafe_code)]

// Where it starts.
pub mod cli;
pub mod daemon;
pub mod restore;
pub mod config;

// The words.
pub mod strict_json;
pub mod ids;
pub mod clock;
pub mod keys;
pub mod guards;
pub mod outcome;

// The way of a request, in order.
pub mod transport;
pub mod caller;
pub mod rpc;
pub mod pipeline;
pub mod policy;
pub mod wallets;
pub mod chains;
pub mod kms;
pub mod verify;
pub mod audit;

// What it stands on.
pub mod store;
pub mod metrics;
pub mod log;
pub mod crash_points;

// What runs beside it.
pub mod client;
pub mod background;
#[cfg(feature = "emulator")]
pub mod dev;
#[cfg(feature = "emulator")]
pub mod emulator;
