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
mod lifecycle;
mod policy;
mod policy_roles;
mod reads;
mod request_id;
mod secrets;
mod signing;
mod verification;
mod wallets;
