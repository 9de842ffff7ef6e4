//! Holds the source text to the layering that ARCHITECTURE.md draws: what may use what, and where a thing may stand.
//! Comments and tests are left out. Reading text is enough: a name is what a reviewer would see too.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Which module uses which. A new edge is a decision: add it, and say in the commit why the dependency points that way.
const EDGES: &[(&str, &[&str])] = &[
    ("audit", &["caller", "clock", "ids"]),
    ("background", &["clock", "config", "crash_points", "ids", "kms", "metrics", "pipeline", "store", "wallets"]),
    ("chains", &["keys", "strict_json"]),
    ("cli", &["clock", "config", "daemon", "dev", "kms", "log", "pipeline", "restore", "store"]),
    ("client", &["chains", "ids", "keys", "rpc", "wallets"]),
    ("config", &["chains", "ids", "policy"]),
    (
        "daemon",
        &[
            "background",
            "caller",
            "chains",
            "clock",
            "config",
            "crash_points",
            "kms",
            "metrics",
            "outcome",
            "pipeline",
            "rpc",
            "store",
            "transport",
            "wallets",
        ],
    ),
    ("dev", &["cli", "client", "config", "daemon", "emulator", "kms", "log", "pipeline", "policy"]),
    ("emulator", &["clock", "ids"]),
    ("guards", &["chains", "ids"]),
    ("kms", &["clock", "crash_points", "ids", "keys", "metrics", "outcome", "store", "wallets"]),
    ("log", &["config"]),
    ("metrics", &["kms", "outcome"]),
    ("outcome", &["chains", "wallets"]),
    (
        "pipeline",
        &[
            "audit",
            "caller",
            "chains",
            "clock",
            "config",
            "crash_points",
            "guards",
            "ids",
            "kms",
            "metrics",
            "outcome",
            "policy",
            "rpc",
            "store",
            "transport",
            "verify",
            "wallets",
        ],
    ),
    ("policy", &["chains", "clock", "ids"]),
    ("rpc", &["chains", "ids", "keys", "outcome", "policy", "store", "transport", "wallets"]),
    ("restore", &["background", "chains", "clock", "config", "ids", "keys", "kms", "outcome", "store", "wallets"]),
    ("store", &["audit", "caller", "chains", "clock", "crash_points", "guards", "ids", "keys", "outcome", "policy", "wallets"]),
    ("transport", &["caller", "rpc", "strict_json"]),
    ("verify", &["ids", "keys", "kms", "outcome", "store"]),
    ("wallets", &["chains", "clock", "guards", "ids", "keys", "kms", "outcome", "policy", "rpc", "store", "verify"]),
];

/// What decides, parses or describes has no effects: whatever it needs is passed in.
const PURE: &[&str] = &[
    "audit",
    "chains",
    "clock",
    "guards",
    "ids",
    "keys",
    "outcome",
    "policy",
    "rpc",
    "strict_json",
    "verify",
    "wallets/lifecycle",
];
const EFFECTS: &[&str] = &[
    "tokio",
    "std::{",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "aws_",
    "hyper",
    "mongodb",
    "rusqlite",
];

/// A name, and the only places where it may stand.
const HOMES: &[(&str, &[&str])] = &[
    ("aws_sdk_kms", &["kms/aws"]),
    ("aws_sdk_resourcegroupstagging", &["kms/tagging"]),
    ("aws_config", &["kms/aws", "kms/tagging"]),
    ("mongodb::", &["background/outbox_to_mongo", "background/wallets_in_mongo"]),
    ("rusqlite", &["store"]),
    ("rustix::", &["client/terminal"]),
    ("unsafe ", &["caller/sys"]),
    ("allow(unsafe_code", &["caller/sys"]),
];

const VAGUE_NAMES: &[&str] = &["common", "helper", "helpers", "manager", "misc", "mod", "util", "utils"];
const MAX_LINES: usize = 600;

struct Source {
    /// Below its directory, without `.rs`: `kms/aws`.
    name: String,
    lines: usize,
    /// Without comments and tests.
    code: String,
}

