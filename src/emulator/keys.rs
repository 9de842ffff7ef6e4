//! The keys, Region by Region: one record per key and Region, found by id, ARN or alias.
//!
//! A change is durable before it can be seen: [`Changes::put`] writes the file first. All changes go one after the other
//! through [`Keys::changes`]; reads never wait for a file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use serde::{Deserialize, Serialize};

use super::errors::KmsError;
use super::faults::Lags;
use super::persistence::Directory;
use super::signatures::{KeySpec, Material};
use crate::ids::{KeyArn, Region};

pub(super) type Tags = BTreeMap<String, String>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Origin {
    #[serde(rename = "AWS_KMS")]
    AwsKms,
    #[serde(rename = "EXTERNAL")]
    External,
}

/// A key's state as KMS names it in `KeyState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum KeyState {
    Creating,
    Enabled,
    Disabled,
    PendingDeletion,
    PendingReplicaDeletion,
    PendingImport,
}

/// The part of a key's state that operations set. `Creating` comes of a replica's age, `PendingImport` of missing material.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum SetState {
    Enabled,
    Disabled,
    /// KMS forgets the key at `at`, in Unix milliseconds.
    PendingDeletion {
        at: u64,
    },
    /// A primary waits for its replicas to go. The emulator never ends this wait by itself.
    PendingReplicaDeletion {
        days: u64,
    },
}

/// One key in one Region.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Key {
    pub arn: KeyArn,
    pub region: Region,
    /// Unix milliseconds.
    pub created_at: u64,
    pub spec: KeySpec,
    pub origin: Origin,
    pub description: String,
    pub policy: String,
    /// The Region of the primary, if this is a multi-Region key.
    pub primary_region: Option<Region>,
    pub state: SetState,
    pub tags: Tags,
    pub aliases: BTreeSet<String>,
    /// Absent while a key of origin `EXTERNAL` waits for its import.
    pub material: Option<Material>,
    /// The tags before their last change and when that was: the tagging API lags behind.
    #[serde(skip)]
    pub earlier_tags: Option<(u64, Tags)>,
    /// The state before its last change and when that was: KMS is eventually consistent.
    #[serde(skip)]
    pub earlier_state: Option<(u64, SetState)>,
}

impl Key {
    pub fn id(&self) -> &str {
        self.arn.key_id()
    }

    pub fn is_replica(&self) -> bool {
        self.primary_region.as_ref().is_some_and(|primary| *primary != self.region)
    }

    /// The state that was set, as far as it has spread.
    pub fn spread_state(&self, now: u64, lags: Lags) -> SetState {
        match self.earlier_state {
            Some((changed_at, earlier)) if now < changed_at.saturating_add(lags.key_state_lag_ms) => earlier,
            _ => self.state,
        }
    }

    /// The key in another state, which takes a while to spread.
    pub fn in_state(&self, now: u64, state: SetState) -> Self {
        Self { state, earlier_state: Some((now, self.state)), ..self.clone() }
    }

    pub fn state(&self, now: u64, lags: Lags) -> KeyState {
        match self.spread_state(now, lags) {
            SetState::PendingDeletion { .. } => KeyState::PendingDeletion,
            SetState::PendingReplicaDeletion { .. } => KeyState::PendingReplicaDeletion,
            _ if self.is_replica() && now < self.created_at.saturating_add(lags.replica_creating_ms) => KeyState::Creating,
            _ if self.material.is_none() => KeyState::PendingImport,
            SetState::Disabled => KeyState::Disabled,
            SetState::Enabled => KeyState::Enabled,
        }
    }

    /// Replaces the tags, and remembers what the tagging API still shows for a while.
    pub fn set_tags(&mut self, now: u64, tags: Tags) {
        self.earlier_tags = Some((now, std::mem::replace(&mut self.tags, tags)));
    }

    /// The tags as the tagging API shows them at `now`.
    pub fn indexed_tags(&self, now: u64, lags: Lags) -> &Tags {
        match &self.earlier_tags {
            Some((changed_at, earlier)) if now < changed_at.saturating_add(lags.tags_lag_ms) => earlier,
            _ => &self.tags,
        }
    }

    /// Whether KMS shows the key at all: not before it has spread, not after its deletion.
    fn is_visible(&self, now: u64, lags: Lags) -> bool {
        let deleted = matches!(self.state, SetState::PendingDeletion { at } if at <= now);
        let spread = self.is_replica() || now >= self.created_at.saturating_add(lags.new_key_hidden_ms);
        spread && !deleted
    }
}

#[derive(Default)]
struct RegionKeys {
    by_id: BTreeMap<String, Arc<Key>>,
    /// Alias name to key id.
    aliases: HashMap<String, String>,
}

/// All keys of the account.
pub(super) struct Keys {
    regions: RwLock<HashMap<Region, RegionKeys>>,
    writer: Mutex<Writer>,
}

struct Writer {
    directory: Option<Directory>,
    closed: bool,
}

