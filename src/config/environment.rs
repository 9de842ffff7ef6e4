//! Environment variables that stand in for keys of the file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

/// Before the name of a key: `socket.max_connections` is `KMSIGND__SOCKET__MAX_CONNECTIONS`.
pub const PREFIX: &str = "KMSIGND__";

/// Names that the exchange and AWS already use, and the keys they stand for. An empty one counts as unset.
pub const PLAIN_NAMES: [(&str, &str); 7] = [
    ("AWS_REGION", "kms.region"),
    ("AWS_ENDPOINT_URL", "kms.endpoint_url"),
    ("AWS_ENDPOINT_URL", "kms.tagging_endpoint_url"),
    ("AWS_ENDPOINT_URL_KMS", "kms.endpoint_url"),
    ("AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API", "kms.tagging_endpoint_url"),
    ("UTXO_NETWORK", "networks.utxo"),
    ("EVM_NETWORK", "networks.evm"),
];

/// Where systemd puts a unit's credentials (systemd.exec(5)).
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// The variables that configure kmsignd, and no others: AWS's credentials are never read here.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, OsString>);

/// Names alone: one may hold a connection string.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// One variable that sets a key.
pub(super) struct Variable<'e> {
    pub name: &'e str,
    /// Such as `socket.max_connections`; there may be no such key.
    pub key: String,
    /// `None` if it is not UTF-8.
    pub value: Option<&'e str>,
}

impl Environment {
    /// The variables of this process.
    pub fn of_process() -> Self {
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect()
    }

    /// The variables whose keys are not `unwanted`, however they are spelt.
    #[must_use]
    pub fn without(self, unwanted: impl Fn(&str) -> bool) -> Self {
        let names: Vec<String> =
            self.variables().filter(|variable| unwanted(&variable.key)).map(|variable| variable.name.to_owned()).collect();
        Self(self.0.into_iter().filter(|(name, _)| !names.contains(name)).collect())
    }

    /// Where systemd put the credentials of this unit, if it did.
    pub(super) fn credentials_directory(&self) -> Option<&Path> {
        self.0.get(CREDENTIALS_DIRECTORY).filter(|path| !path.is_empty()).map(Path::new)
    }

    /// In the order in which they apply: a later one overrides an earlier one.
    pub(super) fn variables(&self) -> impl Iterator<Item = Variable<'_>> {
        let prefixed = self.0.iter().filter_map(|(name, value)| {
            let key = name.strip_prefix(PREFIX)?.to_ascii_lowercase().replace("__", ".");
            Some(Variable { name, key, value: value.to_str() })
        });
        let plain = PLAIN_NAMES.into_iter().filter_map(|(name, key)| {
            let value = self.0.get(name).filter(|value| !value.is_empty())?;
            Some(Variable { name, key: key.to_owned(), value: value.to_str() })
        });
        prefixed.chain(plain)
    }
}

impl<N: Into<String>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let ours = |name: &str| {
            name.starts_with(PREFIX) || name == CREDENTIALS_DIRECTORY || PLAIN_NAMES.iter().any(|(plain, _)| *plain == name)
        };
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).filter(|(name, _)| ours(name)).collect())
    }
}
