//! Reads the CSV file that API Gateway imports keys from.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::{self, Display};

use table::{Digest, Key, KeyDetails, KeyError, TextError, check_text};
use throttle::{NameError, PlanId};

/// The keys of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImportedKeys {
    /// The unit of the places of keys and errors.
    pub(crate) unit: Unit,
    /// The keys, in the file's order.
    pub(crate) keys: Vec<ImportedKey>,
    /// The rows that are not valid keys, each by its line.
    pub(crate) errors: Vec<ImportError>,
    /// The places of the keys in `keys`.
    places: HashMap<Digest, usize>,
}

/// The unit of a place in a file of keys: lines of CSV, or keys of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Line,
    Key,
}

impl Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Line => "line",
            Self::Key => "key",
        })
    }
}

/// A key from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImportedKey {
    /// The key.
    pub(crate) key: Key,
    /// The details from the file. The subject is the key itself. The plan is set if the file
    /// names exactly one.
    pub(crate) details: KeyDetails,
    /// Every plan that the file names, once. Of several, [`KeyDetails::with_plans`] sets which
    /// counts.
    pub(crate) plans: Vec<PlanId>,
    /// The line of the file that it begins on, or its place in the list, from 1.
    pub(crate) line: usize,
}

/// An error in a file of keys, and its place. Never holds text from the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) struct ImportError {
    unit: Unit,
    line: usize,
    column: Option<&'static str>,
    problem: ImportProblem,
}

/// The problem with a row or a field of a file of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ImportProblem {
    /// More than a file of keys ever has.
    #[error("is longer than {MAX_BYTES} bytes: split the file")]
    TooLong,
    /// Not UTF-8.
    #[error("is not UTF-8 text: save the file as UTF-8")]
    Encoding,
    /// A quote that is not closed, or text between a closing quote and the next comma.
    #[error(
        "has a quote that is not closed, or text before or after it: double a quote within a field"
    )]
    Quote,
    /// A required column is not in the first line.
    #[error("is missing: name it in the first line")]
    Missing,
    /// A column twice in the first line.
    #[error("is a duplicate: keep one")]
    Twice,
    /// More or fewer fields than the first line has.
    #[error("has {found} fields, and the first line has {expected}")]
    Fields {
        /// The number of its fields.
        found: usize,
        /// The number of fields in the first line.
        expected: usize,
    },
    /// Not a key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Invalid name or description.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Invalid name of a plan.
    #[error(transparent)]
    Plan(#[from] NameError),
    /// Neither true nor false.
    #[error("must be `true` or `false`")]
    Enabled,
    /// A key that another line has too, with other details.
    #[error("is the key of {unit} {line} too, with other details: keep one")]
    SameKey {
        /// The unit of places in the file.
        unit: Unit,
        /// The place that has it first.
        line: usize,
    },
    /// Not JSON, or none that the AWS CLI prints. Never holds text of the file.
    #[error("is not what `aws apigateway get-api-keys --include-values` prints{0}")]
    Json(String),
    /// A key of JSON without its value.
    #[error("is missing: let the AWS CLI print it with `--include-values`")]
    NoValue,
    /// A member of JSON that has another type.
    #[error("must be {0}")]
    Type(&'static str),
}

/// Reads the CSV file that API Gateway imports keys from, at most 16 MiB of it.
///
/// The first line names the columns, in any order and case: `Name` and `Key` must be there,
/// `Description`, `Enabled` and `UsagePlanIds` may be, others are ignored. A field with a
/// comma in it is quoted with `"` or `'`. See "API Gateway API key file format" in its guide.
/// `UsagePlanIds` is a list with commas; empty and repeated entries of it are ignored.
///
/// # Errors
/// The file is not a file of keys. A row that is not a valid key is one of
/// [`errors`](ImportedKeys::errors) instead.
pub(crate) fn read_csv(file: impl AsRef<[u8]>) -> Result<ImportedKeys, ImportError> {
    let text = text(file.as_ref())?;
    let mut rows = Rows { rest: &text, line: 1 };
    let columns = match rows.next_row(None) {
        Some(first) => Columns::read(&first?.fields)?,
        None => Columns::read(&[])?,
    };
    let mut read = ImportedKeys::new(Unit::Line);
    while let Some(row) = rows.next_row(Some(columns.count)) {
        read.add(row.and_then(|row| columns.key(&row)));
    }
    Ok(read)
}

impl ImportedKeys {
    pub(super) fn new(unit: Unit) -> Self {
        Self { unit, keys: Vec::new(), errors: Vec::new(), places: HashMap::new() }
    }

    /// Adds a key, unless the file had it before.
    pub(super) fn add(&mut self, read: Result<ImportedKey, ImportError>) {
        let new = match read {
            Ok(new) => new,
            Err(error) => return self.errors.push(error),
        };
        let place = self.places.get(&new.key.digest()).copied();
        match place.and_then(|place: usize| self.keys.get(place)) {
            None => {
                self.places.insert(new.key.digest(), self.keys.len());
                self.keys.push(new);
            }
            Some(first) if first.details == new.details && first.plans == new.plans => {}
            Some(ImportedKey { line, .. }) => {
                let problem = ImportProblem::SameKey { unit: self.unit, line: *line };
                let column = if self.unit == Unit::Line { KEY } else { VALUE };
                self.errors.push(ImportError::of(self.unit, new.line, column, problem));
            }
        }
    }
}

impl ImportError {
    /// The line of the file, from 1.
    #[must_use]
    pub(crate) fn line(&self) -> usize {
        self.line
    }

    fn new(line: usize, column: &'static str, problem: impl Into<ImportProblem>) -> Self {
        Self::of(Unit::Line, line, column, problem)
    }

    pub(super) fn of(
        unit: Unit,
        line: usize,
        column: &'static str,
        problem: impl Into<ImportProblem>,
    ) -> Self {
        Self { unit, line, column: Some(column), problem: problem.into() }
    }

    /// The file as a whole.
    pub(super) fn whole(problem: ImportProblem) -> Self {
        Self { unit: Unit::Key, line: 0, column: None, problem }
    }

    fn line_of(line: usize, problem: ImportProblem) -> Self {
        Self { unit: Unit::Line, line, column: None, problem }
    }
}

impl Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            // The file as a whole.
            Some(column) if self.line == 0 => write!(f, "`{column}` {}", self.problem),
            None if self.line == 0 => write!(f, "{}", self.problem),
            Some(column) => {
                write!(f, "{} {}: `{column}` {}", self.unit, self.line, self.problem)
            }
            None => write!(f, "{} {}: {}", self.unit, self.line, self.problem),
        }
    }
}

