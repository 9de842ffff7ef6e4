//! kmsignd: a signing daemon whose private keys never leave AWS KMS.
//!
//! The modules in reading order. First the words everything else is written in, then the way of a request from the socket to
//! the reply, then what it stands on, then what runs beside it. `ARCHITECTURE.md` has the picture; `pipeline` has the way on
//! one screen.
#![deny(unsafe_code)]

pub mod clock;
pub mod ids;
pub mod keys;

pub mod rpc;

#[cfg(feature = "emulator")]
pub mod emulator;
