//! Who calls: what the kernel says about the process at the other end of a connection, and nothing else. No parameter of a
//! request ever has a say in it.
//!
//! **Identity** is uid, gid and supplementary groups, taken by the kernel when the peer connected (SO_PEERCRED and
//! SO_PEERGROUPS, unix(7)). It is what policy sees. It belongs to the process that connected: whoever that process hands the
//! open connection to acts under it.
//!
//! **Attribution** is pid, executable and systemd unit. It is for the audit, never for a decision: a process can name its
//! executable as it likes, and a user can start units. It is absent where it can't be had (the packaged unit hides /proc) or
//! where the process is gone.
//!
//! Trap: in a daemon with a user namespace of its own (systemd's `PrivateUsers=yes`, a rootless container) the kernel shows
//! every unmapped peer as uid and gid 65534, so all callers look the same. Don't run this daemon that way.

use std::io;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt};
use tokio::net::UnixStream;

mod attribution;
pub(crate) mod sys;

use attribution::Attribution;

/// Who a connection belongs to. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Caller(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    identity: Identity,
    attribution: Attribution,
}

/// What policy may see of a caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

impl Identity {
    pub const fn uid(&self) -> u32 {
        self.uid
    }

    /// The primary group.
    pub const fn gid(&self) -> u32 {
        self.gid
    }

    /// Every group, the primary one included, in ascending order and each once.
    pub fn groups(&self) -> &[u32] {
        &self.groups
    }
}

/// Why the kernel could not say who calls. Such a connection is not served.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    #[error("the kernel did not tell the peer's credentials (SO_PEERCRED)")]
    Credentials(#[source] Errno),
    #[error("the kernel did not tell the peer's groups (SO_PEERGROUPS)")]
    Groups(#[source] io::Error),
}

impl Caller {
    /// Asks the kernel about the peer of a connected socket. Reads a few files under /proc, so it may take some 50 us.
    pub fn from_socket(socket: &UnixStream) -> Result<Self, CallerError> {
        let credentials = getsockopt(socket, sockopt::PeerCredentials).map_err(CallerError::Credentials)?;
        let (uid, gid) = (credentials.uid(), credentials.gid());
        let mut groups = sys::peer_groups(socket).map_err(CallerError::Groups)?;
        groups.push(gid);
        groups.sort_unstable();
        groups.dedup();
        let attribution = Attribution::read(socket, credentials.pid());
        Ok(Self(Arc::new(Inner { identity: Identity { uid, gid, groups }, attribution })))
    }

    /// What policy may see.
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    pub fn uid(&self) -> u32 {
        self.0.identity.uid
    }

    /// The primary group.
    pub fn gid(&self) -> u32 {
        self.0.identity.gid
    }

    /// Every group, the primary one included, in ascending order and each once.
    pub fn groups(&self) -> &[u32] {
        &self.0.identity.groups
    }

    /// The process that connected; it may have ended since. Absent if it lives in another pid namespace.
    pub fn pid(&self) -> Option<i32> {
        self.0.attribution.pid
    }

    /// The path of its executable: at most 4,096 bytes, other characters than printable ones escaped.
    pub fn executable(&self) -> Option<&str> {
        self.0.attribution.executable.as_deref()
    }

    /// The systemd service or scope it runs in, such as `nginx.service`: at most 255 bytes.
    pub fn unit(&self) -> Option<&str> {
        self.0.attribution.unit.as_deref()
    }
}
