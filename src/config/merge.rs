//! File and environment become one tree of values in which every key is known and of the right type and range.

use std::collections::BTreeMap;

use config::builder::DefaultState;
use config::{ConfigBuilder, FileFormat};
use serde_json::Value;

use super::ConfigError;
use super::environment::Environment;
use super::file::File;
use super::keys::{Key, KeyKind, Section, sections};

/// What is wrong with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Such as `socket.mode`, or `networks.evm_chains[0].chain_id`.
    pub key: String,
    /// Where it was set: the file's name or the variable's.
    pub origin: String,
    /// Completes "`key` ...".
    pub problem: String,
}

/// Where values came from, to say so when one is wrong.
pub(super) struct Origins {
    file: String,
    variables: BTreeMap<String, String>,
}

impl Origins {
    /// Whether the key's value, if it has one, is the file's.
    pub fn is_the_file(&self, key: &str) -> bool {
        !self.variables.contains_key(key)
    }

    pub fn problem(&self, key: impl Into<String>, problem: impl Into<String>) -> Problem {
        let key = key.into();
        let origin = self.variables.get(&key).unwrap_or(&self.file).clone();
        Problem { key, origin, problem: problem.into() }
    }
}

/// What was written, with defaults filled in.
pub(super) struct Merged {
    pub file: File,
    /// Every key with its value in force.
    pub values: BTreeMap<String, Value>,
    pub origins: Origins,
}

/// The file, then `KMSIGND__SECTION__KEY`, then the plain names; a later one overrides an earlier one.
pub(super) fn merge(name: &str, text: &str, environment: &Environment) -> Result<Merged, ConfigError> {
    let known = sections();
    let mut origins = Origins { file: name.to_owned(), variables: BTreeMap::new() };
    let mut problems = Vec::new();
    let mut builder = config::Config::builder().add_source(config::File::from_str(text, FileFormat::Toml));
    // Alone first, so that a mistake in the file is not hidden by a variable and a syntax error is the file's.
    let file = tree(builder.clone())
        .map_err(|message| ConfigError::Syntax { file: name.to_owned(), message: without_secrets(text, message) })?;
    check_file(&file, &known, &origins, &mut problems);

    for variable in environment.variables() {
        origins.variables.insert(variable.key.clone(), variable.name.to_owned());
        let value = match (find(&known, &variable.key), variable.value) {
            (None, _) => Err(unknown(&variable.key, &known)),
            (Some(_), None) => Err("is not UTF-8".to_owned()),
            (Some(Key { kind: KeyKind::Tables(_), .. }), _) => Err("is a list, which only the file can hold".to_owned()),
            (Some(key), Some(text)) => key.kind.read(text).ok_or_else(|| key.kind.expectation()),
        };
        match value {
            Ok(value) => builder = set(builder, &variable.key, value)?,
            Err(problem) => problems.push(origins.problem(variable.key, problem)),
        }
    }
    if !problems.is_empty() {
        return Err(ConfigError::Invalid(problems));
    }
    let internal = |message: String| ConfigError::Syntax { file: name.to_owned(), message };
    let file: File = serde_json::from_value(tree(builder).map_err(internal)?).map_err(|e| internal(e.to_string()))?;
    let values = flatten(&serde_json::to_value(&file).map_err(|e| internal(e.to_string()))?);
    Ok(Merged { file, values, origins })
}

/// A syntax error quotes the line it is on, which may be the one with the connection string.
fn without_secrets(text: &str, message: String) -> String {
    if !text.contains("mongodb") {
        return message;
    }
    message.lines().filter(|line| !line.contains('|')).collect::<Vec<_>>().join("\n")
}

fn tree(builder: ConfigBuilder<DefaultState>) -> Result<Value, String> {
    builder.build().and_then(config::Config::try_deserialize).map_err(|e| e.to_string())
}

