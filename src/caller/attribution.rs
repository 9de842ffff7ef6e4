//! Pid, executable and unit of a peer, read from /proc under a guard: a pid can be given to another process while we read.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};
use tokio::net::UnixStream;

const MAX_EXECUTABLE_BYTES: usize = 4096;
/// Longest unit name systemd takes.
const MAX_UNIT_BYTES: usize = 255;

#[derive(Debug, Default)]
pub(super) struct Attribution {
    pub(super) pid: Option<i32>,
    pub(super) executable: Option<String>,
    pub(super) unit: Option<String>,
}

impl Attribution {
    pub(super) fn read(socket: &UnixStream, pid: i32) -> Self {
        // 0 stands for a process outside our pid namespace.
        if pid <= 0 {
            return Self::default();
        }
        let (executable, unit) = guarded(socket, pid, || (executable(pid), unit(pid))).unwrap_or_default();
        Self { pid: Some(pid), executable, unit }
    }
}

/// Runs `read`, and gives its result only if `pid` was the peer all the while.
///
/// With a pidfd (SO_PEERPIDFD, Linux 6.5) that is certain: a process that still lives after the reading had the pid before. Without,
/// an unchanged start time shows at least that no other process came in between.
fn guarded<T>(socket: &UnixStream, pid: i32, read: impl FnOnce() -> T) -> Option<T> {
    match getsockopt(socket, sockopt::PeerPidfd) {
        Ok(pidfd) => {
            let result = read();
            lives(&pidfd).then_some(result)
        }
        Err(nix::errno::Errno::ENOPROTOOPT) => {
            let before = start_time(pid)?;
            let result = read();
            (start_time(pid)? == before).then_some(result)
        }
        // The process is gone.
        Err(_) => None,
    }
}

/// A pidfd becomes readable when its process ends.
fn lives(pidfd: &OwnedFd) -> bool {
    poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) == Ok(0)
}

/// Field 22 of /proc/PID/stat, in clock ticks since boot. Counted from behind the command's name, which may hold anything.
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_ascii_whitespace().nth(19)?.parse().ok()
}

fn executable(pid: i32) -> Option<String> {
    fs::read_link(format!("/proc/{pid}/exe")).ok().map(|path| printable(&path))
}

/// The path as it is if a log can hold it, else with everything but printable ASCII escaped.
fn printable(path: &Path) -> String {
    let mut text = match path.to_str() {
        Some(text) if !text.contains(char::is_control) => text.to_owned(),
        _ => path.as_os_str().as_bytes().escape_ascii().to_string(),
    };
    text.truncate(text.floor_char_boundary(MAX_EXECUTABLE_BYTES));
    text
}

fn unit(pid: i32) -> Option<String> {
    unit_in(&fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?)
}

/// The innermost service or scope in a /proc/PID/cgroup: of the unified hierarchy, or of systemd's own on older systems.
#[expect(clippy::case_sensitive_file_extension_comparisons, reason = "unit names, which are case-sensitive")]
fn unit_in(cgroups: &str) -> Option<String> {
    let path_of = |prefix: &str| cgroups.lines().find_map(|line| line.split_once(prefix).map(|(_, path)| path));
    let innermost = |path: &str| {
        path.rsplit('/')
            .find(|name| name.ends_with(".service") || name.ends_with(".scope"))
            .filter(|name| name.len() <= MAX_UNIT_BYTES && name.bytes().all(|b| b.is_ascii_graphic()))
            .map(str::to_owned)
    };
    path_of("0::").and_then(innermost).or_else(|| path_of(":name=systemd:").and_then(innermost))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn unit_in_takes_innermost_service_or_scope() {
        let unit = |text: &str| unit_in(text).unwrap_or_default();
        assert_eq!(unit("0::/system.slice/nginx.service\n"), "nginx.service");
        assert_eq!(unit("0::/system.slice/docker.service/payload\n"), "docker.service");
        assert_eq!(unit("0::/user.slice/user-1000.slice/user@1000.service/app.slice/shop.service\n"), "shop.service");
        assert_eq!(unit("0::/user.slice/user-1000.slice/session-3.scope\n"), "session-3.scope");
        assert_eq!(unit("12:pids:/x\n1:name=systemd:/system.slice/cron.service\n0::/\n"), "cron.service");
        assert_eq!(unit("0::/system.slice/a b.service\n"), "");
        let too_long = format!("0::/{}.service\n", "x".repeat(300));
        assert_eq!(unit(&too_long), "");
        assert_eq!(unit("0::/\n"), "");
    }

    #[test]
    fn printable_path_stays_and_other_is_escaped() {
        assert_eq!(printable(Path::new("/usr/bin/käse")), "/usr/bin/käse");
        assert_eq!(printable(Path::new("/tmp/a\nb")), "/tmp/a\\nb");
        assert_eq!(printable(Path::new(OsStr::from_bytes(b"/tmp/\xff"))), "/tmp/\\xff");
        assert_eq!(printable(Path::new(&"é".repeat(3000))).len(), MAX_EXECUTABLE_BYTES);
    }

    #[test]
    fn start_time_of_a_live_process_is_stable() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(start_time(own).is_some());
        assert_eq!(start_time(own), start_time(own));
        assert_eq!(start_time(i32::MAX), None);
    }
}
