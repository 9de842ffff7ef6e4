//! The listening socket: who can reach it, and whose it is.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use kmsignd::transport::{BindError, Listener, SocketConfig};

use super::rig::run_in_child;

fn config(path: impl Into<PathBuf>) -> SocketConfig {
    SocketConfig { path: path.into(), mode: 0o660, group: None }
}

/// A directory for sockets, and a path in it.
fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kmsignd.sock");
    (directory, path)
}

fn bind(path: &Path) -> Result<Listener, BindError> {
    Listener::bind(&config(path))
}

fn mode_of(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn bind_sets_mode_and_group_and_removes_the_path_in_the_end() {
    let (_directory, path) = place();
    let group = nix::unistd::Group::from_gid(nix::unistd::getegid()).unwrap().unwrap();
    for mode in [0o600, 0o660, 0o666] {
        let listener = Listener::bind(&SocketConfig { mode, group: Some(group.name.clone()), ..config(&path) }).unwrap();
        assert_eq!((mode_of(&path), fs::metadata(&path).unwrap().gid()), (mode, group.gid.as_raw()));
        UnixStream::connect(&path).unwrap();
        drop(listener);
        assert!(!path.exists());
    }
}

#[test]
fn bind_never_shows_the_socket_to_more_than_its_mode() {
    let (directory, _) = place();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..300 {
                drop(bind(&directory.path().join(format!("{round}.sock"))).unwrap());
            }
            done.store(true, Ordering::SeqCst);
        });
        let mut seen = 0;
        while !done.load(Ordering::SeqCst) {
            for entry in fs::read_dir(directory.path()).unwrap().flatten() {
                if let Ok(found) = fs::symlink_metadata(entry.path()) {
                    assert!(matches!(found.mode() & 0o077, 0 | 0o060), "{:o}", found.mode());
                    seen += 1;
                }
            }
        }
        assert!(seen > 0);
    });
}

/// In a process of its own: the umask is everybody's, and other tests bind too.
#[test]
fn bind_restores_the_umask() {
    run_in_child("transport::socket::child_that_binds", |_| ());
}

#[test]
#[ignore = "changes the umask of its process; run by bind_restores_the_umask"]
fn child_that_binds() {
    let (directory, path) = place();
    nix::sys::stat::umask(nix::sys::stat::Mode::S_IWOTH);
    let _listener = bind(&path).unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(mode_of(&file), 0o664);
}

#[test]
fn bind_on_a_live_socket_leaves_it() {
    let (_directory, path) = place();
    let live = UnixListener::bind(&path).unwrap();
    assert!(matches!(bind(&path), Err(BindError::InUse(_))));
    UnixStream::connect(&path).unwrap();
    drop(live);

    let (_directory, path) = place();
    let _datagrams = UnixDatagram::bind(&path).unwrap();
    assert!(matches!(bind(&path), Err(BindError::InUse(_))));
    assert!(path.exists());
}

#[test]
fn bind_beside_another_daemon_is_refused_and_harmless() {
    let (_directory, path) = place();
    let first = bind(&path).unwrap();
    assert!(matches!(bind(&path), Err(BindError::Locked(_))));
    UnixStream::connect(&path).unwrap();
    drop(first);
    bind(&path).unwrap();
}

#[test]
fn bind_by_many_at_once_succeeds_for_one() {
    let (_directory, path) = place();
    for _ in 0..20 {
        drop(UnixListener::bind(&path).unwrap());
        let bound: Vec<Listener> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| bind(&path).ok())).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(bound.len(), 1);
        UnixStream::connect(&path).unwrap();
    }
}

#[test]
fn bind_on_a_stale_socket_replaces_it() {
    let (_directory, path) = place();
    drop(UnixListener::bind(&path).unwrap());
    assert!(UnixStream::connect(&path).is_err());
    let _listener = bind(&path).unwrap();
    UnixStream::connect(&path).unwrap();
}

#[test]
fn bind_on_something_else_leaves_it() {
    let (directory, path) = place();
    fs::write(&path, "precious").unwrap();
    assert!(matches!(bind(&path), Err(BindError::NotASocket(_))));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");

    let link = directory.path().join("link.sock");
    symlink(&path, &link).unwrap();
    assert!(matches!(bind(&link), Err(BindError::NotASocket(_))));
    let folder = directory.path().join("folder.sock");
    fs::create_dir(&folder).unwrap();
    assert!(matches!(bind(&folder), Err(BindError::NotASocket(_))));
}

