mod addresses;
mod verification;
mod kms_conformance;
