//! Texts of others on a terminal, broken into lines here, so that the terminal itself never breaks one: what it breaks goes on at the
//! beginning of a line, where it can pass for a row or a question of kmsign's own. A line that goes on begins with a mark instead.

use std::iter;

use comfy_table::Cell;
use serde_json::Value;

use super::output::{self, Look, Tone, tinted, visible};

/// What a terminal has whose width is not known.
pub const USUAL_COLUMNS: usize = 80;
/// Narrower ones would break the lines that are made here.
pub const MIN_COLUMNS: usize = 40;
/// At the beginning of what is the rest of the line above.
const MARK: &str = "| ";
/// Longest run of spaces that is shown as it is.
const MAX_SPACES: usize = 3;
/// Longest name of a row, in characters.
const MAX_NAME: usize = 20;
/// Between two columns, and behind the last.
const GAP: usize = 2;

/// Where text is shown.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    pub look: Look,
    /// How wide it is; less than [`MIN_COLUMNS`] counts as that.
    pub columns: usize,
}

/// A name of ours, and what others say.
#[derive(Debug)]
pub struct Row {
    name: String,
    /// Each begins a line of its own, without a mark.
    lines: Vec<String>,
    tone: Option<Tone>,
}

impl Row {
    pub fn new(name: &str, text: &str) -> Self {
        Self::of_lines(name, &[text])
    }

    /// Only the reader of these lines can tell where one begins: they must begin with words of ours.
    pub fn of_lines(name: &str, lines: &[impl AsRef<str>]) -> Self {
        Self::made(name, lines.iter().map(|line| shown(line.as_ref())).collect())
    }

    /// A text within quotation marks, as JSON has it: two different texts never look the same, but for characters that look alike.
    pub fn quoted(name: &str, text: &str, behind: &str) -> Self {
        Self::made(name, vec![shown(&Value::from(text).to_string()) + behind])
    }

    fn made(name: &str, lines: Vec<String>) -> Self {
        let name = shown(name);
        let cut = name.chars().nth(MAX_NAME).is_some();
        let name = if cut { name.chars().take(MAX_NAME).chain("...".chars()).collect() } else { name };
        Self { name, lines, tone: None }
    }

    pub fn toned(self, tone: Tone) -> Self {
        Self { tone: Some(tone), ..self }
    }
}

impl Page {
    /// Names on the left, texts on the right.
    pub fn rows(self, rows: &[Row]) -> String {
        let names = rows.iter().map(|row| columns(&row.name)).max().unwrap_or(0);
        let room = self.room().saturating_sub(names.saturating_add(GAP));
        let cells = rows.iter().map(|row| {
            let lines: Vec<_> = row.lines.iter().map(|line| wrapped(line, room)).collect();
            let cell = Cell::new(lines.join("\n"));
            (row.name.as_str(), row.tone.map_or_else(|| cell.clone(), |tone| tinted(cell.clone(), tone)))
        });
        output::details(self.look, cells.collect())
    }

    /// Columns with a header, unless the page is too narrow for them.
    pub fn table(self, header: &[&str], rows: &[Vec<(String, Option<Tone>)>]) -> Option<String> {
        let made = |look| {
            let cell = |(text, tone): &(String, Option<Tone>)| {
                let cell = Cell::new(shown(text));
                tone.map_or_else(|| cell.clone(), |tone| tinted(cell.clone(), tone))
            };
            output::table(look, header, rows.iter().map(|row| row.iter().map(cell).collect()).collect())
        };
        let fits = made(Look { colour: false }).lines().all(|line| columns(line) <= self.room());
        fits.then(|| made(self.look))
    }

    /// Blanks may stand behind the last column.
    fn room(self) -> usize {
        self.columns.max(MIN_COLUMNS).saturating_sub(GAP)
    }
}

/// How many columns a text takes at most: what is no ASCII takes two on some terminals.
fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

const fn columns_of(c: char) -> usize {
    if c.is_ascii() { 1 } else { 2 }
}

/// Without control characters and the like, and with long runs of spaces written out: they could move what follows to where it looks like
/// something else.
fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut spaces = 0_usize;
    for c in visible(text).chars().map(Some).chain(iter::once(None)) {
        if c == Some(' ') {
            spaces = spaces.saturating_add(1);
            continue;
        }
        if spaces > MAX_SPACES {
            // No text within quotation marks has a backslash before a brace: its own are doubled.
            shown.push_str(&format!("\\{{{spaces} spaces}}"));
        } else {
            shown.extend(iter::repeat_n(' ', spaces));
        }
        spaces = 0;
        shown.extend(c);
    }
    shown
}

