//! The OpenRPC document and the API reference, both generated from the method and error tables.
//!
//! OpenRPC 1.3: <https://spec.open-rpc.org/>

use serde_json::{Value, json};

use super::error_codes::{Kind, Retry};
use super::methods::{METHODS, Method};

/// What rpc.discover answers.
pub fn document() -> Value {
    json!({
        "openrpc": "1.3.2",
        "info": { "title": "kmsignd", "version": env!("CARGO_PKG_VERSION"), "license": { "name": env!("CARGO_PKG_LICENSE") } },
        "methods": METHODS.iter().map(method).collect::<Vec<_>>(),
    })
}

fn method(method: &Method) -> Value {
    let params: Vec<_> = method
        .params
        .iter()
        .map(|param| {
            json!({ "name": param.name, "required": param.required, "description": param.kind.describe(), "schema": schema(param.kind.schema()) })
        })
        .collect();
    let errors: Vec<_> = Kind::ALL.iter().map(|kind| json!({ "code": kind.code(), "message": kind.as_str() })).collect();
    json!({
        "name": method.name,
        "summary": method.summary,
        "paramStructure": if method.by_position { "either" } else { "by-name" },
        "params": params,
        "result": { "name": "result", "description": method.result.describe(), "schema": schema(method.result.schema()) },
        "errors": errors,
        "x-aliases": method.aliases,
        "x-action": method.action.as_str(),
    })
}

/// The schemas are literals of the tables; `every_schema_is_json` holds them to it.
fn schema(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Bool(true))
}

/// docs/api.md, as it must stand in the repository.
pub fn reference() -> String {
    let mut text = String::from(
        "# API reference\n\nGenerated from `src/rpc/methods.rs` and `src/rpc/error_codes.rs`; \
         `KMSIGND_UPDATE_DOCS=1 cargo test --test it documents` writes it anew.\n\n\
         JSON-RPC 2.0 over one Unix stream socket, as a bare stream of JSON values (what geth's IPC speaks) or over HTTP/1.1 \
         (`POST /`). A parameter that is null counts as absent; one that is unknown is refused.\n\n## Methods\n",
    );
    for method in METHODS {
        text.push_str(&format!("\n### {}\n\n{}\n\n- action: `{}`\n", method.name, method.summary, method.action));
        if !method.aliases.is_empty() {
            text.push_str(&format!("- also called: `{}`\n", method.aliases.join("`, `")));
        }
        let form = if method.by_position { "by name or by position, in this order" } else { "by name" };
        if method.params.is_empty() {
            text.push_str("- parameters: none\n");
        } else {
            text.push_str(&format!("- parameters, {form}:\n"));
        }
        for param in method.params {
            let need = if param.required { "required" } else { "optional" };
            let name_only = if param.by_name_only && method.by_position { ", by name only" } else { "" };
            text.push_str(&format!("  - `{}` ({need}{name_only}): {}\n", param.name, param.kind.describe()));
        }
        text.push_str(&format!("- result: {}\n", method.result.describe()));
    }
    text.push_str(
        "\n## Errors\n\n`{code, message, data: {kind, retry, ...}}`. `retry` says whether the same request may be sent again: \
         `never`, `later` (nothing was done), or `sameRequestId` (something may have been done, so only the same requestId or \
         idempotencyKey is safe). An error of a call with a requestId or idempotencyKey has it as `requestId`.\n\n| kind | code | retry | meaning |\n|---|---|---|---|\n",
    );
    for kind in Kind::ALL {
        let retry = match kind.retry() {
            Retry::Never => "never",
            Retry::Later => "later",
            Retry::SameRequestId => "sameRequestId",
        };
        text.push_str(&format!("| {} | {} | {retry} | {} |\n", kind.as_str(), kind.code(), kind.meaning()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_is_json() {
        for method in METHODS {
            assert!(serde_json::from_str::<Value>(method.result.schema()).is_ok(), "{}", method.name);
            for param in method.params {
                assert!(serde_json::from_str::<Value>(param.kind.schema()).is_ok(), "{}.{}", method.name, param.name);
            }
        }
    }

    #[test]
    fn every_name_and_alias_is_unique() {
        let names: Vec<_> =
            METHODS.iter().flat_map(|method| std::iter::once(method.name).chain(method.aliases.iter().copied())).collect();
        let unique: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
    }
}
