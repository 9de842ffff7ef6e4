//! One connection: its first byte chooses the framing, and this is the loop of an IPC stream. A request that can be answered at
//! once costs one read and one write, no task and no channel; answers that are ready together are written together.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, Sleep, sleep_until};

use super::dispatch::{Finished, Later, Phase, Session, put_line};
use super::envelope::Refusal;
use super::framing::{Framing, Piece};
use super::http;
use super::patient::Patient;
use crate::rpc::error_codes::Kind;

/// While this much waits to be written, nothing more is read: a client that doesn't take its answers holds no more than this and
/// what it has in flight.
const MAX_UNWRITTEN_BYTES: usize = 1 << 20;
/// An empty buffer that has grown beyond this is given back.
const MAX_KEPT_BYTES: usize = 64 << 10;
/// How long a stopping server waits for a last request that is on its way.
pub(super) const QUIET_TIME: Duration = Duration::from_millis(250);
/// Of a message on a connection that is refused; its answer takes no more than its id.
const MAX_REFUSED_MESSAGE_BYTES: usize = 64 << 10;

/// Serves a connection until its client has closed it and has its answers.
pub(super) async fn serve(session: Arc<Session>, mut stream: UnixStream) {
    let (later, finished) = unbounded_channel();
    let max_bytes = if session.is_refused() { MAX_REFUSED_MESSAGE_BYTES } else { session.limits().max_message_bytes };
    let ipc = Ipc {
        session: &session,
        input: Input::Open,
        framing: Framing::new(max_bytes),
        out: BytesMut::new(),
        later,
        waiting: 0,
        message_deadline: None,
        quiet_deadline: None,
    };
    let result = match ipc.run(&mut stream, finished).await {
        Ok(Some(begun)) => http::serve(&session, stream, begun).await.map_err(io::Error::other),
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = result {
        tracing::debug!(uid = session.caller().uid(), %error, "a connection broke");
    }
}

struct Ipc<'s> {
    session: &'s Arc<Session>,
    input: Input,
    framing: Framing,
    out: BytesMut,
    later: Later,
    /// Messages whose answer will come through `later`.
    waiting: usize,
    /// When the message that has begun must have ended.
    message_deadline: Option<Instant>,
    /// When a stopping server ends the connection, if nothing more comes.
    quiet_deadline: Option<Instant>,
}

#[derive(PartialEq, Eq)]
enum Input {
    Open,
    /// The client sends no more.
    Ended,
    /// Everything was taken in, or the rest does not matter.
    Done,
}

/// The connection speaks HTTP.
struct SpeaksHttp;

impl Ipc<'_> {
    /// Runs to the end of the connection, or gives the bytes read from it if it speaks HTTP.
    async fn run(mut self, stream: &mut UnixStream, mut finished: Finished) -> io::Result<Option<Vec<u8>>> {
        let (mut read, write) = stream.split();
        let mut write = Patient::new(write, self.session.limits().message_time);
        let mut timer = pin!(sleep_until(Instant::now()));
        let mut phases = self.session.phase();
        // A server that is gone can't wait for anybody.
        let mut server_is_gone = false;
        loop {
            let phase = if server_is_gone { Phase::Expired } else { *phases.borrow_and_update() };
            while let Ok((_, answer)) = finished.try_recv() {
                self.answer(&answer);
            }
            if let Some(SpeaksHttp) = self.take_in() {
                return Ok(Some(self.framing.into_rest()));
            }
            let is_idle = self.waiting == 0 && self.out.is_empty();
            if is_idle && (self.input == Input::Done || phase == Phase::Expired) {
                return Ok(None);
            }
            if is_idle && phase == Phase::Draining {
                self.quiet_deadline.get_or_insert_with(|| Instant::now() + QUIET_TIME);
            }
            let may_read = self.input == Input::Open && self.has_room();
            let deadline = [self.message_deadline, self.quiet_deadline].into_iter().flatten().min();
            tokio::select! {
                biased;
                written = write.write(&self.out), if !self.out.is_empty() => {
                    self.out.advance(written?);
                    if self.out.is_empty() && self.out.capacity() > MAX_KEPT_BYTES {
                        self.out = BytesMut::new();
                    }
                }
                count = read.read_buf(self.framing.space()), if may_read => {
                    self.quiet_deadline = None;
                    if count? == 0 {
                        self.input = Input::Ended;
                    }
                }
                Some((_, answer)) = finished.recv(), if self.waiting > 0 => self.answer(&answer),
                () = wait_until(timer.as_mut(), deadline), if deadline.is_some() => self.time_is_up(),
                changed = phases.changed(), if phase < Phase::Expired => server_is_gone = changed.is_err(),
            }
        }
    }

    fn has_room(&self) -> bool {
        self.out.len() < MAX_UNWRITTEN_BYTES && self.session.has_room()
    }

    fn answer(&mut self, answer: &[u8]) {
        self.waiting = self.waiting.saturating_sub(1);
        put_line(&mut self.out, answer);
    }

    /// Takes in what has been read, as far as there is room for answers.
    fn take_in(&mut self) -> Option<SpeaksHttp> {
        while self.input != Input::Done {
            if !self.has_room() {
                // What is not read can't be late.
                self.message_deadline = None;
                break;
            }
            let Some(piece) = self.framing.next() else {
                self.await_more();
                break;
            };
            self.message_deadline = None;
            let answered_later = match piece {
                Piece::NotJson => return Some(SpeaksHttp),
                Piece::Message(message) => self.session.receive(message, &mut self.out, &self.later),
                Piece::TooLong { id } => self.session.refuse(Refusal::too_long(id, self.session.limits()), &mut self.out),
                Piece::Garbage => {
                    let text = "between two messages may only be white space; the rest of the line is skipped";
                    self.session.refuse(Refusal::new(None, Kind::ParseError, text), &mut self.out)
                }
            };
            self.waiting = self.waiting.saturating_add(usize::from(answered_later));
            if self.session.is_refused() && !self.out.is_empty() {
                self.input = Input::Done;
            }
        }
        None
    }

    /// All that was read is taken in.
    fn await_more(&mut self) {
        let is_inside = self.framing.is_inside();
        match self.input {
            Input::Open if is_inside => {
                let now = Instant::now();
                let deadline = *self.message_deadline.get_or_insert(now + self.session.limits().message_time);
                // While bytes keep coming, the timer may never be looked at.
                if deadline <= now {
                    self.time_is_up();
                }
            }
            Input::Open | Input::Done => (),
            Input::Ended => {
                if is_inside {
                    self.abandon_message(Kind::ParseError, "the stream ended inside the message");
                }
                self.input = Input::Done;
            }
        }
    }

    fn time_is_up(&mut self) {
        let is_past = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= Instant::now());
        let is_quiet = is_past(self.quiet_deadline);
        if is_past(self.message_deadline) || (is_quiet && self.framing.is_inside()) {
            self.message_deadline = None;
            let seconds = self.session.limits().message_time.as_secs_f64();
            self.abandon_message(Kind::ParseError, &format!("the message was not finished within {seconds} s"));
        }
        if is_quiet {
            self.quiet_deadline = None;
            self.input = Input::Done;
        }
    }

    fn abandon_message(&mut self, kind: Kind, text: &str) {
        let id = self.framing.abandon();
        self.session.refuse(Refusal::new(id, kind, text), &mut self.out);
    }
}

async fn wait_until(mut timer: Pin<&mut Sleep>, deadline: Option<Instant>) {
    if let Some(deadline) = deadline
        && deadline != timer.deadline()
    {
        timer.as_mut().reset(deadline);
    }
    timer.await;
}