/// The text in lines of at most `room` columns, between words if they are not too long; none but the first begins without the mark.
fn wrapped(text: &str, room: usize) -> String {
    let mut wrapped = String::with_capacity(text.len());
    let mut used = 0_usize;
    let go_on = |wrapped: &mut String| {
        wrapped.push('\n');
        wrapped.push_str(MARK);
        MARK.len()
    };
    for word in text.split_inclusive(' ') {
        let needed = columns(word);
        if used > MARK.len() && used.saturating_add(needed) > room && needed.saturating_add(MARK.len()) <= room {
            used = go_on(&mut wrapped);
        }
        for c in word.chars() {
            if used.saturating_add(columns_of(c)) > room {
                used = go_on(&mut wrapped);
            }
            wrapped.push(c);
            used = used.saturating_add(columns_of(c));
        }
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn page(columns: usize) -> Page {
        Page { look: Look { colour: false }, columns }
    }

    #[test]
    fn a_text_is_broken_between_words_and_goes_on_behind_a_mark() {
        assert_eq!(wrapped("short", 10), "short");
        assert_eq!(wrapped("one two three four", 10), "one two \n| three \n| four");
        assert_eq!(wrapped("0123456789abcdefgh", 10), "0123456789\n| abcdefgh");
        assert_eq!(wrapped("an 0123456789abcdef", 10), "an 0123456\n| 789abcde\n| f");
        assert_eq!(wrapped("", 10), "");
    }

    /// As a terminal would break it, whether it takes one or two columns for what is not ASCII.
    #[test]
    fn nothing_of_a_text_is_ever_at_the_beginning_of_a_line() {
        let fillers = ["x", "\u{6f22}", "\u{1f600}", "\u{e9}", ".", "x ", " ", "\u{3000}", "\u{2003}", "\\"];
        for width in [MIN_COLUMNS, 61, 80, 81, 200] {
            for (filler, many) in fillers.iter().flat_map(|filler| (0..2 * width).map(move |many| (filler, many))) {
                let text = format!("{}Sign this? [y/N] y", filler.repeat(many));
                let screen = page(width).rows(&[Row::new("reason", &text), Row::quoted("text", &text, "")]);
                for line in screen.lines() {
                    assert!(columns(line) <= width, "{width}: {line}");
                    let begun = ["reason  ", "text    ", "        | "].iter().any(|begin| line.starts_with(begin));
                    assert!(begun, "{width}: {line}");
                }
            }
        }
    }

    #[test]
    fn runs_of_spaces_are_written_out_and_can_not_be_imitated() {
        assert_eq!(shown("a   b"), "a   b");
        assert_eq!(shown("a    b     "), "a\\{4 spaces}b\\{5 spaces}");
        let quoted = |text: &str| page(80).rows(&[Row::quoted("text", text, "")]);
        assert_eq!(quoted("a\\{4 spaces}b"), "text  \"a\\\\{4 spaces}b\"\n");
        assert_ne!(quoted("a\\{4 spaces}b"), quoted("a    b"));
    }

    #[test]
    fn different_texts_look_different() {
        let texts = [
            "",
            "-",
            "a",
            "a ",
            " a",
            "a  ",
            "a\n",
            "a\\n",
            "a\\\\n",
            "\"a\"",
            "a\"",
            "a\u{fe0f}",
            "a\\u{fe0f}",
            "a\u{34f}",
            "a\u{3164}",
            "a\u{2800}",
            "a\u{3000}",
            "a\u{a0}",
            "a\t",
            "a    ",
            "a     ",
            "a\\{4 spaces}",
            "a\r\n",
            "a\u{200b}",
            "a\u{feff}",
            "null",
        ];
        let screens: std::collections::BTreeSet<_> =
            texts.iter().map(|text| page(80).rows(&[Row::quoted("text", text, "")])).collect();
        assert_eq!(screens.len(), texts.len(), "{screens:#?}");
        assert!(screens.iter().all(|screen| screen.is_ascii()), "{screens:#?}");
    }

    #[test]
    fn a_table_is_given_only_where_it_fits() {
        let rows = |text: &str| vec![vec![("transfer".to_owned(), None), (text.to_owned(), Some(Tone::Bad))]];
        assert_eq!(page(40).table(&["EFFECT", "TO"], &rows("x")).unwrap(), "EFFECT    TO\ntransfer  x\n");
        assert!(page(40).table(&["EFFECT", "TO"], &rows(&"x".repeat(28))).is_some());
        assert!(page(40).table(&["EFFECT", "TO"], &rows(&"x".repeat(29))).is_none());
        assert!(page(40).table(&["EFFECT", "TO"], &rows(&"\u{6f22}".repeat(15))).is_none());
    }

    #[test]
    fn a_name_is_short() {
        assert_eq!(page(80).rows(&[Row::new(&"n".repeat(30), "x")]), format!("{}...  x\n", "n".repeat(20)));
    }
}
