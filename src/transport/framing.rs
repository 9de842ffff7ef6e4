//! Finds where a JSON value ends in a stream of bytes, without parsing it, in bounded memory, looking at each byte once.
//!
//! A value begins with `{` or `[`; only white space may stand between values. What breaks this is reported, and the stream goes
//! on: behind anything else at the next line, behind a value that is too long at its end, behind a line break inside a string
//! (which no JSON has) at the next line.

/// Room for one ordinary message; a longer one grows the buffer, which shrinks back afterwards.
const ORDINARY_BYTES: usize = 8 << 10;
const MOST_READ_AT_ONCE: usize = 64 << 10;
/// A longer id than this is not looked for in a message that can't be parsed.
const MAX_FOUND_ID_BYTES: usize = 256;

/// What comes next in the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// The first byte of the connection begins no JSON: it speaks HTTP.
    NotJson,
    /// One value, bracket to bracket. It may still be anything inside.
    Message(&'a [u8]),
    /// A value beyond the limit has ended; its id, as raw JSON, if it is a request that has one.
    TooLong { id: Option<String> },
    /// Something else than a value; the rest of its line is skipped.
    Garbage,
}

#[derive(Debug)]
pub(super) struct Framing {
    buffer: Vec<u8>,
    /// Of `buffer`, what has been handed out.
    start: usize,
    /// Of `buffer`, what has been looked at.
    scanned: usize,
    state: State,
    max_message_bytes: usize,
    opened: bool,
}

#[derive(Debug)]
enum State {
    Between,
    Inside(Scanner),
    /// In a value beyond the limit, which is no longer kept.
    Discarding(IdFinder),
    ToNextLine,
}

impl Framing {
    pub(super) const fn new(max_message_bytes: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, scanned: 0, state: State::Between, max_message_bytes, opened: false }
    }

    /// Where the next bytes of the stream are to be appended.
    pub(super) fn space(&mut self) -> &mut Vec<u8> {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.buffer.shrink_to(ORDINARY_BYTES);
        } else {
            self.buffer.drain(..self.start);
        }
        self.scanned = self.scanned.saturating_sub(self.start);
        self.start = 0;
        let free = self.buffer.capacity().saturating_sub(self.buffer.len());
        if free < ORDINARY_BYTES / 2 {
            self.buffer.reserve(self.buffer.len().clamp(ORDINARY_BYTES, MOST_READ_AT_ONCE));
        }
        &mut self.buffer
    }

    /// The next piece, or `None` when more bytes are needed.
    pub(super) fn next(&mut self) -> Option<Piece<'_>> {
        loop {
            let rest = self.buffer.get(self.scanned..).unwrap_or_default();
            match &mut self.state {
                State::Between => {
                    let Some(blanks) = rest.iter().position(|byte| !byte.is_ascii_whitespace()) else {
                        self.skip(rest.len());
                        return None;
                    };
                    let first = rest.get(blanks).copied().unwrap_or_default();
                    self.skip(blanks);
                    if matches!(first, b'{' | b'[') {
                        self.opened = true;
                        self.state = State::Inside(Scanner::default());
                    } else if self.opened {
                        self.state = State::ToNextLine;
                        return Some(Piece::Garbage);
                    } else {
                        return Some(Piece::NotJson);
                    }
                }
                State::Inside(scanner) => {
                    let end = scanner.end(rest);
                    self.scanned = self.scanned.saturating_add(end.unwrap_or(rest.len()));
                    if self.scanned.saturating_sub(self.start) > self.max_message_bytes {
                        // Looked at once more, for its id.
                        self.scanned = self.start;
                        self.state = State::Discarding(IdFinder::default());
                        continue;
                    }
                    end?;
                    let message = self.start..self.scanned;
                    self.start = self.scanned;
                    self.state = State::Between;
                    return Some(Piece::Message(self.buffer.get(message).unwrap_or_default()));
                }
                State::Discarding(finder) => {
                    let end = finder.end(rest);
                    let id = end.and_then(|_| finder.id());
                    self.skip(end.unwrap_or(rest.len()));
                    end?;
                    self.state = State::Between;
                    return Some(Piece::TooLong { id });
                }
                State::ToNextLine => {
                    let end = rest.iter().position(|byte| *byte == b'\n');
                    self.skip(end.unwrap_or(rest.len()));
                    end?;
                    self.state = State::Between;
                }
            }
        }
    }

    /// Whether a value has begun and not ended.
    pub(super) const fn is_inside(&self) -> bool {
        matches!(self.state, State::Inside(_) | State::Discarding(_))
    }

    /// Gives up the value that has begun; its id, as raw JSON, if it has been seen. What was taken for its inside is never read
    /// again as something else: a request could hide there. The stream goes on at the next line.
    pub(super) fn abandon(&mut self) -> Option<String> {
        let begun = self.buffer.get(self.start..).unwrap_or_default();
        let at_line_start = begun.last() == Some(&b'\n');
        let id = match std::mem::replace(&mut self.state, State::ToNextLine) {
            State::Inside(_) => IdFinder::find(begun),
            State::Discarding(finder) => finder.id(),
            State::Between | State::ToNextLine => None,
        };
        if at_line_start {
            self.state = State::Between;
        }
        self.start = self.buffer.len();
        self.scanned = self.start;
        id
    }

    /// The bytes read and not handed out.
    pub(super) fn into_rest(mut self) -> Vec<u8> {
        self.buffer.split_off(self.start)
    }

    fn skip(&mut self, bytes: usize) {
        self.scanned = self.scanned.saturating_add(bytes);
        self.start = self.scanned;
    }
}

