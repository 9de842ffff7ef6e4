mod kms_conformance;
