//! `kmsign audit`.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::error::ClientError;
use super::exit::Exit;
use super::output::{self, Look, Tone, cell, toned, visible};
use super::session::{self, Session};

/// How often `--follow` looks for new records.
const POLL: Duration = Duration::from_secs(1);
const LARGEST_PAGE: u64 = 1000;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show audit records, the last ones or those after a sequence, oldest first
    #[command(
        after_help = "Examples:\n  kmsign audit tail --limit 20 --follow\n  kmsign --json audit tail --after 0 --limit 1000"
    )]
    Tail(Tail),
    /// Check the hash chain over the whole audit
    Verify,
}

#[derive(Debug, clap::Args)]
pub struct Tail {
    /// Only records after this sequence
    #[arg(long, value_name = "SEQUENCE", value_parser = clap::value_parser!(u64).range(..=i64::MAX.unsigned_abs()))]
    after: Option<u64>,
    /// How many at most, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1000))]
    limit: u64,
    /// Go on with new records as they come; with --json a line for each batch
    #[arg(long)]
    follow: bool,
}

impl Command {
    pub fn run(&self, session: &mut Session) -> Result<Exit, ClientError> {
        match self {
            Self::Tail(tail) => tail.run(session),
            Self::Verify => {
                let found = session.show("audit_verify", &json!({}), verdict)?;
                Ok(if found.ok { Exit::Done } else { Exit::No })
            }
        }
    }
}

impl Tail {
    fn run(&self, session: &mut Session) -> Result<Exit, ClientError> {
        let (mut after, mut limit) = (self.after, self.limit);
        let mut first = true;
        loop {
            let json = session.call("audit_tail", &json!({ "afterSequence": after, "limit": limit }))?;
            let page: Page = session::read(&json)?;
            if session.json() && (first || !page.records.is_empty()) {
                Session::print_json(&json)?;
            } else if !session.json() {
                let header = if first { header() } else { String::new() };
                let rows = page.records.iter().map(Record::line);
                Session::print(&rows.fold(header, |text, row| text + &row))?;
            }
            if !self.follow {
                return Ok(Exit::Done);
            }
            if page.records.is_empty() {
                #[expect(clippy::disallowed_methods, reason = "kmsign has one thread and nothing else to do")]
                std::thread::sleep(POLL);
            }
            after = page.records.last().map(|record| record.sequence).or(after).or(Some(page.head.sequence));
            (first, limit) = (false, LARGEST_PAGE);
        }
    }
}

/// One line. The widths are fixed, so that records which come later still stand in their columns.
fn line([sequence, at, kind, result, method, uid, wallet, detail]: [&str; 8]) -> String {
    let line = format!("{sequence:>8}  {at:<24}  {kind:<8}  {result:<14}  {method:<23}  {uid:>6}  {wallet:<36}  {detail}");
    format!("{}\n", visible(line.trim_end()))
}

fn header() -> String {
    line(["SEQUENCE", "AT", "KIND", "RESULT", "METHOD", "UID", "WALLET", "DETAIL"])
}

#[derive(Deserialize)]
struct Page {
    records: Vec<Record>,
    head: Head,
}

#[derive(Deserialize)]
struct Head {
    sequence: u64,
    hash: String,
}

/// A record, as far as it fits a line; --json has it whole.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    sequence: u64,
    at: String,
    kind: String,
    method: Option<String>,
    caller: Option<Caller>,
    wallet_id: Option<String>,
    decision: Option<Decision>,
    outcome: Option<String>,
    reason: Option<String>,
    detail: Option<String>,
}

#[derive(Deserialize)]
struct Caller {
    uid: u32,
}

#[derive(Deserialize)]
struct Decision {
    effect: String,
}

impl Record {
    fn line(&self) -> String {
        let effect = self.decision.as_ref().map(|decision| decision.effect.as_str());
        let uid = self.caller.as_ref().map(|caller| caller.uid.to_string());
        line([
            &self.sequence.to_string(),
            &self.at,
            &self.kind,
            or_dash(self.outcome.as_deref().or(effect)),
            or_dash(self.method.as_deref()),
            or_dash(uid.as_deref()),
            or_dash(self.wallet_id.as_deref()),
            &[self.reason.as_deref(), self.detail.as_deref()].into_iter().flatten().collect::<Vec<_>>().join("; "),
        ])
    }
}

fn or_dash(text: Option<&str>) -> &str {
    text.unwrap_or("-")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    records: u64,
    head: Head,
    ok: bool,
    first_bad: Option<u64>,
}

fn verdict(found: &Verdict, look: Look) -> String {
    let chain = match found.first_bad {
        None if found.ok => toned("holds", Tone::Good),
        Some(sequence) => toned(&format!("BROKEN from record {sequence} on"), Tone::Bad),
        None => toned("BROKEN", Tone::Bad),
    };
    output::details(
        look,
        vec![
            ("chain", chain),
            ("records", cell(&found.records.to_string())),
            ("head", cell(&format!("{} {}", found.head.sequence, found.head.hash))),
        ],
    )
}
