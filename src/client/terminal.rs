//! Asking the person at the terminal: on standard error, so that standard output holds results alone.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::os::fd::AsFd;

use rustix::termios::{self, QueueSelector};

use super::error::ClientError;
use super::layout::USUAL_COLUMNS;
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

/// How wide standard error is: [`USUAL_COLUMNS`] if it does not say, or is no terminal.
pub fn columns() -> usize {
    let told = termios::tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_col);
    if told == 0 { USUAL_COLUMNS } else { told.into() }
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

/// Shows a question, and gives the line that was typed, without the white space around it. What was typed before is dropped: nobody
/// answers what they have not seen.
///
/// # Errors
/// [`ClientError::Output`], [`ClientError::Unreadable`].
pub fn ask(question: &str) -> Result<String, ClientError> {
    termios::tcflush(io::stdin(), QueueSelector::IFlush).map_err(|error| ClientError::Unreadable(error.into()))?;
    tell(question)?;
    // Not through the buffer of `io::stdin`, which would keep the rest of a longer line for the next question.
    let terminal = File::from(io::stdin().as_fd().try_clone_to_owned().map_err(ClientError::Unreadable)?);
    let mut typed = String::new();
    BufReader::new(terminal.take(MAX_TYPED_BYTES)).read_line(&mut typed).map_err(ClientError::Unreadable)?;
    Ok(typed.trim().to_owned())
}
