//! `kmsign policy`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::ClientError;
use super::exit::Exit;
use super::input::{self, Given, Params};
use super::output::{self, Look, Tone, cell, plain, toned, words};
use super::session::Session;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Tell what the policy says of a call, without making it
    #[command(after_help = "Examples:
  kmsign policy explain admin_reload
  kmsign policy explain wallet_create '{\"userId\": \"user123\", \"asset\": \"BTC\"}'")]
    Explain(Explain),
}

#[derive(Debug, clap::Args)]
pub struct Explain {
    /// A method of the API
    #[arg(value_parser = input::name)]
    method: String,
    /// The parameters that it would get, as JSON; - reads them from standard input
    #[arg(value_name = "PARAMS-JSON")]
    params: Option<Given<Params>>,
}

impl Command {
    pub fn run(&self, session: &mut Session) -> Result<Exit, ClientError> {
        #[derive(Serialize)]
        struct Question<'a> {
            method: &'a str,
            params: Params,
        }

        let Self::Explain(explain) = self;
        let params = explain.params.as_ref().map_or_else(|| Ok(Params::none()), |given| given.take("PARAMS-JSON"))?;
        let question = Question { method: &explain.method, params };
        let found = session.show("policy_explain", &question, explanation)?;
        Ok(if found.decision == "allow" { Exit::Done } else { Exit::No })
    }
}

#[derive(Deserialize)]
struct Explanation {
    decision: String,
    policies: Vec<String>,
    summary: Map<String, Value>,
}

fn explanation(found: &Explanation, look: Look) -> String {
    let tone = match found.decision.as_str() {
        "allow" => Tone::Good,
        "deny" => Tone::Bad,
        _ => Tone::Waiting,
    };
    let policies = if found.policies.is_empty() { "none".to_owned() } else { found.policies.join(", ") };
    let summary: Vec<_> = found.summary.iter().map(|(name, value)| (words(name), plain(value))).collect();
    let mut rows = vec![("decision", toned(&found.decision, tone)), ("by policies", cell(&policies))];
    rows.extend(summary.iter().map(|(name, value)| (name.as_str(), cell(value))));
    output::details(look, rows)
}