/// The places of the file's columns.
struct Columns {
    count: usize,
    name: usize,
    key: usize,
    description: Option<usize>,
    enabled: Option<usize>,
    plans: Option<usize>,
}

impl Columns {
    fn read(names: &[String]) -> Result<Self, ImportError> {
        let at = |column: &'static str| {
            let is = |name: &&String| name.trim().eq_ignore_ascii_case(column);
            if names.iter().filter(is).count() > 1 {
                return Err(ImportError::new(1, column, ImportProblem::Twice));
            }
            Ok(names.iter().position(|name| is(&name)))
        };
        let needed = |column: &'static str| {
            at(column)?.ok_or_else(|| ImportError::new(1, column, ImportProblem::Missing))
        };
        Ok(Self {
            count: names.len(),
            name: needed(NAME)?,
            key: needed(KEY)?,
            description: at(DESCRIPTION)?,
            enabled: at(ENABLED)?,
            plans: at(PLANS)?,
        })
    }

    fn key(&self, row: &Row) -> Result<ImportedKey, ImportError> {
        // An empty field counts as missing.
        let field = |at: usize| row.fields.get(at).map_or("", |field| field.trim());
        let given = |at: Option<usize>| at.map(field).filter(|field| !field.is_empty());
        let label = |at: Option<usize>, column| {
            let text = given(at);
            text.map_or(Ok(()), |text| check_text(text, KeyDetails::MAX_LABEL))
                .map_err(|problem| ImportError::new(row.line, column, problem))?;
            Ok(text.map(str::to_owned))
        };

        let key = Key::parse(field(self.key))
            .map_err(|problem| ImportError::new(row.line, KEY, problem))?;
        let mut details = KeyDetails::new(key.digest().subject());
        details.name = label(Some(self.name), NAME)?;
        details.description = label(self.description, DESCRIPTION)?;
        if let Some(enabled) = given(self.enabled) {
            details.enabled = match enabled.to_ascii_lowercase().as_str() {
                "true" => true,
                "false" => false,
                _ => return Err(ImportError::new(row.line, ENABLED, ImportProblem::Enabled)),
            };
        }
        let mut plans = Vec::new();
        let named = given(self.plans).unwrap_or_default().split(',').map(str::trim);
        for plan in named.filter(|plan| !plan.is_empty()) {
            let plan =
                PlanId::new(plan).map_err(|problem| ImportError::new(row.line, PLANS, problem))?;
            if !plans.contains(&plan) {
                plans.push(plan);
            }
        }
        if let [plan] = plans.as_slice() {
            details = details.with_plan(plan.as_str());
        }
        Ok(ImportedKey { key, details, plans, line: row.line })
    }
}

