//! One file per key and Region, so that a SIGKILL at any moment loses nothing that was answered.
//!
//! A file is written under another name, synced, renamed into place, and its directory synced. Files are 0600 and the
//! directory is 0700 from birth: they hold private keys in the clear, which is what makes this an emulator.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::keys::Key;

/// The emulator's directory, held by one process at a time.
pub(super) struct Directory {
    path: PathBuf,
    handle: File,
    /// The lock lasts as long as this is open, so a killed process never leaves one behind.
    _lock: File,
}

impl Directory {
    pub fn open(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path.join("lock"))?;
        lock.try_lock().map_err(|error| {
            io::Error::new(io::ErrorKind::ResourceBusy, format!("{} is held by another KMS emulator: {error}", path.display()))
        })?;
        Ok(Self { path: path.to_owned(), handle: File::open(path)?, _lock: lock })
    }

    /// Every key there is. What a kill left half-written is removed; a file that can't be read is an error, never skipped.
    pub fn load(&self) -> io::Result<Vec<Key>> {
        let mut keys = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") => keys.push(read(&path)?),
                Some("new") => std::fs::remove_file(&path)?,
                _ => {}
            }
        }
        Ok(keys)
    }

    /// Durable on return.
    pub fn store(&self, key: &Key) -> io::Result<()> {
        let name = self.path.join(format!("{}.{}.json", key.region, key.id()));
        let new = name.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(key)?)?;
        file.sync_all()?;
        std::fs::rename(&new, &name)?;
        self.handle.sync_all()
    }
}

fn read(path: &Path) -> io::Result<Key> {
    let text = std::fs::read(path)?;
    serde_json::from_slice(&text)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{} is not a key's file: {error}", path.display())))
}
