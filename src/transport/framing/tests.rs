use proptest::prelude::*;

use super::*;

const LIMIT: usize = 200;

/// A piece that owns its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owned {
    NotJson,
    Message(String),
    TooLong(Option<String>),
    Garbage,
}

fn pieces_of(chunks: &[&[u8]]) -> Vec<Owned> {
    let mut framing = Framing::new(LIMIT);
    let mut found = Vec::new();
    for chunk in chunks {
        framing.space().extend_from_slice(chunk);
        while let Some(piece) = framing.next() {
            found.push(match piece {
                Piece::NotJson => return vec![Owned::NotJson],
                Piece::Message(bytes) => Owned::Message(String::from_utf8_lossy(bytes).into_owned()),
                Piece::TooLong { id } => Owned::TooLong(id),
                Piece::Garbage => Owned::Garbage,
            });
        }
    }
    found
}

fn pieces(text: &str) -> Vec<Owned> {
    pieces_of(&[text.as_bytes()])
}

fn message(text: &str) -> Owned {
    Owned::Message(text.to_owned())
}

#[test]
fn next_on_values_apart_or_together_gives_each() {
    let both = vec![message(r#"{"a":1}"#), message(r#"[{"b":"}]\"{"}]"#)];
    for text in ["{\"a\":1}\n[{\"b\":\"}]\\\"{\"}]\n", r#"{"a":1}[{"b":"}]\"{"}]"#, "\n\t \r{\"a\":1}   [{\"b\":\"}]\\\"{\"}]"] {
        assert_eq!(pieces(text), both, "{text}");
    }
}

#[test]
fn next_on_first_byte_of_no_json_says_so_and_keeps_the_bytes() {
    for text in ["GET / HTTP/1.1", "\r\nPOST / HTTP/1.1", "\"text\"", "1", "}"] {
        let mut framing = Framing::new(LIMIT);
        framing.space().extend_from_slice(text.as_bytes());
        assert_eq!(framing.next(), Some(Piece::NotJson), "{text}");
        assert_eq!(framing.into_rest(), text.trim_start().as_bytes());
    }
}

#[test]
fn next_on_garbage_reports_each_line_once_and_goes_on() {
    assert_eq!(
        pieces("{}, null 17 {\"in\":\"the same line\"}\n}}}\n\n{\"a\":1}"),
        [message("{}"), Owned::Garbage, Owned::Garbage, message("{\"a\":1}")]
    );
}

#[test]
fn next_on_value_at_and_over_the_limit() {
    let of = |length: usize| format!("{{\"id\":7,\"p\":\"{}\"}}", "x".repeat(length - 15));
    assert_eq!(of(LIMIT).len(), LIMIT);
    assert_eq!(pieces(&of(LIMIT)), [message(&of(LIMIT))]);
    assert_eq!(pieces(&format!("{}{{}}", of(LIMIT + 1))), [Owned::TooLong(Some("7".to_owned())), message("{}")]);
}

#[test]
fn next_on_endless_value_keeps_no_more_than_the_limit() {
    let mut framing = Framing::new(LIMIT);
    framing.space().extend_from_slice(b"{\"p\":\"");
    for _ in 0..100 {
        framing.space().extend_from_slice(&[b'x'; 1000]);
        assert_eq!(framing.next(), None);
        assert!(framing.buffer.len() <= LIMIT + 1000 && framing.is_inside());
    }
    framing.space().extend_from_slice(b"\",\"id\":\"late\"}");
    assert_eq!(framing.next(), Some(Piece::TooLong { id: Some("\"late\"".to_owned()) }));
    assert_eq!(framing.space().capacity(), ORDINARY_BYTES);
}

#[test]
fn next_on_line_break_in_a_string_ends_the_value() {
    assert_eq!(pieces("{\"id\":1,\"m\":\"open}\n{\"id\":2}"), [message("{\"id\":1,\"m\":\"open}\n"), message("{\"id\":2}")]);
}

#[test]
fn abandon_gives_the_id_and_goes_on_at_the_next_line() {
    let mut framing = Framing::new(LIMIT);
    framing.space().extend_from_slice(b"{\"id\":\"a\",\"params\":[{\"id\":2},");
    assert_eq!(framing.next(), None);
    assert_eq!(framing.abandon(), Some("\"a\"".to_owned()));
    assert!(!framing.is_inside());
    framing.space().extend_from_slice(b"{\"id\":3}]}\n{\"id\":4}");
    assert_eq!(framing.next(), Some(Piece::Message(b"{\"id\":4}")));
}

#[test]
fn abandon_at_a_line_start_goes_on_there() {
    let mut framing = Framing::new(LIMIT);
    framing.space().extend_from_slice(b"{\"id\":5,\n");
    assert_eq!(framing.next(), None);
    assert_eq!(framing.abandon(), Some("5".to_owned()));
    framing.space().extend_from_slice(b"{\"id\":6}");
    assert_eq!(framing.next(), Some(Piece::Message(b"{\"id\":6}")));
}

#[test]
fn find_takes_the_outermost_id_alone() {
    let find = |text: &str| IdFinder::find(text.as_bytes());
    assert_eq!(find(r#"{"id":1,"#), Some("1".to_owned()));
    assert_eq!(find(r#" { "p" : [{"id":2}, {"x":{"id":3}}] , "id" : "a\"}, \u00e9" }"#), Some(r#""a\"}, \u00e9""#.to_owned()));
    assert_eq!(find(r#"{"\u0069d":4}"#), Some("4".to_owned()));
    assert_eq!(find(r#"{"id":-1.5}"#), Some("-1.5".to_owned()));
    for none in [
        "",
        "{",
        r#"{"id":1"#,
        r#"{"id":"open"#,
        r#"{"id":null}"#,
        r#"{"id":{"id":1}}"#,
        r#"{"id":[1]}"#,
        r#"{"id":true}"#,
        r#"{"id":01}"#,
        r#"{"id":1 2}"#,
        r#"{"p":{"id":1}}"#,
        r#"[{"id":1}]"#,
        r#"{"method":"id","x":"id"}"#,
        "{\"id\":\"\u{1}\"}",
    ] {
        assert_eq!(find(none), None, "{none}");
    }
    assert_eq!(find(&format!(r#"{{"id":"{}"}}"#, "x".repeat(MAX_FOUND_ID_BYTES))), None);
    assert!(find(&format!(r#"{{"id":"{}"}}"#, "x".repeat(MAX_FOUND_ID_BYTES - 2))).is_some());
}

/// Text that often is nearly JSON.
fn nearly_json() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        4 => Just("{"), 4 => Just("}"), 2 => Just("["), 2 => Just("]"), 3 => Just("\""), 1 => Just("\\"), 2 => Just("\n"),
        1 => Just(" "), 2 => Just("\"id\":"), 2 => Just("7,"), 1 => Just("é"), 1 => Just("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
    ];
    prop::collection::vec(token, 0..120).prop_map(|tokens| format!("{{}}{}", tokens.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Where the stream happens to be cut changes nothing.
    #[test]
    fn next_on_any_cuts_gives_the_same(text in nearly_json(), cuts in prop::collection::vec(0usize..2000, 0..30)) {
        let bytes = text.as_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(pieces_of(&chunks), pieces(&text));
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(pieces_of(&single), pieces(&text));
    }

    /// Values written one behind the other come back as they were.
    #[test]
    fn next_on_valid_values_gives_each(
        texts in prop::collection::vec(".{0,20}", 1..20),
        gaps in prop::collection::vec("[ \t\r\n]{0,3}", 20),
    ) {
        let values: Vec<String> = texts.iter().map(|text| serde_json::json!({"id": 1, "p": [text, {"q": text}]}).to_string()).collect();
        let stream: String = values.iter().zip(&gaps).flat_map(|(value, gap)| [value.as_str(), gap.as_str()]).collect();
        let expected: Vec<Owned> =
            values.iter().map(|v| if v.len() > LIMIT { Owned::TooLong(Some("1".to_owned())) } else { message(v) }).collect();
        prop_assert_eq!(pieces(&stream), expected);
    }
}
