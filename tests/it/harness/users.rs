//! Callers with other uids and groups, by the kernel's own word.
//!
//! Linux keeps credentials per thread: a thread of its own gives up root by raw system calls (libc's wrappers would change
//! every thread), connects, hands the stream over and ends. SO_PEERCRED and SO_PEERGROUPS name who connected.
#![allow(unsafe_code, reason = "raw system calls, for one thread's credentials")]

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::libc;

use super::{Caller, Daemon};

/// Numbers that no package gives to anybody.
pub const ALICE: u32 = 61_001;
pub const BOB: u32 = 61_002;
/// The primary group of both.
pub const USERS: u32 = 61_100;

/// Whether this process may become others; if not, `test` is skipped.
pub fn can_be_others(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        crate::skipped(test, "it needs root to call as other users");
    }
    root
}

impl Daemon {
    /// Lets every user of the machine reach the socket. What they may do is then the policy's to say alone.
    pub fn open_socket_to_all(&self) {
        fs::set_permissions(self.path(""), fs::Permissions::from_mode(0o711)).unwrap();
        fs::set_permissions(self.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    }

    /// A connection of another user, with exactly these supplementary groups.
    pub fn connect_as(&self, uid: u32, groups: &[u32]) -> Caller {
        Caller::on(connect_as(&self.socket(), uid, groups).unwrap())
    }
}

/// Connects as this user, primary group [`USERS`].
pub fn connect_as(socket: &Path, uid: u32, groups: &[u32]) -> io::Result<UnixStream> {
    std::thread::scope(|scope| {
        let connecting = scope.spawn(|| {
            become_user(uid, groups)?;
            UnixStream::connect(socket)
        });
        connecting.join().unwrap()
    })
}

/// Changes the calling thread alone, for good.
fn become_user(uid: u32, groups: &[u32]) -> io::Result<()> {
    let check = |result: libc::c_long| if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    // SAFETY: `groups` is readable for its length; the other arguments are numbers.
    unsafe {
        check(libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()))?;
        check(libc::syscall(libc::SYS_setresgid, USERS, USERS, USERS))?;
        check(libc::syscall(libc::SYS_setresuid, uid, uid, uid))
    }
}
