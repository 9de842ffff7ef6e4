//! The configuration as it is written, overridden, refused and documented.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kmsignd::chains::networks::{NetworkDefaults, Networks};
use kmsignd::config::{
    Change, Config, ConfigError, Environment, LogLevel, PolicyDirError, ReadError, load_policies, packaged_file, read_trusted,
    reference,
};
use kmsignd::policy::PolicyError;

use crate::harness::process::{Installation, kmsignd};

const REGION: (&str, &str) = ("AWS_REGION", "eu-central-1");

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::from_toml("kmsignd.toml", text, &variables.iter().copied().collect())
}

fn refusal(text: &str, variables: &[(&str, &str)]) -> String {
    let all: Vec<_> = variables.iter().copied().chain([REGION]).collect();
    parse(text, &all).unwrap_err().to_string()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A directory and a file in it that are fit for reading.
fn directory_with(name: &str, text: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
    let path = directory.path().join(name);
    write(&path, text);
    (directory, path)
}

fn write(path: &Path, text: &[u8]) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn from_toml_with_a_region_alone_has_the_contracts_defaults() {
    let config = parse("", &[REGION]).unwrap();
    assert_eq!(config.socket.path, Path::new("/run/kmsignd/kmsignd.sock"));
    assert_eq!(config.socket.mode, 0o660);
    assert_eq!(config.socket.group.as_deref(), Some("kmsign"));
    assert_eq!(config.socket.max_message_bytes, 4 << 20);
    assert_eq!(config.socket.message_time, Duration::from_secs(30));
    assert_eq!(config.drain_time, Duration::from_secs(30));
    assert_eq!(config.store.path, Path::new("/var/lib/kmsignd/kmsignd.db"));
    assert_eq!(config.store.answer_retention, Duration::from_hours(720));
    assert_eq!(config.policy_directory, Path::new("/etc/kmsignd/policy.d"));
    assert_eq!(config.kms.region.as_str(), "eu-central-1");
    assert_eq!((config.kms.endpoint_url, config.kms.key_policy), (None, None));
    assert_eq!((config.networks.utxo, config.networks.evm), (None, None));
    let keys = config.keys;
    assert_eq!((keys.allow_deletion, keys.deletion_window_days, keys.drift_checks_per_second), (false, 7, 5));
    assert_eq!(config.log_level, LogLevel::Info);
    assert!(config.sync.is_none(), "wallets wait in the outbox");
    let config = parse("[sync]\nmongodb_uri = \"mongodb://db\"", &[REGION]).unwrap();
    let sync = config.sync.unwrap();
    assert_eq!((sync.database, sync.collection.as_str(), sync.max_pending), (None, "wallets", 1_000_000));
}

#[test]
fn shipped_files_load() {
    let packaged = fs::read_to_string(root().join("packaging/kmsignd.toml")).unwrap();
    parse(&packaged, &[REGION]).unwrap();
    let mut examples = 0;
    for entry in fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let config = parse(&fs::read_to_string(&path).unwrap(), &[]);
            assert!(config.is_ok(), "{}: {}", path.display(), config.unwrap_err());
            examples += 1;
        }
    }
    assert_eq!(examples, 2);
}

/// What the packaged file shows of each key must itself be acceptable.
#[test]
fn packaged_file_with_its_values_uncommented_loads() {
    let is_key = |line: &str| line.starts_with("[[") || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let text: String = packaged_file()
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_key(rest)).unwrap_or(line))
        // A file that is not there, and a second source of the connection string.
        .filter(|line| !line.starts_with("key_policy_file") && !line.starts_with("mongodb_uri_file"))
        .map(|line| format!("{line}\n"))
        .collect();
    let config = parse(&text, &[]).unwrap();
    assert_eq!(config.networks.evm_chains.len(), 1, "{text}");
    assert_eq!(config.networks.utxo.as_deref(), Some("mainnet"));
}