#[test]
fn bind_in_a_directory_of_others_is_refused() {
    let (directory, path) = place();
    for mode in [0o777, 0o1777, 0o770, 0o722] {
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
        assert!(matches!(bind(&path), Err(BindError::DirectoryMode { .. })), "{mode:o}");
    }
    assert!(matches!(bind(&directory.path().join("missing/x.sock")), Err(BindError::NoDirectory { .. })));
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    assert!(matches!(bind(&directory.path().join("file/x.sock")), Err(BindError::NoDirectory { .. })));
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(directory.path(), Some(65_534), None).unwrap();
        assert!(matches!(bind(&path), Err(BindError::DirectoryOwner { owner: 65_534, .. })));
    } else {
        crate::skipped("a socket directory of somebody else", "only root can make one");
    }
    assert!(!path.exists());
}

#[test]
fn bind_with_a_bad_config_is_refused() {
    let (directory, path) = place();
    let long = directory.path().join("x".repeat(108));
    assert!(matches!(bind(&long), Err(BindError::PathLength { .. })));
    assert!(matches!(bind(Path::new("")), Err(BindError::PathLength { bytes: 0, .. })));
    let longest = directory.path().join("x".repeat(106 - directory.path().as_os_str().len()));
    UnixStream::connect(bind(&longest).map(|listener| (listener, &longest)).unwrap().1).unwrap();
    assert!(matches!(Listener::bind(&SocketConfig { mode: 0o4660, ..config(&path) }), Err(BindError::Mode(0o4660))));
    let no_group = SocketConfig { group: Some("no-such-group".to_owned()), ..config(&path) };
    assert!(matches!(Listener::bind(&no_group), Err(BindError::NoSuchGroup(_))));
    assert!(!path.exists());
}

#[test]
fn drop_leaves_a_path_that_is_no_longer_ours() {
    let (_directory, path) = place();
    let listener = bind(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "of another").unwrap();
    drop(listener);
    assert_eq!(fs::read_to_string(&path).unwrap(), "of another");
}

/// Runs the test below with these descriptors passed as systemd does, from 3 on.
fn pass(fds: Vec<OwnedFd>) -> String {
    let mut fds = fds.into_iter();
    let script = match fds.len() {
        0 => "exec \"$@\"",
        1 => "exec 3<&0; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"",
        _ => "exec 3<&0 4<&0; LISTEN_PID=$$ LISTEN_FDS=2 exec \"$@\"",
    };
    let stdin = fds.next().map_or_else(Stdio::null, Stdio::from);
    let out = run_in_child("transport::socket::child_with_passed_sockets", |command| {
        let binary = std::mem::replace(command, std::process::Command::new("sh"));
        command.args(["-c", script, "sh"]).arg(binary.get_program()).args(binary.get_args()).stdin(stdin);
    });
    out.lines().find_map(|line| line.strip_prefix("got: ")).unwrap().to_owned()
}

#[test]
fn passed_socket_is_taken_once_if_it_is_one_listening_stream() {
    let (_directory, path) = place();
    let listener = UnixListener::bind(&path).unwrap();
    assert_eq!(pass(vec![]), "none, none");
    assert_eq!(pass(vec![listener.try_clone().unwrap().into()]), "a socket, none");
    assert!(path.exists(), "it is the service manager's");
    assert!(pass(vec![listener.try_clone().unwrap().into(), listener.into()]).contains("passed 2 sockets"));
    let (pair, _other) = UnixStream::pair().unwrap();
    assert!(pass(vec![pair.into()]).contains("no listening Unix stream"));
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(pass(vec![tcp.into()]).contains("no listening Unix stream"));
    assert!(pass(vec![fs::File::open("/dev/null").unwrap().into()]).contains("no listening Unix stream"));
}

#[test]
#[ignore = "takes over passed descriptors; run by passed_socket_is_taken_once_if_it_is_one_listening_stream"]
fn child_with_passed_sockets() {
    let take = || match Listener::from_service_manager() {
        Ok(Some(_)) => "a socket".to_owned(),
        Ok(None) => "none".to_owned(),
        Err(error) => error.to_string(),
    };
    println!("\ngot: {}, {}", take(), take());
}
