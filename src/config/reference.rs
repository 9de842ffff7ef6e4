//! `docs/configuration.md` and `packaging/kmsignd.toml`, generated from what the checks know about keys. A test fails when one
//! is stale.

use serde_json::Value;

use super::environment::PLAIN_NAMES;
use super::keys::{Key, KeyKind, Section, sections};

const INTRODUCTION: &str = "\
# Configuration

<!-- Generated from src/config/file.rs. To refresh: KMSIGND_UPDATE_DOCS=1 cargo test --test it configuration -->

`kmsignd serve --config /etc/kmsignd/kmsignd.toml` reads one TOML file; `kmsignd check-config` says what is wrong with it.
A file is refused if it has an unknown key, if it is longer than 1 MiB, or if anybody but root and the daemon's user could have
written it: owner root or the daemon's user, not writable for group and others, in a directory that others can't write to.
The policy files and the key policy are held to the same.

A value is taken from the last of these that has it:

1. the file;
2. `KMSIGND__SECTION__KEY`, for example `KMSIGND__SOCKET__MAX_CONNECTIONS=2048` (arrays of tables: in the file only);
3. the plain names below, which the exchange's service and AWS's tools use already. An empty one counts as unset.
";

/// The configuration reference, in Markdown.
pub fn reference() -> String {
    let mut out = String::from(INTRODUCTION);
    out.push_str("\n| variable | key |\n|---|---|\n");
    for (name, key) in PLAIN_NAMES {
        out.push_str(&format!("| `{name}` | `{key}` |\n"));
    }
    out.push_str(
        "\nAWS's credentials are no keys of the file: AWS's SDK finds them itself (`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, a \
         profile, the instance's or the task's role).\n\
         \n`SIGHUP` and `admin_reload` read the files again. A file that is refused changes nothing. Keys marked \"reload\" take \
         effect then; for the others the answer says that a restart is needed.\n",
    );
    for Section { name, doc, keys } in sections() {
        out.push_str(&format!(
            "\n## [{name}]\n\n{doc}\n\n| key | value | default | in force after | meaning |\n|---|---|---|---|---|\n"
        ));
        for key in &keys {
            out.push_str(&row(&key.name, key));
        }
        for key in &keys {
            if let KeyKind::Tables(columns) = &key.kind {
                out.push_str(&format!("\n### [[{name}.{}]]\n\n| key | value | meaning |\n|---|---|---|\n", key.name));
                for column in columns {
                    out.push_str(&format!("| `{}` | {} | {} |\n", column.name, value(&column.kind), column.doc));
                }
            }
        }
    }
    out
}

fn row(name: &str, key: &Key) -> String {
    let default = toml(&key.default).map_or_else(|| "-".to_owned(), |default| format!("`{default}`"));
    let force = if key.reloads { "reload" } else { "restart" };
    format!("| `{name}` | {} | {default} | {force} | {} |\n", value(&key.kind), key.doc)
}

fn value(kind: &KeyKind) -> String {
    match kind {
        KeyKind::Text => "text".to_owned(),
        KeyKind::Choice(words) => words.join(", "),
        KeyKind::Boolean => "true or false".to_owned(),
        KeyKind::Integer { min, max } => format!("{min} to {max}"),
        KeyKind::Tables(_) => "tables".to_owned(),
    }
}

/// The file that the packages install: every key with its default, commented out.
pub fn packaged_file() -> String {
    let mut out = String::from(
        "# kmsignd's configuration. Every key is here with its default; where there is none, with an example.\n\
         # All of them are explained in docs/configuration.md; `kmsignd check-config` checks this file.\n\
         # Environment variables override it: KMSIGND__SECTION__KEY, and AWS_REGION, AWS_ENDPOINT_URL_KMS, UTXO_NETWORK,\n\
         # EVM_NETWORK.\n",
    );
    for Section { name, doc, keys } in sections() {
        out.push_str(&format!("\n{}[{name}]\n", comment(&doc)));
        for key in keys {
            if let KeyKind::Tables(columns) = &key.kind {
                out.push_str(&format!("\n{}# [[{name}.{}]]\n", comment(&key.doc), key.name));
                for column in columns {
                    out.push_str(&format!("# {} = {}\n", column.name, example(&column.name)));
                }
                continue;
            }
            let value = toml(&key.default).unwrap_or_else(|| example(&key.name).to_owned());
            out.push_str(&format!("\n{}# {} = {value}\n", comment(&key.doc), key.name));
        }
    }
    out
}

/// Values for keys without a default.
fn example(name: &str) -> &'static str {
    match name {
        "region" => "\"eu-central-1\"",
        "endpoint_url" => "\"https://vpce-0123.kms.eu-central-1.vpce.amazonaws.com\"",
        "tagging_endpoint_url" => "\"https://vpce-0123.tagging.eu-central-1.vpce.amazonaws.com\"",
        "mongodb_uri" => "\"mongodb://kmsignd:PASSWORD@db1.example.com,db2.example.com/exchange?replicaSet=rs0&tls=true\"",
        "mongodb_uri_file" => "\"mongodb-uri\"",
        "database" => "\"exchange\"",
        "key_policy_file" => "\"/etc/kmsignd/key-policy.json\"",
        "utxo" => "\"mainnet\"",
        "evm" | "network" | "xrp" | "solana" | "cardano" => "\"mainnet\"",
        "asset" => "\"AVAX\"",
        "contract" => "\"0xB31f66AA3C1e785363F0875A1B74E27b85FD66c7\"",
        "decimals" => "18",
        "amount" => "1000000",
        "chain_id" => "43114",
        "testnet" => "false",
        _ => "\"\"",
    }
}

fn toml(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Object(_) => None,
        Value::Array(rows) => rows.is_empty().then(|| "[]".to_owned()),
        scalar => Some(scalar.to_string()),
    }
}

/// Wrapped at 100 columns.
fn comment(doc: &str) -> String {
    let mut out = String::new();
    let mut line = String::from("#");
    for word in doc.split(' ') {
        if line.len() + word.len() >= 100 {
            out.push_str(&line);
            out.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    out + &line + "\n"
}
