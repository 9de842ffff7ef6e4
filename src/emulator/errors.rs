//! What KMS refuses with: the exception's name, which clients match, and a sentence, which they must not.

/// An exception of the KMS API or one of AWS's common errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KmsError {
    pub code: &'static str,
    pub message: String,
}

impl KmsError {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new("NotFoundException", message)
    }

    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new("UnsupportedOperationException", message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new("KMSInternalException", message)
    }

    /// The HTTP status, as the API reference gives it for each exception.
    pub fn status(&self) -> u16 {
        if self.code == "KMSInternalException" { 500 } else { 400 }
    }
}