/// Follows brackets and strings.
#[derive(Debug, Default)]
struct Scanner {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Scanner {
    /// How many of these bytes belong to the value, if it ends in them.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        bytes.iter().position(|byte| self.ends_with(*byte)).map(|last| last.saturating_add(1))
    }

    fn ends_with(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                b'\n' => return true,
                _ => (),
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => (),
        }
        self.depth == 0
    }
}

/// Finds the id of a request that can't be parsed, or is not kept: the value of the member `id` of the outermost object.
#[derive(Debug, Default)]
pub(super) struct IdFinder {
    scanner: Scanner,
    /// The outermost value is an array, which has no id.
    is_array: bool,
    /// The key or the value that is being read.
    token: Vec<u8>,
    in_id: bool,
    id: Option<String>,
}

impl IdFinder {
    /// The id, as raw JSON, in what there is of a request.
    pub(super) fn find(bytes: &[u8]) -> Option<String> {
        let mut finder = Self::default();
        finder.feed(bytes);
        finder.id()
    }

    /// Looks on, at the next bytes of the same value.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let bytes = if self.scanner.depth == 0 { bytes.trim_ascii_start() } else { bytes };
        self.end(bytes);
    }

    /// How many of these bytes belong to the value, if it ends in them.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        bytes.iter().position(|byte| self.ends_with(*byte)).map(|last| last.saturating_add(1))
    }

    fn ends_with(&mut self, byte: u8) -> bool {
        if self.scanner.depth == 0 {
            self.is_array = byte == b'[';
            return self.scanner.ends_with(byte);
        }
        let at_top = self.scanner.depth == 1 && !self.scanner.in_string;
        match byte {
            b':' if at_top => {
                self.in_id = serde_json::from_slice::<String>(&self.token).is_ok_and(|key| key == "id");
                self.token.clear();
            }
            b',' | b'}' if at_top => self.take_id(),
            _ if at_top && byte.is_ascii_whitespace() && self.token.is_empty() => (),
            // One byte more than is used tells a longer one.
            _ if self.token.len() <= MAX_FOUND_ID_BYTES => self.token.push(byte),
            _ => (),
        }
        self.scanner.ends_with(byte)
    }

    fn take_id(&mut self) {
        let token = std::mem::take(&mut self.token);
        let id = token.trim_ascii_end();
        let echoable = match id.first() {
            Some(b'"') => serde_json::from_slice::<String>(id).is_ok(),
            Some(_) => serde_json::from_slice::<serde_json::Number>(id).is_ok(),
            None => false,
        };
        if std::mem::take(&mut self.in_id) && token.len() <= MAX_FOUND_ID_BYTES && echoable {
            self.id = str::from_utf8(id).ok().map(str::to_owned);
        }
    }

    /// The id, as raw JSON, if it has been seen.
    pub(super) fn id(&self) -> Option<String> {
        self.id.clone().filter(|_| !self.is_array)
    }
}

#[cfg(test)]
mod tests;