struct Row {
    line: usize,
    fields: Vec<String>,
}

/// The file's text. Bytes that are not UTF-8 become U+FFFD, so that they spoil their row alone.
fn text(file: &[u8]) -> Result<Cow<'_, str>, ImportError> {
    if file.len() > MAX_BYTES {
        return Err(ImportError::line_of(1, ImportProblem::TooLong));
    }
    if UTF_16.iter().any(|mark| file.starts_with(mark)) {
        return Err(ImportError::line_of(1, ImportProblem::Encoding));
    }
    // Spreadsheets put a byte order mark first.
    Ok(String::from_utf8_lossy(file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file)))
}

/// The rows of a text that are left to read.
struct Rows<'a> {
    rest: &'a str,
    line: usize,
}

impl Rows<'_> {
    /// Reads the next row that is not empty, with as many fields as `expected`.
    fn next_row(&mut self, expected: Option<usize>) -> Option<Result<Row, ImportError>> {
        while !self.rest.is_empty() {
            let (line, text) = (self.line, self.rest);
            let read = fields(text, expected);
            // After a wrong row, the next line begins a new one: a quote that is not closed must
            // not swallow the rows after it.
            self.rest = match &read {
                Ok((_, after)) => after,
                Err(_) => text.split_once('\n').map_or("", |(_, after)| after),
            };
            let taken = text.len().saturating_sub(self.rest.len());
            self.line += text.bytes().take(taken).filter(|byte| *byte == b'\n').count();
            match read {
                Ok((fields, _)) if fields.is_empty() => {}
                Ok((fields, _)) => return Some(Ok(Row { line, fields })),
                Err(problem) => return Some(Err(ImportError::line_of(line, problem))),
            }
        }
        None
    }
}

/// Reads the fields of a text's first row; returns them and the rest. No fields if all are empty.
///
/// A quoted field may go on over several lines.
fn fields(text: &str, expected: Option<usize>) -> Result<(Vec<String>, &str), ImportProblem> {
    let (mut fields, mut rest) = (Vec::new(), text);
    loop {
        let (field, end, after) = field(rest).ok_or(ImportProblem::Quote)?;
        fields.push(field);
        rest = after;
        if end != Some(',') {
            break;
        }
    }
    let is_empty = |field: &String| field.trim().is_empty();
    if fields.iter().all(is_empty) {
        return Ok((Vec::new(), rest));
    }
    if let Some(expected) = expected {
        // Spreadsheets fill rows up with empty fields.
        while fields.len() > expected && fields.last().is_some_and(is_empty) {
            fields.pop();
        }
        if fields.len() != expected {
            return Err(ImportProblem::Fields { found: fields.len(), expected });
        }
    }
    if fields.iter().any(|field| field.contains(char::REPLACEMENT_CHARACTER)) {
        return Err(ImportProblem::Encoding);
    }
    Ok((fields, rest))
}

/// Reads a text's first field; returns it, the character that ends it, and the rest.
///
/// At the end of the text that character is `None`. A field that is quoted badly is `None`.
fn field(text: &str) -> Option<(String, Option<char>, &str)> {
    let start = text.trim_start_matches([' ', '\t']);
    if let Some(quote) = start.chars().next().filter(|first| matches!(first, '"' | '\'')) {
        let mut rest = start.strip_prefix(quote)?;
        let mut field = String::new();
        loop {
            let (part, after) = rest.split_once(quote)?;
            field.push_str(part);
            // Two quotes stand for one.
            match after.strip_prefix(quote) {
                Some(after) => {
                    field.push(quote);
                    rest = after;
                }
                None => {
                    rest = after.trim_start_matches([' ', '\t', '\r']);
                    break;
                }
            }
        }
        return match rest.chars().next() {
            None => Some((field, None, "")),
            Some(end @ (',' | '\n')) => Some((field, Some(end), rest.strip_prefix(end)?)),
            Some(_) => None,
        };
    }
    match text.find([',', '\n']).and_then(|at| text.split_at_checked(at)) {
        Some((field, rest)) => {
            let end = rest.chars().next()?;
            Some((field.to_owned(), Some(end), rest.strip_prefix(end)?))
        }
        None => Some((text.to_owned(), None, "")),
    }
}

const NAME: &str = "Name";
const KEY: &str = "Key";
const DESCRIPTION: &str = "Description";
const ENABLED: &str = "Enabled";
const PLANS: &str = "UsagePlanIds";
pub(super) const VALUE: &str = "value";
pub(super) const MAX_BYTES: usize = 16 * 1024 * 1024;
/// The byte order marks of UTF-16, as a spreadsheet's "Unicode text" begins.
const UTF_16: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

#[cfg(test)]
mod tests;
