mod addresses;
mod client;
mod client_documents;
mod kms_conformance;
mod verification;
