//! What people see of a text that is signed, and whether that is what it says.

/// Whether a text is shown as what it is: it has no control characters but line ends and tabs, none by which Unicode turns what
/// follows around (UAX #9, "Explicit Directional Formatting Characters" and the marks beside them), so that it reads in another
/// order than it has, and none that nobody sees (of Unicode's Default_Ignorable_Code_Point), but for what joins letters or chooses their form.
#[must_use]
pub fn is_shown_as_it_is(text: &str) -> bool {
    text.chars().all(|letter| {
        matches!(letter, '\n' | '\r' | '\t') || !(letter.is_control() || turns_text_around(letter) || is_invisible(letter))
    })
}

const fn turns_text_around(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

const fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}')
        || matches!(letter, '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{206f}' | '\u{3164}')
        || matches!(letter, '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}')
        || matches!(letter, '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_those_that_turn_text_around_are_not_shown_as_they_are() {
        for text in ["", "pay 5\r\n\tto me", "\u{e9}\u{1f604}\u{5e9}\u{5dc}", "\u{2615}\u{fe0f}"] {
            assert!(is_shown_as_it_is(text), "{text:?}");
        }
        for letter in [
            '\0',
            '\u{1b}',
            '\u{7f}',
            '\u{9b}',
            '\u{61c}',
            '\u{200f}',
            '\u{202a}',
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{ad}',
            '\u{200b}',
            '\u{2028}',
            '\u{2060}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            assert!(!is_shown_as_it_is(&format!("a{letter}b")), "{letter:?}");
        }
    }
}
