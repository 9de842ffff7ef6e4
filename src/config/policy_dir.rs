//! The policy directory becomes a compiled [`Policy`].

use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::{Group, User};

use super::trusted_file::{ReadError, check_directory, read_trusted};
use crate::chains::networks::Networks;
use crate::policy::{MAX_FILE_BYTES, MAX_FILES, NameKind, Policy, PolicyError, Source};

/// Why a policy directory is not in force.
#[derive(Debug, thiserror::Error)]
pub enum PolicyDirError {
    #[error("the policy directory {} can't be read: {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("{} must have a name in UTF-8", path.display())]
    Name { path: PathBuf },
    #[error(transparent)]
    File(#[from] ReadError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(
        "{policies}: spent1h, spent24h and signatures1h are not counted yet, and such a policy would see zero for ever; take it out"
    )]
    NotCounted { policies: String },
}

/// Reads and compiles every `*.cedar` of `directory`, hidden files excepted. A directory without any denies everything.
///
/// User and group names are looked up on this machine, which may ask the network (NSS): call it at start and at a reload,
/// never for a request.
pub fn load_policies(directory: &Path, networks: &Networks) -> Result<Policy, PolicyDirError> {
    let policy = Policy::compile(&read_sources(directory)?, &resolve_name)?;
    policy.check_places(networks)?;
    let counting = policy.reading_counters();
    if !counting.is_empty() {
        return Err(PolicyDirError::NotCounted { policies: counting.join(", ") });
    }
    Ok(policy)
}

/// The policy files of `directory`, by name. Each one, and the directory, must be out of others' reach.
pub fn read_sources(directory: &Path) -> Result<Vec<Source>, PolicyDirError> {
    let io = |source| PolicyDirError::Directory { path: directory.to_owned(), source };
    check_directory(directory)?;
    let mut paths = Vec::new();
    for entry in directory.read_dir().map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "cedar") {
            let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
            let name = name.ok_or_else(|| PolicyDirError::Name { path: path.clone() })?;
            paths.extend((!name.starts_with('.')).then_some((name, path)));
        }
    }
    // Checked here too: nothing is read of a directory that would be refused anyway.
    if paths.len() > MAX_FILES {
        return Err(PolicyError::TooManyFiles { got: paths.len() }.into());
    }
    paths.sort();
    paths.into_iter().map(|(name, path)| Ok(Source { name, text: read_trusted(&path, MAX_FILE_BYTES)? })).collect()
}

fn resolve_name(kind: NameKind, name: &str) -> Option<u32> {
    match kind {
        NameKind::User => User::from_name(name).ok().flatten().map(|user| user.uid.as_raw()),
        NameKind::Group => Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw()),
    }
}