#[test]
fn generated_files_are_fresh() {
    for (path, fresh) in [("docs/configuration.md", reference()), ("packaging/kmsignd.toml", packaged_file())] {
        let path = root().join(path);
        if std::env::var_os("KMSIGND_UPDATE_DOCS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &fresh).unwrap();
        }
        let there = fs::read_to_string(&path).unwrap_or_default();
        assert!(there == fresh, "{} is stale; run KMSIGND_UPDATE_DOCS=1 cargo test --test it configuration", path.display());
    }
}

#[test]
fn from_toml_takes_the_last_source_that_has_a_value() {
    let text = "[kms]\nregion = \"us-east-1\"\nrequests_per_second = 5\n[networks]\nutxo = \"regtest\"\nevm = \"mainnet\"\n";
    let config = parse(
        text,
        &[
            ("AWS_REGION", "eu-west-1"),
            ("KMSIGND__KMS__REGION", "ap-south-1"),
            ("KMSIGND__KMS__REQUESTS_PER_SECOND", "7"),
            ("KMSIGND__NETWORKS__UTXO", "signet"),
            ("KMSIGND__SOCKET__GROUP", ""),
            ("KMSIGND__LOG__LEVEL", "debug"),
            ("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:4566"),
            ("EVM_NETWORK", ""),
            ("AWS_SECRET_ACCESS_KEY", "not ours to read"),
        ],
    )
    .unwrap();
    assert_eq!(config.kms.region.as_str(), "eu-west-1", "a plain name is the last");
    assert_eq!(config.kms.requests_per_second, 7);
    assert_eq!(config.kms.endpoint_url.as_deref(), Some("http://127.0.0.1:4566"));
    assert_eq!(config.networks.utxo.as_deref(), Some("signet"));
    assert_eq!(config.networks.evm.as_deref(), Some("mainnet"), "an empty plain name is unset");
    assert_eq!(config.socket.group, None);
    assert_eq!(config.log_level, LogLevel::Debug);
    assert!(!format!("{config:?}").contains("not ours to read"));
}

#[test]
fn from_toml_with_an_unknown_key_names_the_nearest() {
    for (text, unknown, nearest) in [
        ("[socket]\nmod = \"0660\"", "socket.mod", "socket.mode"),
        ("[sockets]\nmode = \"0660\"", "sockets", "socket"),
        ("[kms]\nregoin = \"x\"", "kms.regoin", "kms.region"),
        ("region = \"eu-west-1\"", "region", "kms.region"),
        ("[service]\nmax_connections = 1", "service.max_connections", "socket.max_connections"),
        (
            "[[networks.evm_chains]]\nasset = \"X\"\nnetwork = \"x\"\nchain_id = 1\nchainid = 2",
            "networks.evm_chains[0].chainid",
            "networks.evm_chains.chain_id",
        ),
        ("[socket]\nMode = \"0660\"", "socket.Mode", "socket.mode"),
        ("[socket]\n\"mode.x\" = 1", "socket.mode.x", "socket.mode"),
    ] {
        let error = refusal(text, &[]);
        assert_eq!(error, format!("kmsignd.toml: {unknown} is not a key; did you mean {nearest}?"));
    }
    for (variable, unknown, nearest) in [
        ("KMSIGND__KMS__REGOIN", "kms.regoin", "kms.region"),
        ("KMSIGND__SOCKET", "socket", "socket."),
        ("KMSIGND__", "", ""),
        ("KMSIGND__SOCKET__MODE__X", "socket.mode.x", "socket.mode"),
        ("KMSIGND__A[0]", "a[0]", ""),
    ] {
        let error = refusal("", &[(variable, "1")]);
        assert!(error.starts_with(&format!("{variable}: {unknown} is not a key; did you mean ")), "{error}");
        assert!(error.contains(nearest), "{error}");
    }
}

