//! Who the kernel says calls, asked over a real connection.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kmsignd::caller::Caller;
use kmsignd::transport::{Event, Hooks};
use nix::unistd::{Gid, Uid, getegid, geteuid, getgroups, setgid, setgroups, setuid};
use serde_json::{Value, json};

use crate::transport::rig::{Client, Rig, in_time, limits, run_in_child};

const SOCKET: &str = "KMSIGND_TEST_SOCKET";
const GROUPS: &str = "KMSIGND_TEST_GROUPS";

async fn whoami(path: &Path) -> Value {
    let mut client = Client::connect(path).await;
    client.call(1, "whoami").await;
    client.answer().await["result"].clone()
}

#[tokio::test]
async fn caller_of_this_process_is_this_process() {
    let rig = Rig::new(limits());
    let who = whoami(&rig.path).await;
    let mut groups: Vec<u32> = getgroups().unwrap().into_iter().chain([getegid()]).map(Gid::as_raw).collect();
    groups.sort_unstable();
    groups.dedup();
    assert_eq!((&who["uid"], &who["gid"]), (&json!(geteuid().as_raw()), &json!(getegid().as_raw())));
    assert_eq!(who["groups"], json!(groups));
    assert_eq!(who["pid"], json!(std::process::id()));
    assert_eq!(who["executable"], json!(std::env::current_exe().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_of_another_user_has_its_uid_and_all_its_groups() {
    if !geteuid().is_root() {
        return crate::skipped("a caller of another user", "only root can be one");
    }
    let rig = Rig::new(limits());
    // More groups than fit the first question to the kernel, not in order, one twice.
    let many: Vec<u32> = (0..300).map(|n| 70_000 - n).chain([69_999]).collect();
    for groups in [vec![], vec![4243, 4242], many] {
        let (path, text) = (rig.path.clone(), groups.iter().map(u32::to_string).collect::<Vec<_>>().join(","));
        let out = tokio::task::spawn_blocking(move || {
            run_in_child("caller::child_of_another_user", |command| {
                command.env(SOCKET, path).env(GROUPS, text);
            })
        });
        let out = out.await.unwrap();
        let who: Value = serde_json::from_str(out.lines().find_map(|line| line.strip_prefix("who: ")).unwrap()).unwrap();
        let mut expected: Vec<u32> = groups.into_iter().chain([5001]).collect();
        expected.sort_unstable();
        expected.dedup();
        assert_eq!((&who["uid"], &who["gid"], &who["groups"]), (&json!(5000), &json!(5001), &json!(expected)));
        assert!(who["pid"].is_number());
    }
}

#[tokio::test]
#[ignore = "becomes another user; run by caller_of_another_user_has_its_uid_and_all_its_groups"]
async fn child_of_another_user() {
    let groups = std::env::var(GROUPS).unwrap();
    let groups: Vec<Gid> =
        groups.split(',').filter(|text| !text.is_empty()).map(|gid| Gid::from_raw(gid.parse().unwrap())).collect();
    setgroups(&groups).unwrap();
    setgid(Gid::from_raw(5001)).unwrap();
    setuid(Uid::from_raw(5000)).unwrap();
    println!("\nwho: {}", whoami(&PathBuf::from(std::env::var_os(SOCKET).unwrap())).await);
}

/// On this one thread the server can't accept before the child is gone. Its identity was kept by the kernel; nothing else is told
/// of it, or it might be another process's.
#[tokio::test(flavor = "current_thread")]
async fn caller_whose_process_is_gone_has_no_executable() {
    let (seen, mut callers) = tokio::sync::mpsc::unbounded_channel();
    let observe = move |caller: &Caller, event: Event<'_>| {
        if matches!(event, Event::Connected) {
            seen.send(caller.clone()).unwrap();
        }
    };
    let rig = Rig::with_hooks(limits(), Hooks { observe: Arc::new(observe), ..Hooks::default() });
    run_in_child("caller::child_that_connects_and_ends", |command| {
        command.env(SOCKET, &rig.path);
    });
    let caller = in_time(callers.recv()).await.unwrap();
    assert_eq!((caller.uid(), caller.executable(), caller.unit()), (geteuid().as_raw(), None, None));
    assert_ne!(caller.pid(), Some(i32::try_from(std::process::id()).unwrap()));
}

#[test]
#[ignore = "run by caller_whose_process_is_gone_has_no_executable"]
fn child_that_connects_and_ends() {
    std::os::unix::net::UnixStream::connect(std::env::var_os(SOCKET).unwrap()).unwrap();
}
