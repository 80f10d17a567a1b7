//! The functions of `$util` that change one text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The characters that a form's value is written without escapes.
const OUTSIDE_OF_A_FORM: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*');

/// The calls that follow `escapeJavaScript` in a template of JSON, because JSON has no `\'`.
const QUOTES_AS_THEY_ARE: [&str; 2] = [r#".replaceAll("\\'","'")"#, r#".replaceAll("\\'", "'")"#];

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    EscapeJavaScript,
    /// The same without a backslash before single quotes.
    EscapeJson,
    UrlEncode,
    UrlDecode,
    Base64Encode,
    Base64Decode,
}

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "escapeJavaScript" => Self::EscapeJavaScript,
            "urlEncode" => Self::UrlEncode,
            "urlDecode" => Self::UrlDecode,
            "base64Encode" => Self::Base64Encode,
            "base64Decode" => Self::Base64Decode,
            _ => return None,
        })
    }

    /// Reads the replacement of single quotes that may follow, and returns the text after it.
    pub(super) fn with_quotes(self, rest: &str) -> (Self, &str) {
        let after = QUOTES_AS_THEY_ARE.iter().find_map(|text| rest.strip_prefix(text));
        match (self, after) {
            (Self::EscapeJavaScript, Some(after)) => (Self::EscapeJson, after),
            _ => (self, rest),
        }
    }

    /// The value of a text; `None` for one that cannot be decoded.
    pub(super) fn of(self, text: &str) -> Option<String> {
        match self {
            Self::EscapeJavaScript => Some(escaped(text)),
            Self::EscapeJson => Some(escaped(text).replace(r"\'", "'")),
            Self::UrlEncode => {
                Some(utf8_percent_encode(text, OUTSIDE_OF_A_FORM).to_string().replace("%20", "+"))
            }
            Self::UrlDecode => {
                let spaced = text.replace('+', " ");
                Some(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
            }
            Self::Base64Encode => Some(STANDARD.encode(text)),
            Self::Base64Decode => {
                let bytes = STANDARD.decode(text.trim_ascii()).ok()?;
                Some(String::from_utf8_lossy(&bytes).into_owned())
            }
        }
    }
}

/// A text with the escapes of JavaScript, as Apache's Commons Lang makes them.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '"' | '\\' | '/' => escaped.extend(['\\', c]),
            '\u{8}' => escaped.push_str("\\b"),
            '\t' => escaped.push_str("\\t"),
            '\n' => escaped.push_str("\\n"),
            '\u{c}' => escaped.push_str("\\f"),
            '\r' => escaped.push_str("\\r"),
            ' '..='\u{7f}' => escaped.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    escaped.push_str(&format!("\\u{unit:04X}"));
                }
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_encoded_and_decoded() {
        let of = |name: &str, text: &str| Function::named(name).unwrap().of(text);
        let is = |text: &str| Some(text.to_owned());
        let text = "{\"a\": 'b/c\\'}\n\u{1}é😀";
        assert_eq!(
            of("escapeJavaScript", text),
            is(r#"{\"a\": \'b\/c\\\'}\n\u0001\u00E9\uD83D\uDE00"#)
        );
        assert_eq!(of("urlEncode", "a b&c=ä*~"), is("a+b%26c%3D%C3%A4*%7E"));
        assert_eq!(of("urlDecode", "a+b%26c%3D%C3%A4%2B"), is("a b&c=ä+"));
        assert_eq!(of("base64Encode", "hi"), is("aGk="));
        assert_eq!(of("base64Decode", "aGk="), is("hi"));
        assert_eq!(of("base64Decode", "no base64!"), None);
    }

    #[test]
    fn single_quotes_are_kept_where_the_template_asks_for_it() {
        let function = Function::named("escapeJavaScript").unwrap();
        let (json, rest) = function.with_quotes(r#".replaceAll("\\'","'") }"#);
        assert_eq!((json, rest), (Function::EscapeJson, " }"));
        assert_eq!(json.of(r#"it's "x" \"#).unwrap(), r#"it's \"x\" \\"#);
        assert_eq!(function.with_quotes(".replaceAll('a','b')").0, Function::EscapeJavaScript);
        assert_eq!(
            Function::UrlEncode.with_quotes(r#".replaceAll("\\'","'")"#).0,
            Function::UrlEncode
        );
    }
}
