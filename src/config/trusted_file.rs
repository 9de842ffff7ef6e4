//! Reading files that decide what the daemon does.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::Uid;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{} can't be read: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is not a regular file", path.display())]
    NotAFile { path: PathBuf },
    #[error("{} belongs to uid {owner}; it must belong to root or to the daemon's user", path.display())]
    ForeignOwner { path: PathBuf, owner: u32 },
    #[error("{} can be written by others (mode {mode:04o}); take that away with: chmod {fix} {}", path.display(), path.display())]
    Writable { path: PathBuf, mode: u32, fix: &'static str },
    #[error("{} holds a secret and can be read by everybody (mode {mode:04o}); take that away with: chmod o-r {}", path.display(), path.display())]
    Readable { path: PathBuf, mode: u32 },
    #[error("{} is longer than {max} bytes", path.display())]
    TooLong { path: PathBuf, max: usize },
    #[error("{} is not UTF-8", path.display())]
    NotUtf8 { path: PathBuf },
}

/// Reads a UTF-8 text of at most `max_bytes` that nobody but root and the daemon's own user could have written.
///
/// The file is checked after it was opened, so it can't be exchanged in between. Its directory is checked too: who can
/// write there can put another file in its place.
pub fn read_trusted(path: &Path, max_bytes: usize) -> Result<String, ReadError> {
    let io = |source| ReadError::Io { path: path.to_owned(), source };
    // Without O_NONBLOCK, opening a FIFO would wait for a writer for ever.
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(ReadError::NotAFile { path: path.to_owned() });
    }
    check_writers(path, &metadata, 0o022, "go-w")?;
    let real = path.canonicalize().map_err(io)?;
    for directory in [path.parent(), real.parent()].into_iter().flatten() {
        check_directory(if directory.as_os_str().is_empty() { Path::new(".") } else { directory })?;
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX);
    File::take(file, limit.saturating_add(1)).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() > max_bytes {
        return Err(ReadError::TooLong { path: path.to_owned(), max: max_bytes });
    }
    String::from_utf8(bytes).map_err(|_| ReadError::NotUtf8 { path: path.to_owned() })
}

/// As [`read_trusted`], for a file that not everybody may read either. Its group may: that is how root lets the daemon read it.
pub fn read_secret(path: &Path, max_bytes: usize) -> Result<String, ReadError> {
    let text = read_trusted(path, max_bytes)?;
    check_unreadable(path)?;
    Ok(text)
}

/// Refuses a file that everybody can read.
pub fn check_unreadable(path: &Path) -> Result<(), ReadError> {
    const OTHERS_READ: u32 = 0o004;
    let mode = path.metadata().map_err(|source| ReadError::Io { path: path.to_owned(), source })?.mode() & 0o7777;
    if mode & OTHERS_READ != 0 {
        return Err(ReadError::Readable { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Refuses a directory in which others can put files, or on the way to which others can put another directory in its place.
pub fn check_directory(path: &Path) -> Result<(), ReadError> {
    let io = |source| ReadError::Io { path: path.to_owned(), source };
    check_writers(path, &path.metadata().map_err(io)?, 0o022, "go-w")?;
    for above in path.canonicalize().map_err(io)?.ancestors().skip(1) {
        let metadata = above.metadata().map_err(io)?;
        check_writers(above, &metadata, forbidden_unless_sticky(&metadata), "go-w")?;
    }
    Ok(())
}

/// Refuses a file that others could have written or put there.
pub fn check_writable_by_us_alone(path: &Path) -> Result<(), ReadError> {
    let metadata = path.metadata().map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
    if !metadata.is_file() {
        return Err(ReadError::NotAFile { path: path.to_owned() });
    }
    check_writers(path, &metadata, 0o022, "go-w")?;
    check_place(path)
}

/// Refuses a file name behind which others could put a file of theirs, or take ours away. A sticky directory such as /tmp will do for
/// a file that is our own. A directory that is not there is left to whoever opens the file.
pub fn check_place(path: &Path) -> Result<(), ReadError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let real = path.canonicalize().ok();
    let places = [directory.canonicalize().ok(), real.as_deref().and_then(Path::parent).map(Path::to_owned)];
    for ancestor in places.iter().flatten().flat_map(|place| place.ancestors()) {
        let metadata = ancestor.metadata().map_err(|source| ReadError::Io { path: ancestor.to_owned(), source })?;
        check_writers(ancestor, &metadata, forbidden_unless_sticky(&metadata), "go-w")?;
    }
    Ok(())
}

/// In a sticky directory such as /tmp nobody can move away what is another's.
fn forbidden_unless_sticky(metadata: &Metadata) -> u32 {
    const OTHERS: u32 = 0o022;
    const STICKY: u32 = 0o1000;
    if metadata.mode() & STICKY == 0 { OTHERS } else { 0 }
}

fn check_writers(path: &Path, metadata: &Metadata, forbidden: u32, fix: &'static str) -> Result<(), ReadError> {
    let (path, owner, mode) = (path.to_owned(), metadata.uid(), metadata.mode() & 0o7777);
    if owner != 0 && owner != Uid::effective().as_raw() {
        return Err(ReadError::ForeignOwner { path, owner });
    }
    if mode & forbidden != 0 {
        return Err(ReadError::Writable { path, mode, fix });
    }
    Ok(())
}
