//! The one integration binary: one link, one run.

mod addresses;
mod caller;
mod client;
mod client_documents;
mod configuration;
mod kms_conformance;
mod kms_emulator;
mod policy;
mod transport;
mod verification;
