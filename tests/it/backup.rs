//! `kmsignd backup`: a whole copy while the daemon serves, or nothing under the name.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use crate::harness::Daemon;
use crate::signing::digest;

/// Exit code, standard output and standard error.
pub fn backup(daemon: &Daemon, file: &Path) -> (Option<i32>, String, String) {
    let output = daemon.command(&["backup", file.to_str().unwrap()]).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn count(file: &Path, table: &str) -> u64 {
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn backup_while_serving_is_one_whole_private_file_of_one_moment() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    let sign = |n| json!({ "keyId": wallet["kmsKeyId"], "transactionHash": digest(n), "requestId": format!("r {n}") });
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let signer = scope.spawn(|| {
            let mut caller = daemon.connect();
            let mut n = 0;
            while !ended.load(Ordering::Relaxed) {
                caller.ok("kms_signTransactionHash", sign(n));
                n += 1;
            }
            n
        });
        for round in 0..3 {
            let file = daemon.path(&format!("backup {round}"));
            let (code, said, errors) = backup(&daemon, &file);
            assert_eq!(code, Some(0), "{errors}");
            assert!(said.contains("1 wallets"), "{said}");
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
            for suffix in [".partial", "-wal", "-shm", "-journal", ".partial-wal", ".partial-journal"] {
                assert!(!Path::new(&format!("{}{suffix}", file.display())).exists(), "{suffix} is left");
            }
            // Every signature has two records, the one that was cut in two has one and an open intent.
            let (records, open) = (count(&file, "audit"), count(&file, "open_intents"));
            assert_eq!(count(&file, "requests WHERE answered_at IS NOT NULL") * 2 + open, records - 3, "of one moment");
            let header = fs::read(&file).unwrap();
            assert_eq!(header[18..20], [1, 1], "no log belongs to it");
        }
        ended.store(true, Ordering::Relaxed);
        assert!(signer.join().unwrap() > 0, "signing went on");
    });
    daemon.assert_audit_is_whole();
}

#[test]
fn backup_replaces_no_file_and_takes_over_what_a_dead_one_left() {
    let daemon = Daemon::start();
    daemon.wallet("BTC");
    let file = daemon.path("backup");
    fs::write(&file, "precious").unwrap();
    let (code, _, said) = backup(&daemon, &file);
    assert_eq!(code, Some(73), "{said}");
    assert!(said.contains("replaces none"), "{said}");
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/nowhere", &file).unwrap();
    assert_eq!(backup(&daemon, &file).0, Some(73), "nor a link");
    fs::remove_file(&file).unwrap();
    fs::write(daemon.path("backup.partial"), "half of one".repeat(10_000)).unwrap();
    assert_eq!(backup(&daemon, &file).0, Some(0));
    assert_eq!(count(&file, "wallets"), 1);
    assert!(!daemon.path("backup.partial").exists());
}

#[test]
fn backup_that_cannot_be_written_says_so_and_leaves_nothing() {
    let daemon = Daemon::start();
    daemon.wallet("BTC");
    let (code, _, said) = backup(&daemon, &daemon.path("no such directory/backup"));
    assert!(code == Some(74) && said.contains("no such directory"), "{code:?}: {said}");
    // A file that may not grow is a full disk to who writes it.
    let file = daemon.path("backup");
    let command = daemon.command(&["backup", file.to_str().unwrap()]);
    let mut limited = Command::new("sh");
    // 64 KiB. The write fails instead of killing.
    limited.args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
    let limited = limited.env_clear().output().unwrap();
    let said = String::from_utf8(limited.stderr).unwrap();
    assert_eq!(limited.status.code(), Some(74), "{said}");
    assert!(said.contains("could not be made"), "{said}");
    assert!(!file.exists() && !daemon.path("backup.partial").exists());
    daemon.wallet("ETH");
}

#[test]
fn backup_of_a_damaged_or_foreign_or_missing_store_is_refused() {
    let mut daemon = Daemon::start();
    for _ in 0..20 {
        daemon.wallet("BTC");
    }
    daemon.stop();
    let file = daemon.path("backup");
    let store = daemon.database_path();
    let whole = daemon.fold_store();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 4096 / 2 * 4096;
    damaged[middle..middle + 4096].fill(0x5a);
    for (what, bytes, words) in [
        ("damaged", damaged, "damaged"),
        ("cut", whole[..whole.len() / 2].to_vec(), "damaged"),
        ("text", b"notes ".repeat(2000), "not a kmsignd database"),
    ] {
        fs::write(&store, &bytes).unwrap();
        let (code, _, said) = backup(&daemon, &file);
        assert_eq!(code, Some(65), "{what}: {said}");
        assert!(said.contains(words), "{what}: {said}");
        assert!(!file.exists() && !daemon.path("backup.partial").exists(), "{what}");
        assert!(fs::read(&store).unwrap() == bytes, "{what} is not as it was");
    }
    daemon.lose_store();
    let (code, _, said) = backup(&daemon, &file);
    assert!(code == Some(66) && said.contains("no store"), "{said}");
    assert!(!store.exists(), "nothing was made");
}

/// Where others may write, a link could make root write anywhere, and a file of theirs would stay in their hands.
#[test]
fn backup_writes_nowhere_that_others_chose() {
    let daemon = Daemon::start();
    let (file, partial, precious) = (daemon.path("backup"), daemon.path("backup.partial"), daemon.path("precious"));
    fs::write(&precious, "precious").unwrap();
    std::os::unix::fs::symlink(&precious, &partial).unwrap();
    let (code, _, said) = backup(&daemon, &file);
    assert!(code == Some(73) && said.contains("not a file of our own"), "{code:?}: {said}");
    fs::remove_file(&partial).unwrap();
    fs::hard_link(&precious, &partial).unwrap();
    assert_eq!(backup(&daemon, &file).0, Some(73), "nor a second name of a file");
    assert_eq!(fs::read(&precious).unwrap(), b"precious");
    fs::remove_file(&partial).unwrap();
    let open = daemon.path("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let (code, _, said) = backup(&daemon, &open.join("backup"));
    assert!(code == Some(73) && said.contains("written by others"), "{code:?}: {said}");
    assert_eq!(fs::read_dir(&open).unwrap().count(), 0);
}
