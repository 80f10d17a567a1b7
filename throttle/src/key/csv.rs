//! Reading the file that API Gateway's keys are exported and imported with.

use std::collections::HashMap;
use std::fmt::{self, Display};

use super::{Key, KeyError};
use crate::name::{NameError, PlanId, Subject};
use crate::table::KeyDetails;

/// A key out of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedKey {
    /// The key.
    pub key: Key,
    /// What the file says about it; its subject is the key itself.
    pub details: KeyDetails,
    /// The line of the file that it begins on, from 1.
    pub line: usize,
}

/// What is wrong with a file of keys, and where. Never holds what is in the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ImportError {
    line: usize,
    column: Option<&'static str>,
    problem: ImportProblem,
}

/// What is wrong with a line or a field of a file of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportProblem {
    /// More than a file of keys ever has.
    #[error("is longer than {MAX_BYTES} bytes: split the file")]
    TooLong,
    /// Not UTF-8.
    #[error("is no UTF-8 text")]
    Encoding,
    /// A quote that isn't closed, or one in the middle of a field.
    #[error("has a quote that isn't closed, or text beside it")]
    Quote,
    /// A column that is needed, and isn't in the first line.
    #[error("is missing: name it in the first line")]
    Missing,
    /// A column twice in the first line.
    #[error("is there twice: keep one")]
    Twice,
    /// More or fewer fields than the first line has.
    #[error("has {found} fields, and the first line has {expected}")]
    Fields {
        /// How many it has.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
    /// No key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No name, description or plan.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Neither true nor false.
    #[error("must be `true` or `false`")]
    Enabled,
    /// More plans than one.
    #[error("names more than one plan: keep one, and assign its subject the quotas of both")]
    Plans,
    /// A key that another line has too.
    #[error("is the key of line {line} too: keep one")]
    SameKey {
        /// The line that has it first.
        line: usize,
    },
}

impl Key {
    /// Reads the CSV file that API Gateway imports keys from, at most 16 MiB of it.
    ///
    /// The first line names the columns, in any order and case: `Name` and `Key` must be there,
    /// `Description`, `Enabled` and `UsagePlanIds` may be, others are ignored. A field with a
    /// comma in it is quoted with `"` or `'`. See "API Gateway API key file format" in its guide.
    ///
    /// ```
    /// use throttle::Key;
    ///
    /// let file = "Name,key,description,Enabled,usageplanIds\n\
    ///             first,apikey1234abcdefghij0123456789,,TRUE,c7y23b\n";
    /// let keys = Key::read_csv(file).unwrap();
    /// assert_eq!(keys[0].details.plan().unwrap().as_str(), "c7y23b");
    ///
    /// let errors = Key::read_csv("Name,Key\nfirst,short\n").unwrap_err();
    /// assert_eq!(errors[0].to_string(), "line 2: `Key` has 5 characters: a key has 20 to 128");
    /// ```
    ///
    /// # Errors
    /// Every line that is wrong, at most a hundred of them.
    pub fn read_csv(file: impl AsRef<[u8]>) -> Result<Vec<ImportedKey>, Vec<ImportError>> {
        let rows = rows(file.as_ref()).map_err(|error| vec![error])?;
        let mut rows = rows.into_iter();
        let columns =
            rows.next().map_or_else(|| Columns::read(&[]), |row| Columns::read(&row.fields));
        let columns = columns.map_err(|error| vec![error])?;
        let (mut keys, mut errors, mut lines) = (Vec::new(), Vec::new(), HashMap::new());
        for row in rows {
            let line = row.line;
            let read = columns.key(&row).and_then(|imported| {
                match lines.insert(imported.key.digest(), line) {
                    Some(line) => Err(("Key", ImportProblem::SameKey { line })),
                    None => Ok(imported),
                }
                .map_err(|(column, problem)| ImportError::new(row.line, column, problem))
            });
            match read {
                Ok(imported) => keys.push(imported),
                Err(error) => errors.push(error),
            }
            if errors.len() >= MAX_ERRORS {
                break;
            }
        }
        if errors.is_empty() { Ok(keys) } else { Err(errors) }
    }
}

