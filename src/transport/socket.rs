//! The listening socket: bound here, or passed by systemd.
//!
//! A socket that is bound here is never reachable by more people than it is meant for, not even for a moment, and takes nothing
//! away from anybody: a socket on which something listens, and a file that is no socket, stay where they are.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockname, getsockopt, socket, sockopt};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Group, chown, geteuid};

use crate::caller::sys::take_passed_fds;

/// Longest path a Unix socket can have: `sun_path` without its final NUL.
const MAX_PATH_BYTES: usize = 107;

/// Where and for whom the socket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketConfig {
    pub path: PathBuf,
    /// Permission bits, such as 0o660: who may write may call.
    pub mode: u32,
    /// Name of the group that owns it; without one, the process's own.
    pub group: Option<String>,
}

/// Why there is no listening socket. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error(
        "the socket's path {path} has {bytes} bytes, but a Unix socket's path has 1 to {MAX_PATH_BYTES}: choose a shorter one"
    )]
    PathLength { path: PathBuf, bytes: usize },
    #[error("the socket's mode {0:o} has more than permission bits: give one such as 0660")]
    Mode(u32),
    #[error("there is no group {0}: create it (the packages do), or name another one as the socket's group")]
    NoSuchGroup(String),
    #[error("the socket's directory {path} can't be read: create it, owned by the daemon's user and with mode 0755")]
    NoDirectory { path: PathBuf, source: io::Error },
    #[error(
        "the socket's directory {path} belongs to uid {owner}, who could replace the socket: it must belong to root or to uid {us}"
    )]
    DirectoryOwner { path: PathBuf, owner: u32, us: u32 },
    #[error(
        "the socket's directory {path} has mode {mode:04o}, so others could replace the socket: chmod go-w it, or use one of its own"
    )]
    DirectoryMode { path: PathBuf, mode: u32 },
    #[error("{0} is locked: another daemon serves this socket; stop it first, or use another path")]
    Locked(PathBuf),
    #[error("something listens on {0} already: stop it first, or use another path")]
    InUse(PathBuf),
    #[error("{0} exists and is no socket: move it away, or use another path")]
    NotASocket(PathBuf),
    #[error("the service manager passed {0} sockets, but one is served: keep a single ListenStream= in the .socket unit")]
    PassedCount(usize),
    #[error(
        "what the service manager passed is no listening Unix stream socket: use ListenStream=/a/path and Accept=no in the .socket unit"
    )]
    PassedKind,
    #[error("{what} {path} failed")]
    System { what: &'static str, path: PathBuf, source: io::Error },
    #[error("the service manager's sockets can't be taken over")]
    Passed(#[source] io::Error),
}

/// A listening socket, not yet served. Dropped, it stops to listen, and if it was bound here its path goes too.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: Option<BoundPath>,
}

impl Listener {
    /// Binds a socket. Sets the process's umask for a moment: a file that another thread makes just then may come out with fewer
    /// permissions, never with more.
    pub fn bind(config: &SocketConfig) -> Result<Self, BindError> {
        let path = &config.path;
        let failed = |what| move |source| BindError::System { what, path: path.clone(), source };
        let address = address_of(path)?;
        if config.mode & !0o777 != 0 {
            return Err(BindError::Mode(config.mode));
        }
        let group = config.group.as_deref().map(group_named).transpose()?;
        check_directory(path)?;
        let lock = lock(path)?;
        remove_stale(path, &address)?;

        let socket = bind_for_owner_alone(path).map_err(failed("binding"))?;
        let bound = fs::symlink_metadata(path).map_err(failed("reading"))?;
        // From here on a failure removes the socket again.
        let bound = BoundPath { path: path.clone(), device: bound.dev(), inode: bound.ino(), _lock: lock };
        if let Some(group) = group {
            chown(path, None, Some(group)).map_err(|errno| failed("changing the group of")(errno.into()))?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(config.mode)).map_err(failed("changing the mode of"))?;
        socket.set_nonblocking(true).map_err(failed("listening on"))?;
        Ok(Self { socket, path: Some(bound) })
    }

    /// Takes over the socket that systemd passed (`sd_listen_fds(3)`), if it passed one.
    pub fn from_service_manager() -> Result<Option<Self>, BindError> {
        let mut passed = take_passed_fds().map_err(BindError::Passed)?;
        match (passed.pop(), passed.len()) {
            (None, _) => Ok(None),
            (Some(fd), 0) => Self::from_passed(fd).map(Some),
            (Some(_), others) => Err(BindError::PassedCount(others.saturating_add(1))),
        }
    }

