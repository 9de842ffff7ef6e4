//! The one integration binary: one link, one run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    clippy::pedantic,
    clippy::type_complexity,
    reason = "tests fail by panicking and set their own scene; clippy.toml's exceptions do not reach all of an integration test"
)]

mod harness;
mod method_examples;

mod addresses;
mod architecture;
mod audit;
mod backup;
mod bad_input;
mod caller;
mod client;
mod client_documents;
mod compile_fail;
mod configuration;
mod crash_points;
mod disk;
mod documents;
mod every_family;
mod freezes;
mod key_drift;
mod key_states;
mod kms_conformance;
mod kms_emulator;
mod kms_faults;
mod lifecycle;
mod mongo_answers;
mod mongodb;
mod old_databases;
mod policy;
mod policy_roles;
mod psbt_peers;
mod random_kills;
mod reads;
mod reconcile;
mod request_id;
mod restore;
mod secrets;
mod sign_cardano;
mod sign_contents;
mod sign_evm;
mod sign_psbt;
mod sign_solana;
mod sign_typed_data;
mod sign_utxo_message;
mod sign_xrp;
mod signing;
mod stake_wallets;
mod transport;
mod typed_data_peers;
mod verification;
mod wallets;

/// Says that a test, or a part of one, can't run here; where everything must run, that is a failure.
#[expect(clippy::explicit_write, reason = "libtest captures what eprintln writes")]
fn skipped(what: &str, why: &str) {
    use std::io::Write as _;
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{what}: {why}");
    writeln!(std::io::stderr(), "SKIPPED {what}: {why}").unwrap();
}
