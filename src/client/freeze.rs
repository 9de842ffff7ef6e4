//! `kmsign freeze`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::ClientError;
use super::exit::Exit;
use super::output::{self, Look, Tone, cell, plain, toned};
use super::session::Session;
use crate::ids::{FreezeId, OnBehalfOf, Reason, RequestId};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the freezes in force
    List,
    /// Lift a freeze, so that signing goes on
    #[command(after_help = "Examples:
  kmsign freeze lift 0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60 --reason 'nonces and outpoints checked against the nodes'")]
    Lift(Lift),
}

#[derive(Debug, clap::Args, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lift {
    /// The freeze's id
    #[arg(value_name = "FREEZE-ID")]
    freeze_id: FreezeId,
    /// Why, for the audit
    #[arg(long)]
    reason: Reason,
    /// Makes a repetition safe [default: a new one, told on standard error]
    #[arg(long, value_name = "ID")]
    #[serde(skip)]
    request_id: Option<RequestId>,
    /// The exchange's own end user, for the audit
    #[arg(long, value_name = "USER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    on_behalf_of: Option<OnBehalfOf>,
}

impl Command {
    pub fn run(&self, session: &mut Session) -> Result<Exit, ClientError> {
        match self {
            Self::List => list(session),
            Self::Lift(lift) => lift.run(session),
        }
    }
}

#[derive(Deserialize)]
struct Status {
    freezes: Vec<Freeze>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Freeze {
    freeze_id: String,
    scope: Value,
    reason: String,
    since: String,
}

fn list(session: &mut Session) -> Result<Exit, ClientError> {
    let status: Status = session.ask("admin_status", &json!({}))?;
    session.present(&status.freezes, |freezes, look| table(look, freezes))?;
    Ok(Exit::Done)
}

fn table(look: Look, freezes: &[Freeze]) -> String {
    if freezes.is_empty() {
        return "nothing is frozen\n".to_owned();
    }
    let row = |freeze: &Freeze| {
        vec![cell(&freeze.freeze_id), toned(&plain(&freeze.scope), Tone::Bad), cell(&freeze.since), cell(&freeze.reason)]
    };
    output::table(look, &["freeze id", "scope", "since", "reason"], freezes.iter().map(row).collect())
}

impl Lift {
    fn run(&self, session: &mut Session) -> Result<Exit, ClientError> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Params<'a> {
            #[serde(flatten)]
            lift: &'a Lift,
            request_id: String,
        }

        let request_id = session.repeatable("--request-id", "requestId", self.request_id.as_ref())?;
        session.show("admin_unfreeze", &Params { lift: self, request_id }, |_: &Value, look| {
            output::details(look, vec![("lifted", cell(&self.freeze_id.to_string()))])
        })?;
        Ok(Exit::Done)
    }
}