    fn from_passed(fd: OwnedFd) -> Result<Self, BindError> {
        let is_stream = getsockopt(&fd, sockopt::SockType) == Ok(SockType::Stream);
        let is_unix = getsockname::<UnixAddr>(fd.as_raw_fd()).is_ok();
        if !(is_stream && is_unix && getsockopt(&fd, sockopt::AcceptConn) == Ok(true)) {
            return Err(BindError::PassedKind);
        }
        let socket = UnixListener::from(fd);
        socket.set_nonblocking(true).map_err(BindError::Passed)?;
        Ok(Self { socket, path: None })
    }

    /// The socket itself, and what keeps its path.
    pub(super) fn into_parts(self) -> (UnixListener, Option<BoundPath>) {
        (self.socket, self.path)
    }
}

/// A path bound here, locked against a second daemon. Dropped, it is removed if it still is our socket.
#[derive(Debug)]
pub(super) struct BoundPath {
    path: PathBuf,
    device: u64,
    inode: u64,
    /// Held for as long as the path may be ours. The file stays: to remove it would let two daemons lock two files.
    _lock: File,
}

impl Drop for BoundPath {
    fn drop(&mut self) {
        let is_ours = |found: fs::Metadata| found.dev() == self.device && found.ino() == self.inode;
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "the socket stays behind");
        }
    }
}

fn address_of(path: &Path) -> Result<UnixAddr, BindError> {
    let bytes = path.as_os_str().len();
    if bytes == 0 || bytes > MAX_PATH_BYTES {
        return Err(BindError::PathLength { path: path.to_owned(), bytes });
    }
    UnixAddr::new(path).map_err(|errno| BindError::System { what: "binding", path: path.to_owned(), source: errno.into() })
}

fn group_named(name: &str) -> Result<Gid, BindError> {
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid),
        Ok(None) | Err(_) => Err(BindError::NoSuchGroup(name.to_owned())),
    }
}

/// Whoever can write to the directory can put a socket of their own in our place and hear what callers send.
fn check_directory(socket: &Path) -> Result<(), BindError> {
    let path = match socket.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let path = path.to_owned();
    let found = match fs::metadata(&path) {
        Ok(found) if found.is_dir() => found,
        Ok(_) => return Err(BindError::NoDirectory { path, source: io::ErrorKind::NotADirectory.into() }),
        Err(source) => return Err(BindError::NoDirectory { path, source }),
    };
    let (owner, us) = (found.uid(), geteuid().as_raw());
    if owner != 0 && owner != us {
        return Err(BindError::DirectoryOwner { path, owner, us });
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(BindError::DirectoryMode { path, mode });
    }
    Ok(())
}

/// Keeps two daemons that start at once from taking each other's socket for a stale one.
fn lock(socket: &Path) -> Result<File, BindError> {
    let mut path = OsString::from(socket);
    path.push(".lock");
    let path = PathBuf::from(path);
    let failed = |path: PathBuf, source| BindError::System { what: "locking", path, source };
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    let file = options.open(&path).map_err(|source| failed(path.clone(), source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BindError::Locked(path)),
        Err(TryLockError::Error(source)) => Err(failed(path, source)),
    }
}

/// Removes a socket on which nobody listens any more.
fn remove_stale(path: &Path, address: &UnixAddr) -> Result<(), BindError> {
    let failed = |what, source| BindError::System { what, path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed("reading", source)),
        Ok(found) if !found.file_type().is_socket() => return Err(BindError::NotASocket(path.to_owned())),
        Ok(_) => (),
    }
    let probe = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC, None)
        .map_err(|errno| failed("probing", errno.into()))?;
    match connect(probe.as_raw_fd(), address) {
        Err(Errno::ECONNREFUSED) => fs::remove_file(path).map_err(|source| failed("removing", source)),
        // Of another type, or with a full backlog: it is in use all the same.
        Ok(()) | Err(Errno::EAGAIN | Errno::EPROTOTYPE) => Err(BindError::InUse(path.to_owned())),
        Err(errno) => Err(failed("probing", errno.into())),
    }
}

fn bind_for_owner_alone(path: &Path) -> io::Result<UnixListener> {
    // Two threads that change the umask at once could restore each other's.
    static UMASK: Mutex<()> = Mutex::new(());
    let _alone = UMASK.lock().unwrap_or_else(PoisonError::into_inner);
    let before = umask(Mode::S_IRWXG | Mode::S_IRWXO);
    let bound = UnixListener::bind(path);
    umask(before);
    bound
}