fn set(builder: ConfigBuilder<DefaultState>, key: &str, value: Value) -> Result<ConfigBuilder<DefaultState>, ConfigError> {
    let result = match value {
        Value::Bool(value) => builder.set_override(key, value),
        Value::Number(number) => builder.set_override(key, number.as_u64().unwrap_or_default()),
        Value::String(text) => builder.set_override(key, text),
        Value::Null | Value::Array(_) | Value::Object(_) => Ok(builder),
    };
    result.map_err(|e| ConfigError::Syntax { file: key.to_owned(), message: e.to_string() })
}

fn check_file(file: &Value, known: &[Section], origins: &Origins, problems: &mut Vec<Problem>) {
    for (name, table) in file.as_object().into_iter().flatten() {
        match (known.iter().find(|section| section.name == *name), table) {
            (None, _) => problems.push(origins.problem(name, unknown(name, known))),
            (Some(section), Value::Object(_)) => check_table(name, table, &section.keys, known, origins, problems),
            (Some(_), _) => problems.push(origins.problem(name, format!("is a section: write [{name}] and its keys below it"))),
        }
    }
}

fn check_table(path: &str, table: &Value, keys: &[Key], known: &[Section], origins: &Origins, problems: &mut Vec<Problem>) {
    for (name, value) in table.as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        match keys.iter().find(|key| key.name == *name) {
            None => problems.push(origins.problem(&path, unknown(&path, known))),
            Some(key) if !key.kind.accepts(value) => problems.push(origins.problem(&path, key.kind.expectation())),
            Some(Key { kind: KeyKind::Tables(keys), .. }) => {
                for (index, row) in value.as_array().into_iter().flatten().enumerate() {
                    check_row(&format!("{path}[{index}]"), row, keys, known, origins, problems);
                }
            }
            Some(_) => {}
        }
    }
}

fn check_row(path: &str, row: &Value, keys: &[Key], known: &[Section], origins: &Origins, problems: &mut Vec<Problem>) {
    if !row.is_object() {
        problems.push(origins.problem(path, "must be a table"));
        return;
    }
    check_table(path, row, keys, known, origins, problems);
    let missing = keys.iter().filter(|key| key.default.is_null() && row.get(&key.name).is_none());
    problems.extend(missing.map(|key| origins.problem(format!("{path}.{}", key.name), "is missing")));
}

fn find<'k>(known: &'k [Section], path: &str) -> Option<&'k Key> {
    let (section, name) = path.split_once('.')?;
    known.iter().find(|known| known.name == section)?.keys.iter().find(|key| key.name == name)
}

/// Names the known key that reads most like `path`, by its whole path or by its last part alone (a key in the wrong section).
fn unknown(path: &str, known: &[Section]) -> String {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let likeness = |candidate: &String| {
        let whole = strsim::normalized_damerau_levenshtein(path, candidate);
        let part = strsim::normalized_damerau_levenshtein(&last(path), &last(candidate));
        whole.max(0.9 * part)
    };
    let others = all_paths(known).into_iter().filter(|candidate| candidate != path);
    let nearest = others.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    format!("is not a key; did you mean {}?", nearest.unwrap_or_default())
}

fn all_paths(known: &[Section]) -> Vec<String> {
    let mut paths = Vec::new();
    for section in known {
        paths.push(section.name.clone());
        for key in &section.keys {
            let path = format!("{}.{}", section.name, key.name);
            if let KeyKind::Tables(keys) = &key.kind {
                paths.extend(keys.iter().map(|key| format!("{path}.{}", key.name)));
            }
            paths.push(path);
        }
    }
    paths
}

fn flatten(file: &Value) -> BTreeMap<String, Value> {
    let tables = file.as_object().into_iter().flatten();
    let keys = |(section, table): (&String, &Value)| {
        let section = section.clone();
        let table = table.as_object().cloned().unwrap_or_default();
        table.into_iter().map(move |(key, value)| (format!("{section}.{key}"), value))
    };
    tables.flat_map(keys).collect()
}
