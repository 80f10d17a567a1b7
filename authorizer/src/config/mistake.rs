//! Mistakes in a configuration, and their places.

use toml::de::DeTable;

use super::shape;

/// A mistake in a file, and its byte offset if it has one.
pub(super) struct Wrong {
    pub(super) at: Option<usize>,
    pub(super) message: String,
}

impl Wrong {
    pub(super) fn file(message: impl Into<String>) -> Self {
        Self { at: None, message: message.into() }
    }

    pub(super) fn at(offset: usize) -> impl FnOnce(String) -> Self {
        move |message| Self { at: Some(offset), message }
    }
}

/// A mistake in a table: the field, and the item of its list, that it is about.
///
/// Without a field it is about the whole table.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) field: String,
    pub(super) item: String,
    pub(super) message: String,
}

impl Mistake {
    pub(super) fn of(field: &str, message: impl Into<String>) -> Self {
        Self { field: field.to_owned(), item: String::new(), message: message.into() }
    }

    pub(super) fn of_item(field: &str, item: &str, message: impl Into<String>) -> Self {
        Self { item: item.to_owned(), ..Self::of(field, message) }
    }

    pub(super) fn of_table(message: impl Into<String>) -> Self {
        Self::of("", message)
    }

    /// Adds the place of the mistake in the file.
    pub(super) fn placed(self, file: &DeTable<'_>, table: (&str, usize)) -> Wrong {
        let at = shape::place(file, table, &self.field, &self.item);
        Wrong { at, message: self.message }
    }
}

/// Returns the line of a byte offset, from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// Returns the message for a text that is not TOML.
pub(super) fn not_toml(text: &str, found: &toml::de::Error) -> String {
    let message = one_line(found.message());
    let key = found.span().and_then(|span| text.get(span)).unwrap_or_default();
    if message == "duplicate key" {
        return format!("duplicate field `{}`: remove one", key.escape_debug());
    }
    let message = match message.strip_prefix("string values must be quoted") {
        Some(_) => "a text must be in quotes",
        None => &message,
    };
    format!("not TOML: {message}")
}

pub(super) fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