impl ImportError {
    /// The line of the file, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column, as API Gateway spells it; none where it is about the whole line.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        self.column
    }

    /// What is wrong.
    #[must_use]
    pub fn problem(&self) -> &ImportProblem {
        &self.problem
    }

    fn new(line: usize, column: &'static str, problem: impl Into<ImportProblem>) -> Self {
        Self { line, column: Some(column), problem: problem.into() }
    }

    fn line_of(line: usize, problem: ImportProblem) -> Self {
        Self { line, column: None, problem }
    }
}

impl Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            Some(column) => write!(f, "line {}: `{column}` {}", self.line, self.problem),
            None => write!(f, "line {}: {}", self.line, self.problem),
        }
    }
}

/// Where the file's columns are.
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
        let (found, expected) = (row.fields.len(), self.count);
        if found != expected {
            let problem = ImportProblem::Fields { found, expected };
            return Err(ImportError::line_of(row.line, problem));
        }
        // An empty field is one that isn't there.
        let field = |at: usize| row.fields.get(at).map_or("", |field| field.trim());
        let given = |at: Option<usize>| at.map(field).filter(|field| !field.is_empty());
        let wrong = |column| move |problem: NameError| ImportError::new(row.line, column, problem);

        let key = Key::parse(field(self.key))
            .map_err(|problem| ImportError::new(row.line, KEY, problem))?;
        let mut details = KeyDetails::new(Subject::of_digest(&key.digest()));
        if let Some(name) = given(Some(self.name)) {
            details = details.with_name(name).map_err(wrong(NAME))?;
        }
        if let Some(description) = given(self.description) {
            details = details.with_description(description).map_err(wrong(DESCRIPTION))?;
        }
        if let Some(enabled) = given(self.enabled) {
            let enabled = match enabled.to_ascii_lowercase().as_str() {
                "true" => true,
                "false" => false,
                _ => return Err(ImportError::new(row.line, ENABLED, ImportProblem::Enabled)),
            };
            details = details.with_enabled(enabled);
        }
        if let Some(plan) = given(self.plans) {
            if plan.contains(',') {
                return Err(ImportError::new(row.line, PLANS, ImportProblem::Plans));
            }
            details = details.with_plan(PlanId::new(plan).map_err(wrong(PLANS))?);
        }
        Ok(ImportedKey { key, details, line: row.line })
    }
}

struct Row {
    line: usize,
    fields: Vec<String>,
}

/// The file's lines that aren't empty. A quoted field may go on over several.
fn rows(file: &[u8]) -> Result<Vec<Row>, ImportError> {
    if file.len() > MAX_BYTES {
        return Err(ImportError::line_of(1, ImportProblem::TooLong));
    }
    let text = std::str::from_utf8(file).map_err(|error| {
        let before = file.iter().take(error.valid_up_to());
        let line = before.filter(|byte| **byte == b'\n').count().saturating_add(1);
        ImportError::line_of(line, ImportProblem::Encoding)
    })?;
    // Spreadsheets put a byte order mark first.
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut rows, mut line) = (Vec::new(), 1);
    while !rest.is_empty() {
        let mut row = Row { line, fields: Vec::new() };
        loop {
            let (field, end, after) =
                field(rest).ok_or_else(|| ImportError::line_of(row.line, ImportProblem::Quote))?;
            line += field.matches('\n').count();
            row.fields.push(field);
            rest = after;
            if end != Some(',') {
                break;
            }
        }
        line += 1;
        if row.fields.iter().any(|field| !field.trim().is_empty()) {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// The first field of a text, what ends it (none at the end of the text), and what comes after.
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
const MAX_BYTES: usize = 16 * 1024 * 1024;
const MAX_ERRORS: usize = 100;

#[cfg(test)]
mod tests;