#[test]
fn from_toml_with_a_bad_value_names_its_key_and_what_is_accepted() {
    let cases = [
        ("[socket]\nmax_connections = 0", "socket.max_connections must be a whole number from 1 to 65536"),
        ("[socket]\nmax_connections = -1", "socket.max_connections must be a whole number from 1 to 65536"),
        ("[socket]\nmax_connections = 1.5", "socket.max_connections must be a whole number from 1 to 65536"),
        ("[socket]\nmax_connections = \"12\"", "socket.max_connections must be a whole number from 1 to 65536"),
        ("[socket]\nmax_connections = true", "socket.max_connections must be a whole number from 1 to 65536"),
        ("[socket]\nmax_connections = [1]", "socket.max_connections must be a whole number from 1 to 65536"),
        ("[socket]\nmax_json_depth = 128", "socket.max_json_depth must be a whole number from 8 to 127"),
        ("[socket]\npath = 1", "socket.path must be a text"),
        ("[socket]\npath = \"kmsignd.sock\"", "socket.path must be an absolute path"),
        ("[socket]\nmode = \"0666\"", "socket.mode must be an octal mode"),
        ("[socket]\nmode = \"0060\"", "socket.mode must be an octal mode"),
        ("[socket]\nmode = \"4660\"", "socket.mode must be an octal mode"),
        ("[socket]\nmode = \"rw\"", "socket.mode must be an octal mode"),
        ("[socket]\nmode = 660", "socket.mode must be a text"),
        (
            "[socket]\nmax_connections = 100",
            "socket.max_connections_per_uid is 128, more than socket.max_connections, which is 100",
        ),
        ("[socket]\nmax_in_flight = 100", "socket.max_in_flight_per_connection is 128, more than socket.max_in_flight"),
        ("[socket]\nreserved_in_flight = 1024", "socket.reserved_in_flight is 1025, more than socket.max_in_flight"),
        ("[store]\nanswer_retention_days = 29", "store.answer_retention_days must be a whole number from 30 to 3650"),
        ("[kms]\nendpoint_url = \"http://kms.example.com\"", "kms.endpoint_url must be https://"),
        ("[kms]\nendpoint_url = \"https://user:pw@kms.example.com\"", "kms.endpoint_url must be https://"),
        ("[kms]\nendpoint_url = \"kms.example.com\"", "kms.endpoint_url must be https://"),
        ("[kms]\nconnect_timeout_ms = 5000", "kms.connect_timeout_ms is 5000, more than kms.attempt_timeout_ms, which is 3000"),
        (
            "[kms]\noperation_timeout_ms = 1000",
            "kms.attempt_timeout_ms is 3000, more than kms.operation_timeout_ms, which is 1000",
        ),
        ("[kms]\nkey_policy_file = \"/nowhere/at/all\"", "kms.key_policy_file names a file that was refused: /nowhere/at/all"),
        ("[keys]\ndeployment = \"a b\"", "keys.deployment may only contain"),
        ("[sync]\ncollection = \"system.users\"", "sync.collection must be 1 to 63 bytes without $"),
        ("[sync]\ndatabase = \"a.b\"", "sync.database must be 1 to 63 bytes without any of"),
        ("[sync]\nmax_pending = 0", "sync.max_pending must be a whole number from 1 to 1000000000"),
        ("[sync]\nmongodb_uri_file = \"a/b\"", "sync.mongodb_uri_file must be an absolute path, or the bare name of"),
        ("[sync]\nmongodb_uri_file = \"a\"", "sync.mongodb_uri_file is a bare name, but systemd gave no credentials"),
        (
            "[sync]\nmongodb_uri_file = \"/nowhere/at/all\"",
            "sync.mongodb_uri_file names a file that was refused: /nowhere/at/all",
        ),
        ("[log]\nlevel = \"loud\"", "log.level must be one of error, warn, info, debug, trace"),
        ("socket = 1", "socket is a section: write [socket]"),
        ("[networks]\nevm_chains = 1", "networks.evm_chains must be an array of tables"),
        ("[networks]\nevm_chains = [1]", "networks.evm_chains[0] must be a table"),
        ("[[networks.evm_chains]]\nasset = \"X\"\nnetwork = \"x\"", "networks.evm_chains[0].chain_id is missing"),
        (
            "[[networks.evm_chains]]\nasset = \"X\"\nnetwork = \"x\"\nchain_id = 0",
            "networks.evm_chains[0].chain_id must be a whole number from 1 to",
        ),
    ];
    for (text, problem) in cases {
        let error = refusal(text, &[]);
        assert!(error.starts_with("kmsignd.toml: ") && error.contains(problem), "{text}: {error}");
    }
    for (name, value, problem) in [
        ("KMSIGND__SOCKET__MAX_CONNECTIONS", "many", "socket.max_connections must be a whole number from 1 to 65536"),
        ("KMSIGND__SOCKET__MODE", "0777", "socket.mode must be an octal mode"),
        ("KMSIGND__NETWORKS__EVM_CHAINS", "[]", "networks.evm_chains is a list, which only the file can hold"),
        ("AWS_REGION", "Frankfurt", "kms.region may only contain a-z 0-9 -"),
        ("AWS_ENDPOINT_URL_KMS", "ftp://x", "kms.endpoint_url must be https://"),
    ] {
        let error = Config::from_toml("kmsignd.toml", "", &[REGION, (name, value)].into_iter().collect()).unwrap_err();
        assert!(error.to_string().starts_with(&format!("{name}: {problem}")), "{error}");
    }
    let not_utf8 = [("KMSIGND__KMS__REGION".to_owned(), OsString::from_vec(vec![0xff]))];
    let error = Config::from_toml("kmsignd.toml", "", &not_utf8.into_iter().collect()).unwrap_err();
    assert_eq!(error.to_string(), "KMSIGND__KMS__REGION: kms.region is not UTF-8");
}