impl Source {
    /// Whether it is one of these modules or a part of one.
    fn is_in(&self, modules: &[&str]) -> bool {
        modules.iter().any(|module| self.name.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }
}

#[test]
fn modules_use_only_what_the_table_lists() {
    let mut found = BTreeSet::new();
    for source in library() {
        let module = source.name.split('/').next().unwrap();
        let used = source.code.split("crate::").skip(1).flat_map(first_names).filter(|name| name != module);
        found.extend(used.map(|name| format!("{module} -> {name}")));
    }
    let listed: BTreeSet<_> = EDGES.iter().flat_map(|(from, to)| to.iter().map(move |to| format!("{from} -> {to}"))).collect();
    let new = found.difference(&listed).map(|edge| format!("{edge} is not in EDGES"));
    let gone = listed.difference(&found).map(|edge| format!("{edge} is in EDGES and no longer in the source"));
    assert_none(new.chain(gone));
}

#[test]
fn pure_modules_have_no_effects() {
    let effects = |source: &Source| EFFECTS.iter().find(|word| source.code.contains(**word));
    let pure = library().into_iter().filter(|source| source.is_in(PURE));
    assert_none(pure.filter_map(|source| effects(&source).map(|word| format!("{} has {word}", source.name))));
}

#[test]
fn names_stay_at_home() {
    for (word, homes) in HOMES {
        let users: Vec<_> = library().into_iter().filter(|source| source.code.contains(word)).collect();
        assert!(users.iter().any(|source| source.is_in(homes)), "{word} is nowhere any more: take it out of HOMES");
        let strays = users.iter().filter(|source| !source.is_in(homes));
        assert_none(strays.map(|source| format!("{} has {word}, whose place is {homes:?}", source.name)));
    }
}

#[test]
fn wire_codes_stay_in_the_error_table() {
    let is_code = |word: &str| word == "4100" || (word.len() == 6 && word.starts_with("-32"));
    let has_code = |source: &Source| {
        let code = source.code.replace('_', "");
        code.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(is_code) || code.contains("types::error::")
    };
    let strays = library().into_iter().filter(|source| source.name != "rpc/error_codes" && has_code(source));
    assert_none(strays.map(|source| source.name));
}

#[test]
fn files_are_short_and_named_for_what_they_do() {
    for directory in ["src", "tests/it", "benches"] {
        let sources = sources(directory);
        let long = sources.iter().filter(|source| source.lines > MAX_LINES);
        assert_none(long.map(|source| format!("{directory}/{}: {} lines, over {MAX_LINES}", source.name, source.lines)));
        let vague = sources.iter().filter(|source| source.name.split('/').any(|name| VAGUE_NAMES.contains(&name)));
        assert_none(vague.map(|source| format!("{directory}/{}: the name says nothing", source.name)));
    }
}

fn assert_none(faults: impl Iterator<Item = String>) {
    let faults: Vec<_> = faults.collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// The library's own code. The binaries are one call into it each.
fn library() -> Vec<Source> {
    let mut library = sources("src");
    library.retain(|source| !source.is_in(&["bin", "main"]) && !source.name.ends_with("/tests"));
    library
}

fn sources(directory: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let (mut waiting, mut sources) = (vec![root.clone()], Vec::new());
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let name = path.strip_prefix(&root).unwrap().with_extension("").to_str().unwrap().to_owned();
            sources.push(Source { name, lines: text.lines().count(), code: code_of(&text) });
        }
    }
    assert!(!sources.is_empty(), "nothing to read in {directory}");
    sources
}

/// Tests come last in a file, so the code ends where they begin.
fn code_of(text: &str) -> String {
    let code = text.split("\n#[cfg(test)]\nmod tests").next().unwrap();
    // A `//` with something right before it is part of a URL.
    let is_comment = |line: &str| line.trim_start().starts_with("//");
    let lines = code.lines().filter(|line| !is_comment(line)).map(|line| line.split(" // ").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// What stands first after a `crate::`: one name, or each in the braces.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| text.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    match path.strip_prefix('{') {
        Some(names) => names.split('}').next().unwrap().split(',').map(name).collect(),
        None => vec![name(path)],
    }
}
