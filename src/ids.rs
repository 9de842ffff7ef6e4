//! Names that only parse: outside text becomes one of these once, at the edge, and is a plain string nowhere after.
//!
//! Nothing here reaches a network, a file or a clock. Lengths are counted in characters (Unicode scalar values) and are the
//! API contract's. An error says what is accepted; the caller of the parser knows which field it was.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not the name it should be. The sentence completes "`field` ...".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("must be {min} to {max} characters long, but has {got}")]
    Length { min: usize, max: usize, got: usize },
    #[error("may only contain {allowed}")]
    Characters { allowed: &'static str },
    #[error("must be {expected}")]
    Form { expected: &'static str },
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $max:literal, $allowed:literal, $ok:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Longest accepted text, in characters.
            pub const MAX_CHARS: usize = $max;

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let got = text.chars().count();
                if got == 0 || got > $max {
                    return Err(IdError::Length { min: 1, max: $max, got });
                }
                let ok: fn(char) -> bool = $ok;
                if !text.chars().all(ok) {
                    return Err(IdError::Characters { allowed: $allowed });
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

fn printable(c: char) -> bool {
    !c.is_control()
}

text_id!(
    /// The exchange's own user, 1..128 of `A-Za-z0-9+=._:/@-` (what an AWS tag value can hold).
    UserId, 128, "A-Z a-z 0-9 + = . _ : / @ -",
    |c| c.is_ascii_alphanumeric() || "+=._:/@-".contains(c)
);
text_id!(
    /// A free text a person gave a wallet, 1..128 characters without control characters.
    Label, 128, "printable characters", printable
);
text_id!(
    /// Makes a call safe to retry; scoped to caller uid and method. 1..128 characters without control characters.
    RequestId, 128, "printable characters", printable
);
text_id!(
    /// The exchange's own end user for whom a call is made: recorded, never seen by policy. 1..128 characters.
    OnBehalfOf, 128, "printable characters", printable
);
text_id!(
    /// Why a person did something, 1..256 characters without control characters.
    Reason, 256, "printable characters", printable
);
text_id!(
    /// The name under which this installation tags its keys, 1..64 of `A-Za-z0-9._-`.
    Deployment, 64, "A-Z a-z 0-9 . _ -",
    |c| c.is_ascii_alphanumeric() || "._-".contains(c)
);
text_id!(
    /// An AWS Region's code, such as `eu-central-1`: 1..32 of `a-z0-9-`.
    Region, 32, "a-z 0-9 -",
    |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
);

/// A wallet's id: a UUID version 7, so that ids sort by creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct WalletId(uuid::Uuid);

impl WalletId {
    /// A new id whose time part is `unix_millis`.
    pub fn new(unix_millis: u64) -> Self {
        let seconds = unix_millis / 1000;
        let nanos = u32::try_from((unix_millis % 1000).saturating_mul(1_000_000)).unwrap_or(0);
        let stamp = uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos);
        Self(uuid::Uuid::new_v7(stamp))
    }

    /// The time part: when the wallet was asked for.
    pub fn unix_millis(self) -> u64 {
        self.0.get_timestamp().map_or(0, |stamp| {
            let (seconds, nanos) = stamp.to_unix();
            seconds.saturating_mul(1000).saturating_add(u64::from(nanos / 1_000_000))
        })
    }
}

impl FromStr for WalletId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        const FORM: IdError =
            IdError::Form { expected: "a wallet id (a version 7 UUID such as 0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60)" };
        if text.len() != 36 {
            return Err(FORM);
        }
        let id = uuid::Uuid::parse_str(text).map_err(|_| FORM)?;
        if id.get_version_num() != 7 {
            return Err(FORM);
        }
        Ok(Self(id))
    }
}

impl fmt::Display for WalletId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl<'de> Deserialize<'de> for WalletId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A freeze's id: a UUID version 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct FreezeId(uuid::Uuid);

impl FreezeId {
    /// A new id whose time part is `unix_millis`.
    pub fn new(unix_millis: u64) -> Self {
        Self(WalletId::new(unix_millis).0)
    }
}

impl FromStr for FreezeId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        const FORM: IdError =
            IdError::Form { expected: "a freeze's id (a version 7 UUID such as 0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60)" };
        text.parse::<WalletId>().map(|id| Self(id.0)).map_err(|_| FORM)
    }
}

