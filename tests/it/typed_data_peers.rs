//! Digests of typed data against other implementations, where `tests/conformance/typed-data/run.sh` has run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use kmsignd::chains::evm::typed_data::{TypedDataRequest, parse};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    number: usize,
    recursive: Option<Recursion>,
    typed_data: Value,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Recursion {
    Itself,
    Others,
}

/// A row that a peer wrote: a digest, or why there is none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PeerRow {
    number: usize,
    digest: Option<String>,
    error: Option<String>,
}

/// Each peer, and the recursion that it does not read although the standard has it.
const PEERS: [(&str, &[Recursion]); 2] =
    [("ethers", &[Recursion::Itself, Recursion::Others]), ("eth-account", &[Recursion::Others])];

fn rows<Row: DeserializeOwned>(directory: &Path, name: &str) -> Vec<Row> {
    let file = directory.join(format!("{name}.jsonl"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Read as an object, as a string and in its canonical form.
fn read(case: &Case) -> TypedDataRequest {
    let read = parse(&case.typed_data).unwrap_or_else(|error| panic!("case {}: {error}", case.number));
    assert_eq!(parse(&Value::String(case.typed_data.to_string())).unwrap(), read, "case {}", case.number);
    assert_eq!(parse(&serde_json::to_value(&read).unwrap()).unwrap(), read, "case {}", case.number);
    read
}

#[test]
fn typed_data_digests_agree_with_other_implementations() {
    let Some(directory) = std::env::var_os("KMSIGND_TEST_TYPED_DATA_PEERS").map(PathBuf::from) else {
        return crate::skipped("typed data of other implementations", "KMSIGND_TEST_TYPED_DATA_PEERS is not set");
    };
    let cases: Vec<Case> = rows(&directory, "cases");
    assert!(cases.len() >= 300);
    let digests: HashMap<usize, String> = cases.iter().map(|case| (case.number, format!("0x{}", read(case).digest()))).collect();
    assert_eq!(digests.len(), cases.len());
    for (peer, unread) in PEERS {
        let mut answers: HashMap<usize, PeerRow> =
            rows(&directory, peer).into_iter().map(|row: PeerRow| (row.number, row)).collect();
        let mut agreed = 0;
        for case in &cases {
            let row = answers.remove(&case.number).unwrap_or_else(|| panic!("{peer} left out case {}", case.number));
            match row.digest {
                Some(digest) => {
                    assert_eq!(digest, digests[&case.number], "{peer}, case {}: {}", case.number, case.typed_data);
                    agreed += 1;
                }
                None => assert!(
                    case.recursive.is_some_and(|recursion| unread.contains(&recursion)),
                    "{peer}, case {}: {:?}",
                    case.number,
                    row.error
                ),
            }
        }
        assert!(answers.is_empty(), "{peer} wrote rows nobody asked for");
        assert!(agreed >= 300, "{peer} has {agreed} digests");
    }
}
