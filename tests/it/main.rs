mod kms_conformance;
mod kms_emulator;
