//! `kmsign address`.

use serde::{Deserialize, Serialize};

use super::error::ClientError;
use super::exit::Exit;
use super::input;
use super::output::{self, Look, Tone, cell, toned};
use super::session::Session;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Tell whether coins of an asset can be sent to an address
    #[command(
        after_help = "Example:\n  kmsign address validate ETH 0x52908400098527886E0F7030069857D2E4169EE7 --network mainnet"
    )]
    Validate(Validate),
}

#[derive(Debug, clap::Args, Serialize)]
pub struct Validate {
    /// The ticker, such as BTC, ETH or POL
    #[arg(value_parser = input::name)]
    asset: String,
    /// The address
    #[arg(value_parser = address)]
    address: String,
    /// One of the asset's networks [default: as the daemon is configured]
    #[arg(long, value_parser = input::name)]
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
}

/// Whatever could be meant as an address goes to the daemon, which says what is wrong with it.
fn address(text: &str) -> Result<String, crate::ids::IdError> {
    const MAX: usize = 1024;
    match text.chars().count() {
        1..=MAX => Ok(text.to_owned()),
        got => Err(crate::ids::IdError::Length { min: 1, max: MAX, got }),
    }
}

impl Command {
    pub fn run(&self, session: &mut Session) -> Result<Exit, ClientError> {
        let Self::Validate(validate) = self;
        let found = session.show("address_validate", validate, validity)?;
        Ok(if found.valid { Exit::Done } else { Exit::No })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Validity {
    valid: bool,
    address_type: Option<String>,
    address: Option<String>,
    reason: Option<String>,
}

fn validity(found: &Validity, look: Look) -> String {
    let verdict = if found.valid { toned("valid", Tone::Good) } else { toned("not valid", Tone::Bad) };
    let mut rows = vec![("verdict", verdict)];
    let more = [("address", &found.address), ("address type", &found.address_type), ("reason", &found.reason)];
    rows.extend(more.into_iter().filter_map(|(name, text)| Some((name, cell(text.as_ref()?)))));
    output::details(look, rows)
}
