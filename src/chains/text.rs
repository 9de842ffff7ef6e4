//! What people see of a text that is signed, and whether that is what it says.

/// Whether a text is shown as what it is: it has no control characters but line ends and tabs, and none by which Unicode turns what
/// follows around (UAX #9, "Explicit Directional Formatting Characters" and the marks beside them), so that it reads in another
/// order than it has.
#[must_use]
pub fn is_shown_as_it_is(text: &str) -> bool {
    text.chars().all(|letter| matches!(letter, '\n' | '\r' | '\t') || !letter.is_control() && !turns_text_around(letter))
}

const fn turns_text_around(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_those_that_turn_text_around_are_not_shown_as_they_are() {
        for text in ["", "pay 5\r\n\tto me", "\u{e9}\u{1f604}\u{5e9}\u{5dc}"] {
            assert!(is_shown_as_it_is(text), "{text:?}");
        }
        for letter in ['\0', '\u{1b}', '\u{7f}', '\u{9b}', '\u{61c}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}']
        {
            assert!(!is_shown_as_it_is(&format!("a{letter}b")), "{letter:?}");
        }
    }
}
