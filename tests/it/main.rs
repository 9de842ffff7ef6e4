//! The one integration binary: one link, one run.

mod harness;
mod method_examples;

mod addresses;
mod audit;
mod bad_input;
mod compile_fail;
mod configuration;
mod kms_conformance;
mod kms_emulator;
mod policy;
mod policy_roles;
mod request_id;
mod signing;
mod verification;
mod wallets;
