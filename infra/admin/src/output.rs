//! Everything that a command prints. No other module writes to standard output or standard error.
//!
//! Much of it was written by others: unverified tokens, names in the table, arguments that
//! were pasted. A control character could act on the terminal, and a bidirectional one could show a
//! text in another order, so all of it is escaped here.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::io::{ErrorKind, IsTerminal, Write, stderr};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use crate::error::Error;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Text for people; its colours are for a terminal alone.
    Text,
    /// One line of JSON.
    Json,
}

impl Output {
    /// Prints the answer in the wanted form.
    pub(crate) fn print(self, text: impl Display, json: &Value) -> Result<(), Error> {
        match self {
            Self::Text => write(format_args!("{text}\n")),
            Self::Json => write(format_args!("{json}\n")),
        }
    }
}

/// Writes to standard output, escaped except for line breaks and tabs.
///
/// The escapes are those of JSON, so that JSON stays JSON and means the same.
pub(crate) fn write(text: impl Display) -> Result<(), Error> {
    emit(&escape(&text.to_string(), &['\n', '\t']))
}

/// Writes to standard output as it is, without colours where it is not a terminal.
///
/// Only for texts whose foreign parts are escaped already.
pub(crate) fn write_styled(text: &str) -> Result<(), Error> {
    emit(text)
}

fn emit(text: &str) -> Result<(), Error> {
    let mut out = anstream::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Error::unheard()),
        Err(error) => Err(Error::unavailable(format!("can't write the answer: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Prints a line on standard error, separate from the answer.
pub(crate) fn note(line: impl Display) {
    let line = line.to_string();
    // If this fails, there is nowhere to report it.
    let _ = writeln!(anstream::stderr().lock(), "tollgate: {}", one_line(&line));
}

/// Tells a person that a command takes long; a script needs no such line.
pub(crate) fn still_working() {
    if stderr().is_terminal() {
        note("still working, waiting for the table or an issuer; Ctrl-C stops it");
    }
}

/// Prints why a command was not done, on standard error, and returns its exit code.
pub(crate) fn report(error: &Error) -> ExitCode {
    error.lines().iter().for_each(|line| complain(line));
    ExitCode::from(error.code())
}

fn complain(line: &str) {
    let red = Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
    let line = one_line(line);
    let _ = writeln!(anstream::stderr().lock(), "{red}tollgate:{red:#} {line}");
}

/// Prints a question on standard error, and leaves the cursor behind it.
pub(crate) fn question(text: &str) {
    let mut out = anstream::stderr().lock();
    let _ = write!(out, "{}", one_line(text)).and_then(|()| out.flush());
}

/// Prints the parser's answer to a wrong command line, which may quote it.
pub(crate) fn misused(text: &str) {
    let _ = write!(anstream::stderr().lock(), "{}", escape(text, &['\n', '\t']));
}

/// Escapes a text that is to stay within a line or a cell.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    escape(text, &[])
}

/// Escapes a text for one line; breaks and tabs become spaces.
fn one_line(text: &str) -> String {
    escaped(&text.replace(['\n', '\r', '\t'], " ")).into_owned()
}

/// Escapes every character that can act on a terminal, other than those in `kept`.
fn escape<'a>(text: &'a str, kept: &[char]) -> Cow<'a, str> {
    let acts = |c: char| is_active(c) && !kept.contains(&c);
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) {
            // All of them have four hexadecimal digits, as JSON's escapes do.
            let _ = write!(shown, "\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Returns whether a character is a control (C0, DEL, C1), a line or paragraph separator, or
/// changes the direction of text.
fn is_active(c: char) -> bool {
    let breaks = matches!(c, '\u{2028}' | '\u{2029}');
    let turns = matches!(c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || breaks || turns
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Characters that act on a terminal, each between letters.
    const HOSTILE: &str =
        "a\u{1b}[31mb\u{7f}c\u{9b}2Jd\u{202e}e\u{2066}f\u{200f}g\u{61c}h\u{2028}i\u{0}j";

    #[test]
    fn what_acts_on_a_terminal_is_escaped() {
        let shown =
            "a\\u001b[31mb\\u007fc\\u009b2Jd\\u202ee\\u2066f\\u200fg\\u061ch\\u2028i\\u0000j";
        assert_eq!(escaped(HOSTILE), shown);
        for c in ('\u{0}'..='\u{10ffff}').filter(|c| c.is_control()) {
            assert_eq!(escaped(&c.to_string()), format!("\\u{:04x}", u32::from(c)));
        }
        for text in ["", "maria", "Ünïcode 日本 🦀", "שלום", "مرحبا", "`<&'\"\\"] {
            assert!(matches!(escaped(text), Cow::Borrowed(same) if same == text), "{text}");
        }
        assert_eq!(escape("a\tb\nc\rd", &['\n', '\t']), "a\tb\nc\\u000dd");
        assert_eq!(one_line("a\r\nb\tc\u{202e}"), "a  b c\\u202e");
    }

    #[test]
    fn json_stays_the_same_json() {
        let json = json!({HOSTILE: [HOSTILE, 1]});
        let printed = escape(&json.to_string(), &['\n', '\t']).into_owned();
        assert!(printed.is_ascii(), "{printed}");
        assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), json);
    }

    /// Every other module prints through this one.
    #[test]
    fn nothing_else_prints() {
        fn sources(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { sources(&path, found) } else { found.push(path) }
            }
        }
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = Vec::new();
        sources(&folder, &mut found);
        assert!(found.len() > 40);
        let others = |file: &&std::path::PathBuf| {
            // `layout` asks how wide the terminal is.
            !file.ends_with("output.rs") && !file.ends_with("layout.rs")
        };
        for file in found.iter().filter(others) {
            let text = std::fs::read_to_string(file).unwrap();
            let text = text.replace("DrawTarget::stderr()", "").replace("use_stderr()", "");
            for word in ["println!", "print!(", "dbg!", "stdout()", "stderr()"] {
                assert!(!text.contains(word), "{word} in {}", file.display());
            }
        }
        // Styled text is not escaped, so each use of it is a text that is escaped in its parts.
        let uses = |file: &&std::path::PathBuf| {
            std::fs::read_to_string(file).unwrap().contains("write_styled(")
        };
        let styled: Vec<_> = found.iter().filter(uses).collect();
        assert_eq!(styled.len(), 2, "here and in `usage show`: {styled:?}");
    }
}
