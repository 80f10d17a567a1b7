//! Text for a terminal, which must not act on it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Escapes control characters and those that change the direction of text, as JSON would; line
/// breaks stay.
///
/// Log lines, names in a configuration and an authorizer's answer hold what others wrote.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_active) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_active(c) {
            let _ = write!(shown, "\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// A text on one line: line breaks are escaped too.
///
/// A name in a template may have one, and what follows it would look like another line.
pub(crate) fn line(text: &str) -> String {
    escaped(text).replace('\n', "\\n")
}

fn is_active(c: char) -> bool {
    let separates = matches!(c, '\u{2028}' | '\u{2029}');
    let turns = matches!(c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (c.is_control() && c != '\n') || separates || turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_escaped() {
        let hostile = "a\u{1b}[2J\u{9b}\u{7f}\rb\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}\n";
        let shown = "a\\u001b[2J\\u009b\\u007f\\u000db\\u202e\\u2066\\u200f\\u061c\\u2028\n";
        assert_eq!(escaped(hostile), shown);
        assert_eq!(line("a\n\u{1b}b"), "a\\n\\u001bb");
        assert!(matches!(escaped("Ünïcode 日本 🦀\n"), Cow::Borrowed(_)));
    }
}
