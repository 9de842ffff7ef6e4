//! Every key there is, read from the schema of `file.rs`: what the checks and the reference know about keys, they know from
//! here.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::file::File;

/// A section of the file with its keys.
#[derive(Debug)]
pub(super) struct Section {
    pub name: String,
    pub doc: String,
    pub keys: Vec<Key>,
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    /// Within its section, such as `mode`.
    pub name: String,
    pub doc: String,
    pub kind: KeyKind,
    /// JSON null where there is none.
    pub default: Value,
    /// Takes effect at a reload; the others need a restart.
    pub reloads: bool,
}

#[derive(Debug)]
pub(super) enum KeyKind {
    Text,
    Choice(Vec<String>),
    Boolean,
    Integer {
        min: u64,
        max: u64,
    },
    /// An array of tables, with the keys of one.
    Tables(Vec<Key>),
}

impl KeyKind {
    /// What a value must be. The sentence completes "`key` ...".
    pub fn expectation(&self) -> String {
        match self {
            Self::Text => "must be a text".to_owned(),
            Self::Choice(words) => format!("must be one of {}", words.join(", ")),
            Self::Boolean => "must be true or false".to_owned(),
            Self::Integer { min, max } => format!("must be a whole number from {min} to {max}"),
            Self::Tables(_) => "must be an array of tables".to_owned(),
        }
    }

    pub fn accepts(&self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Choice(words) => value.as_str().is_some_and(|text| words.iter().any(|word| word == text)),
            Self::Boolean => value.is_boolean(),
            Self::Integer { min, max } => value.as_u64().is_some_and(|number| (*min..=*max).contains(&number)),
            Self::Tables(_) => value.is_array(),
        }
    }

    /// Reads the text of an environment variable; `None` if it can't be a value of this kind.
    pub fn read(&self, text: &str) -> Option<Value> {
        let value = match self {
            Self::Text | Self::Choice(_) => Value::from(text),
            Self::Boolean => Value::from(text.parse::<bool>().ok()?),
            Self::Integer { .. } => Value::from(text.parse::<u64>().ok()?),
            Self::Tables(_) => return None,
        };
        self.accepts(&value).then_some(value)
    }
}

/// All sections in the order of the file.
pub(super) fn sections() -> Vec<Section> {
    let schema = schema_of::<File>();
    properties(&schema)
        .map(|(name, section)| Section { name: name.clone(), doc: text(section, "description"), keys: keys(section) })
        .collect()
}

fn keys(table: &Value) -> Vec<Key> {
    properties(table)
        .map(|(name, property)| Key {
            name: name.clone(),
            doc: text(property, "description"),
            kind: kind(property),
            default: property.get("default").cloned().unwrap_or(Value::Null),
            reloads: property.get("x-reload") == Some(&Value::Bool(true)),
        })
        .collect()
}

fn kind(property: &Value) -> KeyKind {
    let is = |name: &str| match property.get("type") {
        Some(Value::Array(types)) => types.iter().any(|one| one == name),
        Some(one) => one == name,
        None => false,
    };
    let bound = |name: &str| property.get(name).and_then(Value::as_u64);
    if is("array") {
        KeyKind::Tables(property.get("items").map(keys).unwrap_or_default())
    } else if is("boolean") {
        KeyKind::Boolean
    } else if is("integer") {
        KeyKind::Integer { min: bound("minimum").unwrap_or(0), max: bound("maximum").unwrap_or(u64::MAX) }
    } else if let Some(Value::Array(words)) = property.get("enum") {
        KeyKind::Choice(words.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    } else {
        KeyKind::Text
    }
}

fn schema_of<T: JsonSchema>() -> Value {
    SchemaSettings::default()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<T>()
        .into()
}

fn properties(table: &Value) -> impl Iterator<Item = (&String, &Value)> {
    table.get("properties").and_then(Value::as_object).into_iter().flatten()
}

/// A doc comment on one line.
fn text(schema: &Value, name: &str) -> String {
    schema.get(name).and_then(Value::as_str).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}
