//! Documents that are generated stand in the repository as they would be generated now, and what the others claim holds:
//! every link leads somewhere, every test that is named exists, and the README's table has every network.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use kmsignd::chains::networks::{NetworkDefaults, Networks};
use kmsignd::rpc::openrpc;
use kmsignd::wallets::lifecycle::{self, KeyState, Status};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file below `directory` with this extension.
fn files(directory: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(directory)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(path.to_str().unwrap(), extension));
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
    found
}

/// Every Markdown file of the project.
fn documents() -> Vec<PathBuf> {
    let top = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    let top = top.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    top.chain(["docs", "packaging"].into_iter().flat_map(|directory| files(directory, "md"))).collect()
}

fn lifecycle_document() -> String {
    let keys: String = Status::ALL
        .into_iter()
        .map(|status| format!("| {status} | {} |\n", status.key_state().map_or("none, or none yet", KeyState::as_str)))
        .collect();
    format!(
        "# A wallet's life\n\n\
         Generated from `src/wallets/lifecycle.rs`; `KMSIGND_UPDATE_DOCS=1 cargo test --test it documents` writes it anew.\n\n\
         A key signs in `CREATED` and in no other state. What is not drawn changes nothing: an event that does not apply in a \
         state is refused.\n\n```mermaid\n{}```\n\n\
         What a caller changes acts here at once, before KMS has heard of it: a signature that KMS is making then is withheld. The key \
         is brought after the wallet for as long as it takes, over restarts too; `admin_status` tells in `keyDrives` how many are on \
         their way, and what went wrong. A key that somebody changed in KMS behind the daemon's back is `drift`: told there, in the \
         audit and in the log, and never undone.\n\n| wallet | key in KMS |\n|---|---|\n{keys}",
        lifecycle::diagram()
    )
}

#[test]
fn generated_documents_are_fresh() {
    for (path, fresh) in [("docs/api.md", openrpc::reference()), ("docs/lifecycle.md", lifecycle_document())] {
        if std::env::var_os("KMSIGND_UPDATE_DOCS").is_some() {
            fs::write(root().join(path), &fresh).unwrap();
        }
        assert!(read(path) == fresh, "{path} is stale; run KMSIGND_UPDATE_DOCS=1 cargo test --test it documents");
    }
}

#[test]
fn every_link_within_the_project_leads_to_a_file() {
    for document in documents() {
        let text = read(&document);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://") && !target.starts_with('#')) {
            let file = target.split('#').next().unwrap();
            assert!(document.parent().unwrap().join(file).exists(), "{}: there is no {target}", document.display());
        }
    }
}

#[test]
fn tables_of_tests_name_tests_that_exist() {
    let sources: String = ["src", "tests/it"].into_iter().flat_map(|directory| files(directory, "rs")).map(read).collect();
    let functions: HashSet<&str> = sources.split("fn ").skip(1).filter_map(|rest| rest.split('(').next()).collect();
    for document in ["docs/past-signer-failures.md", "docs/durability.md", "tests/it/kms_faults.rs"] {
        let text = read(document);
        let is_test = |word: &&str| {
            word.matches('_').count() >= 3 && word.chars().all(|c| c.is_ascii_lowercase() || "_0123456789:".contains(c))
        };
        let named: Vec<&str> = text.split('`').skip(1).step_by(2).filter(is_test).collect();
        assert!(named.len() > 10, "{document}: no tests were found in the table");
        for name in named {
            let name = name.rsplit("::").next().unwrap();
            assert!(functions.contains(name), "{document}: there is no test {name}");
        }
    }
}

#[test]
fn readme_table_has_every_network() {
    let readme = read("README.md");
    let networks = Networks::new(&NetworkDefaults::default(), &[]).unwrap();
    for network in networks.iter() {
        let row = readme.lines().find(|line| line.starts_with(&format!("| {} ", network.asset())));
        let row = row.unwrap_or_else(|| panic!("README.md: no row for {}", network.asset()));
        assert!(row.contains(network.network()), "README.md: {network} is missing");
        for address_type in network.address_types() {
            assert!(row.contains(address_type.as_str()), "README.md: {address_type} of {network} is missing");
        }
    }
}
