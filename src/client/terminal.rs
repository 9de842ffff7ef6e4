//! Asking the person at the terminal: on standard error, so that standard output holds results alone.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use super::error::ClientError;
use super::output::Look;

/// Longest answer, in bytes: more than any address is long.
const MAX_TYPED_BYTES: u64 = 1024;

/// Whether somebody sits there to be asked.
pub fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// How text on standard error may look.
pub fn look() -> Look {
    Look { colour: io::stderr().is_terminal() && !super::no_colour() }
}

/// Shows a text.
///
/// # Errors
/// [`ClientError::Output`].
pub fn tell(text: &str) -> Result<(), ClientError> {
    let mut terminal = io::stderr().lock();
    // A broken standard error is no reader who has enough: it is an error of its own.
    terminal
        .write_all(text.as_bytes())
        .and_then(|()| terminal.flush())
        .map_err(|error| ClientError::Output(io::Error::other(error)))
}

/// Shows a question, and gives the line that was typed, without the white space around it.
///
/// # Errors
/// [`ClientError::Output`], [`ClientError::Unreadable`].
pub fn ask(question: &str) -> Result<String, ClientError> {
    tell(question)?;
    let mut typed = String::new();
    io::stdin().lock().take(MAX_TYPED_BYTES).read_line(&mut typed).map_err(ClientError::Unreadable)?;
    Ok(typed.trim().to_owned())
}
