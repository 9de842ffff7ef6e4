mod addresses;
mod verification;
mod kms_conformance;
mod kms_emulator;
