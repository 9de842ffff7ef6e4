//! What the commands of one run share: the connection, the form of the output, and what an error's advice is made of.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::connection::Connection;
use super::error::ClientError;
use super::exit::Exit;
use super::next_step::{self, Attempt, Repeat};
use super::output::{Look, json_line, visible};
use crate::ids::RequestId;

/// One run of `kmsign`.
pub struct Session {
    timeout: Duration,
    json: bool,
    look: Look,
    connection: Option<Connection>,
    attempt: Attempt,
}

impl Session {
    pub fn new(socket: PathBuf, timeout: Duration, json: bool, colour: bool, line: Vec<OsString>) -> Self {
        let attempt = Attempt { socket, line, call: None, repeat: None };
        Self { timeout, json, look: Look { colour }, connection: None, attempt }
    }

    /// Calls a method: its result's JSON text.
    ///
    /// # Errors
    /// As [`Connection::open`] and [`Connection::call`].
    pub fn call(&mut self, method: &str, params: &impl Serialize) -> Result<Box<RawValue>, ClientError> {
        let params = to_raw_value(params).map_err(|error| ClientError::protocol(&error))?;
        self.attempt.call = Some((method.to_owned(), params.get().to_owned()));
        self.connection()?.call(method, &params)
    }

    /// Calls a method and reads its result.
    ///
    /// # Errors
    /// [`ClientError::Protocol`] if the result is not a `T`, and what the call itself may meet.
    pub fn ask<T: DeserializeOwned>(&mut self, method: &str, params: &impl Serialize) -> Result<T, ClientError> {
        read(&self.call(method, params)?)
    }

    /// Calls a method and prints its result: as JSON if that was asked for, else as `people` makes it.
    ///
    /// # Errors
    /// As [`Session::ask`], and [`ClientError::Output`].
    pub fn show<T: DeserializeOwned>(
        &mut self,
        method: &str,
        params: &impl Serialize,
        people: impl FnOnce(&T, Look) -> String,
    ) -> Result<T, ClientError> {
        let json = self.call(method, params)?;
        if self.json {
            Self::print_json(&json)?;
            return read(&json);
        }
        let result = read(&json)?;
        Self::print(&people(&result, self.look))?;
        Ok(result)
    }

    /// Prints a part of a result, as [`Session::show`] prints a whole one.
    ///
    /// # Errors
    /// [`ClientError::Output`].
    pub fn present<T: Serialize>(&self, part: &T, people: impl FnOnce(&T, Look) -> String) -> Result<(), ClientError> {
        if !self.json {
            return Self::print(&people(part, self.look));
        }
        Self::print_json(&to_raw_value(part).map_err(|error| ClientError::Output(io::Error::other(error)))?)
    }

    /// The id that makes a call safe to repeat: the given one, or a new one, told on standard error before anything is sent.
    ///
    /// # Errors
    /// [`ClientError::Output`]: a call whose id nobody could read must not begin.
    pub fn repeatable(&mut self, flag: &'static str, param: &str, given: Option<&RequestId>) -> Result<String, ClientError> {
        if let Some(id) = given {
            self.attempt.repeat = Some(Repeat { flag, id: id.to_string(), given: true });
            return Ok(id.to_string());
        }
        // Where there is no daemon, there is nothing to repeat.
        self.connection()?;
        let id = uuid::Uuid::new_v4().to_string();
        let text = format!("note: {flag} {id} makes this safe to repeat");
        Self::tell(&if self.json { json!({ param: id }).to_string() } else { text })?;
        self.attempt.repeat = Some(Repeat { flag, id: id.clone(), given: false });
        Ok(id)
    }

    /// Something for people to know that is no result. JSON says it in its own members.
    pub fn note(&self, text: &str) -> Result<(), ClientError> {
        if self.json { Ok(()) } else { Self::tell(&format!("note: {text}")) }
    }

    /// Ends the connection; the next call opens another. A person may think for longer than the daemon runs.
    pub fn hang_up(&mut self) {
        self.connection = None;
    }

    fn connection(&mut self) -> Result<&mut Connection, ClientError> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            none => Ok(none.insert(Connection::open(&self.attempt.socket, self.timeout)?)),
        }
    }

    fn tell(line: &str) -> Result<(), ClientError> {
        // A broken standard error is no reader who has enough: it is an error of its own.
        writeln!(io::stderr(), "{line}").map_err(|error| ClientError::Output(io::Error::other(error)))
    }

    /// Tells an error on standard error, and gives the code to exit with.
    pub fn report(&self, error: &ClientError) -> Exit {
        let exit = error.exit();
        if exit == Exit::Done {
            return exit;
        }
        let next = next_step::after(error, &self.attempt);
        let text = if self.json { error_json(error, next.as_deref()) } else { error_text(error, next.as_deref()) };
        // Nowhere is left to tell that this failed; the exit code still does.
        let _ = io::stderr().write_all(text.as_bytes());
        exit
    }

    pub const fn look(&self) -> Look {
        self.look
    }

    pub const fn json(&self) -> bool {
        self.json
    }

    pub fn print(text: &str) -> Result<(), ClientError> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    pub fn print_json(json: &RawValue) -> Result<(), ClientError> {
        Self::print(&format!("{}\n", json_line(json.get())))
    }
}

/// A result in its type.
///
/// # Errors
/// [`ClientError::Protocol`].
pub fn read<T: DeserializeOwned>(json: &RawValue) -> Result<T, ClientError> {
    serde_json::from_str(json.get()).map_err(|error| ClientError::protocol(&error))
}

fn error_text(error: &ClientError, next: Option<&str>) -> String {
    let label = match error {
        ClientError::Refused(refusal) => refusal.label(),
        other => other.kind().to_owned(),
    };
    let told = format!("error: {} [{}]\n", visible(&error.to_string()), visible(&label));
    match next {
        // Several steps are several lines.
        Some(next) => next.lines().fold(told, |told, line| format!("{told}  next: {}\n", visible(line))),
        None => told,
    }
}

/// The daemon's error as it came, or one of kmsign's own in the same form.
fn error_json(error: &ClientError, next: Option<&str>) -> String {
    let own = || json!({ "message": error.to_string(), "data": { "kind": error.kind() } }).to_string();
    let object = if let ClientError::Refused(refusal) = error { refusal.json().to_owned() } else { own() };
    let next = next.map_or_else(String::new, |next| format!(",\"next\":{}", Value::from(next)));
    format!("{}\n", json_line(&format!("{{\"error\":{object}{next}}}")))
}