#[test]
fn from_toml_with_several_mistakes_shows_them_all() {
    let error = refusal("[socket]\nmod = 1\n[log]\nlevel = 3\n", &[("KMSIGND__KMS__REGOIN", "x")]);
    assert_eq!(error.lines().count(), 3, "{error}");
    let error = parse("[socket]\nmode = \"0\"\npath = \"x\"", &[]).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 3, "{error}");
    assert!(error.contains("kms.region is needed: write it into the file or set AWS_REGION"), "{error}");
}

#[test]
fn from_toml_of_something_else_says_where() {
    for text in ["[socket", "a = ", "[socket]\npath = \"x\"\npath = \"y\"", "[kms]\n[kms]\n", "\u{0}"] {
        let error = parse(text, &[REGION]).unwrap_err();
        assert!(matches!(error, ConfigError::Syntax { .. }), "{text:?}: {error}");
        assert!(error.to_string().starts_with("kmsignd.toml is not"), "{error}");
    }
}

#[test]
fn load_of_a_file_that_others_can_write_is_refused() {
    let environment: Environment = [REGION].into_iter().collect();
    let (directory, path) = directory_with("kmsignd.toml", b"");
    Config::load(&path, &environment).unwrap();
    let load = || match Config::load(&path, &environment) {
        Err(ConfigError::Read(error)) => error,
        other => panic!("{other:?}"),
    };
    for mode in [0o620, 0o602, 0o666] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = load();
        assert!(matches!(error, ReadError::Writable { .. }), "{error}");
        assert!(error.to_string().contains("chmod go-w "), "{error}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o1777)).unwrap();
    assert!(matches!(load(), ReadError::Writable { path, .. } if path == directory.path()));
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    Config::load(&path, &environment).unwrap();
    let inner = directory.path().join("inner");
    fs::create_dir(&inner).unwrap();
    fs::set_permissions(&inner, Permissions::from_mode(0o700)).unwrap();
    write(&inner.join("kmsignd.toml"), b"");
    fs::set_permissions(directory.path(), Permissions::from_mode(0o770)).unwrap();
    let error = Config::load(&inner.join("kmsignd.toml"), &environment).unwrap_err();
    assert!(error.to_string().contains("can be written by others"), "its directory can be exchanged: {error}");
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    if nix::unistd::Uid::effective().is_root() {
        chown(&path, Some(12_345), None).unwrap();
        assert!(matches!(load(), ReadError::ForeignOwner { owner: 12_345, .. }));
    } else {
        crate::skipped("a configuration file of somebody else", "only root can make one");
    }
}

#[test]
fn read_trusted_of_what_is_no_short_utf8_file_is_refused() {
    let (directory, path) = directory_with("a", b"12345");
    assert_eq!(read_trusted(&path, 5).unwrap(), "12345");
    assert!(matches!(read_trusted(&path, 4), Err(ReadError::TooLong { max: 4, .. })));
    write(&path, &[0xff]);
    assert!(matches!(read_trusted(&path, 5), Err(ReadError::NotUtf8 { .. })));
    assert!(matches!(read_trusted(directory.path(), 5), Err(ReadError::NotAFile { .. })));
    assert!(matches!(read_trusted(&directory.path().join("none"), 5), Err(ReadError::Io { .. })));
    let fifo = directory.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(matches!(read_trusted(&fifo, 5), Err(ReadError::NotAFile { .. })), "a FIFO must not be waited for");

    let (open, target) = directory_with("target", b"ok");
    let link = directory.path().join("link");
    symlink(&target, &link).unwrap();
    assert_eq!(read_trusted(&link, 5).unwrap(), "ok");
    fs::set_permissions(open.path(), Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(read_trusted(&link, 5), Err(ReadError::Writable { .. })), "a link into a directory open to all");
}

#[test]
fn load_of_a_file_past_its_limit_is_refused() {
    let mut text = vec![b'#'; 1 << 20];
    let (_directory, path) = directory_with("kmsignd.toml", &text);
    let environment: Environment = [REGION].into_iter().collect();
    Config::load(&path, &environment).unwrap();
    text.push(b'#');
    write(&path, &text);
    assert!(matches!(Config::load(&path, &environment), Err(ConfigError::Read(ReadError::TooLong { .. }))));
}

#[test]
fn key_policy_file_must_be_a_json_object_and_out_of_others_reach() {
    let (_directory, path) = directory_with("key-policy.json", br#"{"Version": "2012-10-17"}"#);
    let text = format!("[kms]\nkey_policy_file = \"{}\"", path.display());
    let config = parse(&text, &[REGION]).unwrap();
    assert_eq!(config.kms.key_policy.as_deref(), Some(r#"{"Version": "2012-10-17"}"#));
    write(&path, b"{}");
    let edited = parse(&text, &[REGION]).unwrap();
    assert_eq!(config.changes(&edited), [Change { key: "kms.key_policy_file".to_owned(), needs_restart: true }]);
    write(&path, b"[]");
    assert!(refusal(&text, &[]).contains("kms.key_policy_file must name a file with one JSON object"));
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    assert!(refusal(&text, &[]).contains("kms.key_policy_file names a file that was refused"));
}

#[test]
fn changes_names_keys_and_whether_they_need_a_restart() {
    let old = parse("", &[REGION]).unwrap();
    assert_eq!(old.changes(&parse("[socket]\nmode = \"0660\"", &[REGION]).unwrap()), []);
    let new = parse("[socket]\nmode = \"0600\"\n[policy]\ndirectory = \"/etc/other\"", &[("AWS_REGION", "eu-west-1")]).unwrap();
    let change = |key: &str, needs_restart| Change { key: key.to_owned(), needs_restart };
    assert_eq!(old.changes(&new), [change("kms.region", true), change("policy.directory", false), change("socket.mode", true)]);
    let chains = parse("[[networks.evm_chains]]\nasset = \"X\"\nnetwork = \"x\"\nchain_id = 9", &[REGION]).unwrap();
    assert_eq!(old.changes(&chains), [change("networks.evm_chains", true)]);
}

#[test]
fn load_policies_reads_every_cedar_file_of_the_directory() {
    let (directory, path) = directory_with("b.cedar", b"permit (principal == User::\"root\", action, resource);");
    write(&directory.path().join("a.cedar"), b"@id(\"none\") forbid (principal in Group::\"root\", action, resource);");
    write(&directory.path().join(".hidden.cedar"), b"not cedar");
    write(&directory.path().join("a.cedar~"), b"not cedar");
    assert_eq!(load_policies(directory.path(), &networks()).unwrap().len(), 2);

    write(&path, b"permit (principal == User::\"no-such-user-here\", action, resource);");
    let error = load_policies(directory.path(), &networks()).unwrap_err();
    assert!(matches!(&error, PolicyDirError::Policy(PolicyError::UnknownName { file, .. }) if file == "b.cedar"), "{error}");

    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    assert!(matches!(load_policies(directory.path(), &networks()), Err(PolicyDirError::File(ReadError::Writable { .. }))));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(load_policies(directory.path(), &networks()), Err(PolicyDirError::File(ReadError::NotAFile { .. }))));
    fs::remove_dir(&path).unwrap();
    assert_eq!(load_policies(directory.path(), &networks()).unwrap().len(), 1);
    fs::set_permissions(directory.path(), Permissions::from_mode(0o775)).unwrap();
    assert!(matches!(load_policies(directory.path(), &networks()), Err(PolicyDirError::File(ReadError::Writable { .. }))));
    assert!(load_policies(&directory.path().join("none"), &networks()).is_err());
}

fn networks() -> Networks {
    Networks::new(&NetworkDefaults::default(), &[]).unwrap()
}

#[test]
fn load_policies_that_name_no_asset_or_network_of_ours_are_refused_with_what_to_write() {
    for (named, problem) in [
        ("Asset::\"BSC\"", "write \"BNB\""),
        ("Asset::\"btc\"", "write \"BTC\""),
        ("Asset::\"LTCC\"", "not served"),
        ("Network::\"BTC/Testnet\"", "write \"BTC/testnet\""),
        ("Network::\"MATIC/amoy\"", "write \"POL/amoy\""),
        ("Network::\"BTC/sepolia\"", "not served"),
        ("Network::\"BTC\"", "not served"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let text = format!("forbid (principal, action == Action::\"signRaw\", resource in {named});");
        fs::write(directory.path().join("mine.cedar"), text).unwrap();
        let refused = load_policies(directory.path(), &networks()).unwrap_err().to_string();
        assert!(refused.contains(named) && refused.contains(problem), "{refused}");
    }
    let directory = tempfile::tempdir().unwrap();
    let text = "forbid (principal, action, resource in Asset::\"BNB\"); forbid (principal, action, resource in Network::\"BTC/testnet\");";
    fs::write(directory.path().join("mine.cedar"), text).unwrap();
    assert_eq!(load_policies(directory.path(), &networks()).unwrap().len(), 2);
}

const URI: &str = "mongodb://kmsignd:hunter2@db.example.com/exchange";

#[test]
fn connection_string_comes_from_the_file_a_variable_or_a_credential_and_from_one_of_them() {
    let exposed = |config: Config| config.sync.unwrap().mongodb_uri.expose().to_owned();
    let inline = format!("[sync]\nmongodb_uri = {URI:?}\n");
    assert_eq!(exposed(parse(&inline, &[REGION]).unwrap()), URI);
    assert_eq!(exposed(parse("", &[REGION, ("KMSIGND__SYNC__MONGODB_URI", URI)]).unwrap()), URI);

    let (directory, path) = directory_with("mongodb-uri", format!("{URI}\n").as_bytes());
    let by_path = format!("[sync]\nmongodb_uri_file = {path:?}\n");
    assert_eq!(exposed(parse(&by_path, &[REGION]).unwrap()), URI, "without its newline");
    let credentials = directory.path().to_str().unwrap();
    let by_name = "[sync]\nmongodb_uri_file = \"mongodb-uri\"\n";
    assert_eq!(exposed(parse(by_name, &[REGION, ("CREDENTIALS_DIRECTORY", credentials)]).unwrap()), URI);

    let both = refusal(&by_path, &[("KMSIGND__SYNC__MONGODB_URI", URI)]);
    assert!(both.contains("sync.mongodb_uri is set, and sync.mongodb_uri_file too"), "{both}");
    for mode in [0o604, 0o644] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert!(refusal(&by_path, &[]).contains("can be read by everybody"), "{mode:o}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    parse(&by_path, &[REGION]).unwrap();
}

#[test]
fn configuration_with_a_password_must_not_be_readable_for_everybody() {
    let environment: Environment = [REGION].into_iter().collect();
    let (_directory, path) = directory_with("kmsignd.toml", format!("[sync]\nmongodb_uri = {URI:?}\n").as_bytes());
    Config::load(&path, &environment).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let error = Config::load(&path, &environment).unwrap_err();
    assert!(matches!(&error, ConfigError::Read(ReadError::Readable { .. })), "{error}");
    write(&path, b"[sync]\nmongodb_uri = \"mongodb://db.example.com\"\n");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    Config::load(&path, &environment).expect("no password, no secret");
}

#[test]
fn connection_string_is_in_nothing_that_can_be_shown() {
    let environment: Environment = [REGION, ("KMSIGND__SYNC__MONGODB_URI", URI)].into_iter().collect();
    let config = Config::from_toml("kmsignd.toml", "", &environment).unwrap();
    let newer = parse(&format!("[sync]\nmongodb_uri = \"{URI}?w=1\"\n"), &[REGION]).unwrap();
    let changes = config.changes(&newer);
    assert_eq!(changes, [Change { key: "sync.mongodb_uri".to_owned(), needs_restart: true }], "but that it changed is told");
    let mut told = vec![format!("{config:?} {environment:?} {changes:?}")];
    for text in [
        format!("[sync]\nmongodb_uri = \"{URI}\n"),
        format!("[sync]\nmongodb_uri = '''\n{URI}\n"),
        format!("[sync]\nmongodb_uri = {URI}\n"),
        format!("[sync]\nmongodb_uri = [\"{URI}\"]\n"),
        format!("[sync]\nmongodb_urii = \"{URI}\"\n"),
        format!("[sync]\nmongodb_uri = \"{URI}\"\nmongodb_uri = \"{URI}\"\n"),
        format!("[sync]\nmongodb_uri = \"{URI}\" x\n"),
        format!("[sync]\nmongodb_uri = \"{URI}\"\nmongodb_uri_file = \"/nowhere\"\n"),
    ] {
        let error = parse(&text, &[REGION]).unwrap_err();
        told.push(format!("{error} {error:?}"));
    }
    for text in told {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn start_with_a_bad_connection_string_exits_with_78_and_names_the_key_alone() {
    let installation = Installation::new("http://127.0.0.1:1");
    for bad in [
        "mongodb://kmsignd:hun/ter2@db",
        "postgres://kmsignd:hunter2@db",
        "mongodb://kmsignd:hunter2@db/?maxPoolSize=hunter2",
        "",
    ] {
        let config = installation.path("kmsignd.toml");
        for arguments in [["serve", "--config"], ["check-config", "--config"]] {
            let mut command = kmsignd();
            command.args(arguments).arg(&config).env("AWS_REGION", REGION.1).env("KMSIGND__SYNC__MONGODB_URI", bad);
            let (code, said) = installation.refusal_of(command);
            assert_eq!(code, Some(78), "{said}");
            assert!(said.contains("[sync] mongodb_uri") && !said.contains("ter2"), "{said}");
        }
    }
}