impl Keys {
    /// Reads all keys of `directory`, which is made if it is not there. `None`: in memory only.
    pub fn open(directory: Option<&Path>) -> io::Result<Self> {
        let directory = directory.map(Directory::open).transpose()?;
        let mut regions = HashMap::new();
        for key in directory.iter().map(Directory::load).collect::<io::Result<Vec<_>>>()?.into_iter().flatten() {
            place(&mut regions, Arc::new(key));
        }
        Ok(Self { regions: RwLock::new(regions), writer: Mutex::new(Writer { directory, closed: false }) })
    }

    /// The key that `reference` names in `region`: a key id, a key ARN, an alias name or an alias ARN.
    pub fn find(&self, region: &Region, reference: &str, now: u64, lags: Lags) -> Result<Arc<Key>, KmsError> {
        let missing = || KmsError::not_found(format!("Key '{reference}' does not exist"));
        let local = if reference.starts_with("arn:") {
            reference.strip_prefix(arn_prefix(region).as_str()).ok_or_else(missing)?
        } else {
            reference
        };
        let regions = self.read();
        let keys = regions.get(region).ok_or_else(missing)?;
        let id = if local.starts_with("alias/") {
            keys.aliases.get(local).ok_or_else(missing)?
        } else if reference.starts_with("arn:") {
            local.strip_prefix("key/").ok_or_else(missing)?
        } else {
            reference
        };
        let key = keys.by_id.get(id).filter(|key| key.is_visible(now, lags)).ok_or_else(missing)?;
        Ok(Arc::clone(key))
    }

    /// The Regions that hold the key `id`, primary and replicas, sorted by name.
    pub fn regions_of(&self, id: &str, (now, lags): (u64, Lags)) -> Vec<Region> {
        let regions = self.read();
        let holds = |keys: &RegionKeys| keys.by_id.get(id).is_some_and(|key| key.is_visible(now, lags));
        let mut found: Vec<_> = regions.iter().filter(|(_, keys)| holds(keys)).map(|(region, _)| region.clone()).collect();
        found.sort();
        found
    }

    /// The keys of `region` that `keep` turns into something, in order of key id, starting behind the id `after`; at most
    /// `limit` of them.
    pub fn select<T>(
        &self,
        region: &Region,
        after: Option<&str>,
        limit: usize,
        (now, lags): (u64, Lags),
        keep: impl Fn(&Key) -> Option<T>,
    ) -> Vec<T> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let regions = self.read();
        let Some(keys) = regions.get(region) else { return Vec::new() };
        let visible = keys.by_id.range::<str, _>((from, Bound::Unbounded)).filter(|(_, key)| key.is_visible(now, lags));
        visible.filter_map(|(_, key)| keep(key)).take(limit).collect()
    }

    /// The aliases of `region` with their keys, in order of name.
    pub fn aliases(&self, region: &Region) -> BTreeMap<String, KeyArn> {
        let regions = self.read();
        let Some(keys) = regions.get(region) else { return BTreeMap::new() };
        let target = |id: &String| keys.by_id.get(id).map(|key| key.arn.clone());
        keys.aliases.iter().filter_map(|(alias, id)| Some((alias.clone(), target(id)?))).collect()
    }

    /// Starts a change. What is read while this is held does not change before the change is put.
    pub fn changes(&self) -> Changes<'_> {
        Changes { keys: self, writer: self.writer.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Lets no change begin any more, and waits for the one that is being written.
    pub fn close(&self) {
        let mut changes = self.changes();
        changes.writer.closed = true;
        changes.writer.directory = None;
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<Region, RegionKeys>> {
        self.regions.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to change keys. Held by one operation at a time.
pub(super) struct Changes<'a> {
    keys: &'a Keys,
    writer: MutexGuard<'a, Writer>,
}

impl Changes<'_> {
    /// Adds or replaces a key. On return it is on disk (if there is a directory) and visible.
    pub fn put(&mut self, key: Key) -> Result<Arc<Key>, KmsError> {
        if self.writer.closed {
            return Err(KmsError::internal("the emulator is shutting down"));
        }
        if let Some(directory) = &self.writer.directory {
            directory.store(&key).map_err(|error| {
                tracing::error!(%error, key = %key.arn, "the KMS emulator can't write a key's file");
                KmsError::internal("the key could not be stored")
            })?;
        }
        let key = Arc::new(key);
        place(&mut self.keys.regions.write().unwrap_or_else(PoisonError::into_inner), Arc::clone(&key));
        Ok(key)
    }
}

/// What every ARN of KMS in `region` begins with, up to `key/` or `alias/`.
pub(super) fn arn_prefix(region: &Region) -> String {
    format!("arn:aws:kms:{region}:{}:", super::ACCOUNT)
}

fn place(regions: &mut HashMap<Region, RegionKeys>, key: Arc<Key>) {
    let keys = regions.entry(key.region.clone()).or_default();
    if let Some(before) = keys.by_id.get(key.id()) {
        for alias in before.aliases.difference(&key.aliases) {
            keys.aliases.remove(alias);
        }
    }
    keys.aliases.extend(key.aliases.iter().map(|alias| (alias.clone(), key.id().to_owned())));
    keys.by_id.insert(key.id().to_owned(), key);
}
