//! Text for people. Whatever came from the daemon passes [`visible`] or [`json_line`] first: a label, an error text or an audit
//! record must not be able to move the cursor, colour a line or turn the reading direction of an address.

use std::borrow::Cow;
use std::fmt::Write as _;

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use serde_json::Value;

/// How text may look.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Colours and bold: on a terminal whose user did not set NO_COLOR.
    pub colour: bool,
}

/// What a value says at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
    Waiting,
}

/// Control characters, the invisible ones that reorder or hide text, and blanks that are no space: Unicode's Cc, Zl, Zp and Zs but for the
/// space, its default ignorable code points, and the empty Braille pattern.
fn is_treacherous(c: char) -> bool {
    c.is_control()
        || (c != ' ' && c.is_whitespace())
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}')
        || matches!(c, '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}')
        || matches!(c, '\u{1bca0}'..='\u{1bca3}' | '\u{1d159}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text with its treacherous characters written out.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_treacherous) {
        return Cow::Borrowed(text);
    }
    text.chars()
        .fold(String::new(), |mut shown, c| {
            if is_treacherous(c) {
                shown.extend(c.escape_default());
            } else {
                shown.push(c);
            }
            shown
        })
        .into()
}

/// JSON text as one line that a terminal can show: the same JSON, its treacherous characters escaped.
pub fn json_line(json: &str) -> Cow<'_, str> {
    if !json.contains(is_treacherous) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            // Never within a string of valid JSON.
            '\n' | '\r' | '\t' => shown.push(' '),
            c if is_treacherous(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String never fails.
                    let _ = write!(shown, "\\u{unit:04x}");
                }
            }
            c => shown.push(c),
        }
    }
    shown.into()
}

/// A cell of a table.
pub fn cell(text: &str) -> Cell {
    Cell::new(visible(text))
}

/// A cell that may be empty.
pub fn cell_or_dash(text: Option<&str>) -> Cell {
    cell(text.unwrap_or("-"))
}

/// A cell that says how good the news is, in colour where there is one.
pub fn toned(text: &str, tone: Tone) -> Cell {
    tinted(cell(text), tone)
}

/// The same cell, in colour.
pub fn tinted(cell: Cell, tone: Tone) -> Cell {
    cell.fg(match tone {
        Tone::Good => Color::Green,
        Tone::Bad => Color::Red,
        Tone::Waiting => Color::Yellow,
    })
}

pub fn yes_or_no(yes: bool) -> Cell {
    if yes { toned("yes", Tone::Good) } else { toned("no", Tone::Bad) }
}

/// Columns, with a header or without. Nothing is cut or wrapped: an address is copied whole or not at all.
pub fn table(look: Look, header: &[&str], rows: Vec<Vec<Cell>>) -> String {
    let mut table = bare(look);
    if !header.is_empty() {
        table.set_header(header.iter().map(|name| Cell::new(name).add_attribute(Attribute::Bold)).collect::<Vec<_>>());
    }
    finish(table, rows)
}

/// Names on the left, values on the right.
pub fn details(look: Look, rows: Vec<(&str, Cell)>) -> String {
    finish(bare(look), rows.into_iter().map(|(name, value)| vec![cell(name).add_attribute(Attribute::Bold), value]).collect())
}

fn bare(look: Look) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if look.colour {
        table.enforce_styling()
    } else {
        table.force_no_tty()
    };
    table
}

fn finish(mut table: Table, rows: Vec<Vec<Cell>>) -> String {
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().fold(String::new(), |mut text, line| {
        text.push_str(line.trim_end());
        text.push('\n');
        text
    })
}

/// Any JSON value in a few words, for members that this kmsign need not know.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join("; "),
        Value::Object(members) if members.is_empty() => "-".to_owned(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| format!("{} {}", words(name), plain(value))).collect::<Vec<_>>().join(", ")
        }
    }
}

/// A JSON member's name as words: `uptimeSeconds` is "uptime seconds". Names in capitals stay as they are.
pub fn words(name: &str) -> String {
    if !name.contains(|c: char| c.is_ascii_lowercase()) {
        return name.to_owned();
    }
    name.chars().fold(String::new(), |mut text, c| {
        if c.is_ascii_uppercase() {
            text.push(' ');
        }
        text.push(c.to_ascii_lowercase());
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn visible_text_has_no_control_and_no_reordering_characters() {
        assert_eq!(visible("caf\u{e9} \u{65e5}\u{672c}"), "caf\u{e9} \u{65e5}\u{672c}");
        assert_eq!(visible("a\u{1b}[31m\r\nb"), "a\\u{1b}[31m\\r\\nb");
        for bad in
            "\u{0}\u{7}\u{7f}\u{9b}\u{200b}\u{202e}\u{2066}\u{feff}\u{e0041}\u{fe0f}\u{34f}\u{3164}\u{2800}\u{3000}\u{a0}\u{2003}"
                .chars()
        {
            assert!(!visible(&format!("x{bad}y")).contains(bad), "{bad:?}");
        }
    }

    #[test]
    fn json_line_is_the_same_json_without_unsafe_characters() {
        let value = json!({ "label": "a\u{7f}\u{9b}31m\u{202e}\u{e0041}", "n": 1 });
        let text = serde_json::to_string_pretty(&value).unwrap();
        let line = json_line(&text);
        assert!(!line.contains(is_treacherous), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
    }

    #[test]
    fn table_aligns_columns_and_leaves_nothing_at_the_ends() {
        let rows = vec![vec![cell("one"), cell("x")], vec![cell("three"), cell_or_dash(None)]];
        let text = table(Look { colour: false }, &["WORD", "NOTE"], rows);
        assert_eq!(text, "WORD   NOTE\none    x\nthree  -\n");
    }

    #[test]
    fn table_in_colour_differs_in_escape_sequences_alone() {
        let row = || vec![vec![toned("CREATED", Tone::Good)]];
        let bare = table(Look { colour: false }, &["STATUS"], row());
        let coloured = table(Look { colour: true }, &["STATUS"], row());
        assert!(!bare.contains('\u{1b}'));
        assert!(coloured.contains('\u{1b}') && coloured.contains("CREATED"));
    }

    #[test]
    fn plain_value_reads_as_words() {
        let value =
            json!({ "auditSequence": 7, "writable": true, "PENDING_DELETION": 2, "lag": null, "parts": [{"a": "b"}, {}] });
        assert_eq!(plain(&value), "audit sequence 7, writable yes, PENDING_DELETION 2, lag -, parts a b; -");
    }
}