impl fmt::Display for FreezeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The ARN of one KMS key: `arn:PARTITION:kms:REGION:ACCOUNT:key/ID`, at most 256 bytes. Never an alias: an alias can be
/// pointed at another key.
///
/// Source: <https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id-key-ARN>
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct KeyArn(String);

impl KeyArn {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The Region named in the ARN.
    pub fn region(&self) -> &str {
        self.part(3)
    }

    /// The twelve digits of the AWS account named in the ARN.
    pub fn account(&self) -> &str {
        self.part(4)
    }

    /// The key id behind `key/`.
    pub fn key_id(&self) -> &str {
        self.part(5).strip_prefix("key/").unwrap_or_default()
    }

    fn part(&self, index: usize) -> &str {
        self.0.split(':').nth(index).unwrap_or_default()
    }
}

impl FromStr for KeyArn {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        const FORM: IdError = IdError::Form {
            expected: "a KMS key ARN (arn:aws:kms:REGION:ACCOUNT:key/ID); aliases and bare key ids are not accepted",
        };
        if text.len() > 256 {
            return Err(IdError::Length { min: 1, max: 256, got: text.chars().count() });
        }
        let mut parts = text.split(':');
        let mut next = || parts.next().unwrap_or_default();
        let (arn, partition, service, region, account, resource) = (next(), next(), next(), next(), next(), next());
        let id = resource.strip_prefix("key/").unwrap_or_default();
        let well_formed = arn == "arn"
            && partition.starts_with("aws")
            && partition.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
            && service == "kms"
            && region.parse::<Region>().is_ok()
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && !id.is_empty()
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && parts.next().is_none();
        if well_formed { Ok(Self(text.to_owned())) } else { Err(FORM) }
    }
}

impl fmt::Display for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyArn {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_id_parse_bounds_and_alphabet() {
        assert!("user123".parse::<UserId>().is_ok());
        assert!("a+=._:/@-Z9".parse::<UserId>().is_ok());
        assert_eq!("".parse::<UserId>(), Err(IdError::Length { min: 1, max: 128, got: 0 }));
        assert!("x".repeat(128).parse::<UserId>().is_ok());
        assert_eq!("x".repeat(129).parse::<UserId>(), Err(IdError::Length { min: 1, max: 128, got: 129 }));
        for bad in ["a b", "é", "a\n", "a\0", "a'b"] {
            assert!(matches!(bad.parse::<UserId>(), Err(IdError::Characters { .. })), "{bad:?}");
        }
    }

    #[test]
    fn label_parse_counts_characters_not_bytes() {
        assert!("é".repeat(128).parse::<Label>().is_ok());
        assert!("é".repeat(129).parse::<Label>().is_err());
        assert!("tab\there".parse::<Label>().is_err());
    }

    #[test]
    fn wallet_id_parse_takes_version_7_alone() {
        let id = WalletId::new(1_700_000_000_000);
        assert_eq!(id.to_string().parse::<WalletId>(), Ok(id));
        for bad in ["", "0197", "00000000-0000-4000-8000-000000000000", "{0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f6}"] {
            assert!(bad.parse::<WalletId>().is_err(), "{bad}");
        }
        assert_eq!(id.unix_millis(), 1_700_000_000_000);
        let (older, newer) = (WalletId::new(1_700_000_000_000), WalletId::new(1_700_000_000_001));
        assert!(older.to_string() < newer.to_string());
    }

    #[test]
    fn key_arn_parse_takes_key_arns_alone() {
        let arn: KeyArn = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap();
        assert_eq!((arn.region(), arn.account()), ("eu-central-1", "111122223333"));
        assert_eq!(arn.key_id(), "1234abcd-12ab-34cd-56ef-1234567890ab");
        assert!(
            "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab".parse::<KeyArn>().is_ok()
        );
        for bad in [
            "",
            "alias/hot",
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws:kms:eu-central-1:111122223333:alias/hot",
            "arn:aws:s3:eu-central-1:111122223333:key/x",
            "arn:aws:kms:eu-central-1:1111:key/x",
            "arn:aws:kms:eu-central-1:111122223333:key/",
            "arn:aws:kms:eu-central-1:111122223333:key/a:b",
            "arn:aws:kms:eu-central-1:111122223333:key/a/b",
            "arn:aws:kms:EU:111122223333:key/x",
        ] {
            assert!(bad.parse::<KeyArn>().is_err(), "{bad}");
        }
        assert!(format!("arn:aws:kms:eu-central-1:111122223333:key/{}", "a".repeat(300)).parse::<KeyArn>().is_err());
    }
}
