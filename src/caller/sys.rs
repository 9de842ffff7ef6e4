//! The only unsafe code of the project: two things of the kernel that no crate in use wraps.
#![allow(unsafe_code, reason = "the one file that may")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::libc;

/// Most supplementary groups a Linux process can have (NGROUPS_MAX).
const MAX_GROUPS: usize = 65_536;

/// The supplementary groups of the process at the other end of a connected Unix socket, as they were when it connected
/// (SO_PEERGROUPS, see unix(7)).
pub(super) fn peer_groups(socket: impl AsFd) -> io::Result<Vec<libc::gid_t>> {
    const GID_BYTES: usize = size_of::<libc::gid_t>();
    let mut groups: Vec<libc::gid_t> = vec![0; 64];
    loop {
        let mut bytes = libc::socklen_t::try_from(groups.len().saturating_mul(GID_BYTES)).map_err(io::Error::other)?;
        // SAFETY: `groups` is writable for `bytes` bytes, any bit pattern is a gid_t, and the kernel writes no more than `bytes`.
        let result = unsafe {
            libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut bytes,
            )
        };
        let error = io::Error::last_os_error();
        let count = usize::try_from(bytes).map_err(io::Error::other)? / GID_BYTES;
        if result == 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        // Too short: the kernel has said how long it must be.
        if error.raw_os_error() != Some(libc::ERANGE) || count <= groups.len() || count > MAX_GROUPS {
            return Err(error);
        }
        groups.resize(count, 0);
    }
}

/// Takes over the file descriptors that the service manager passed to this process (`sd_listen_fds(3)`). Empty if there are
/// none, or if they were taken before.
pub(crate) fn take_passed_fds() -> io::Result<Vec<OwnedFd>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(Vec::new());
    }
    // SAFETY: LISTEN_PID names this process and each number was found open, so they were passed to it; they are taken once.
    Ok(sd_notify::listen_fds()?.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).collect())
}
