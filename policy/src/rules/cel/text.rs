//! `matches` and `split`, with bounded costs.

use std::{collections::HashMap, sync::Arc};

use cel::{Context, ExecutionError, Value, extractors::This};
use regex_lite::{Regex, RegexBuilder};

use super::MAX_VALUES;

/// The most bytes of a compiled pattern: `^[a-z0-9-]{1,63}$` takes about half of it.
const MAX_PATTERN_BYTES: usize = 16 * 1024;

/// The deepest nesting of a pattern.
const MAX_NESTING: u32 = 16;

/// The longest text that is matched, in bytes. A match takes up to its length times the pattern's
/// size.
const MAX_MATCHED_BYTES: usize = 1024;

/// The regular expressions of a condition, compiled, by their text.
#[derive(Clone)]
pub(super) struct Patterns(Arc<HashMap<String, Regex>>);

impl Patterns {
    pub(super) fn compile(patterns: &[String]) -> Result<Self, String> {
        let compile = |pattern: &String| {
            let mut builder = RegexBuilder::new(pattern);
            let built = builder.size_limit(MAX_PATTERN_BYTES).nest_limit(MAX_NESTING).build();
            let regex = built.map_err(|error| {
                let shown = pattern.escape_debug();
                let error = error.to_string();
                match error.contains("size limit") {
                    true => format!(
                        "has the regular expression `{shown}`, which is too large: write fewer or \
                         smaller repetitions"
                    ),
                    false => {
                        format!("has the regular expression `{shown}`, which is invalid: {error}")
                    }
                }
            })?;
            Ok((pattern.clone(), regex))
        };
        patterns.iter().map(compile).collect::<Result<_, String>>().map(|it| Self(Arc::new(it)))
    }

    /// Returns the patterns that may match inside a text, sorted.
    pub(super) fn unanchored(&self) -> Vec<&str> {
        let patterns = self.0.keys().map(String::as_str);
        let mut found: Vec<&str> = patterns.filter(|pattern| !is_anchored(pattern)).collect();
        found.sort_unstable();
        found
    }

    /// Adds `matches` for these patterns, replacing that of another condition.
    pub(super) fn add_to(&self, context: &mut Context<'_, '_>) {
        if self.0.is_empty() {
            return;
        }
        let patterns = Arc::clone(&self.0);
        let matches = move |This(text): This<Arc<String>>, pattern: Arc<String>| match patterns
            .get(pattern.as_str())
        {
            Some(regex) if text.len() <= MAX_MATCHED_BYTES => Ok(regex.is_match(&text)),
            _ => Err(ExecutionError::function_error("matches", "too long a text")),
        };
        // Fails only if the library has the function itself; a test would see that.
        let _ = context.add_function("matches", matches);
    }
}

/// Returns true for `^…$`, unless a `|` outside of parentheses splits it.
fn is_anchored(pattern: &str) -> bool {
    let Some(inner) = pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix('$')) else {
        return false;
    };
    let (mut depth, mut is_escaped) = (0_u32, false);
    for c in inner.chars() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '(' => depth = depth.saturating_add(1),
            ')' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => return false,
            _ => {}
        }
    }
    // `\$` is a character.
    !is_escaped
}

/// Adds `split`, which gives as many parts as a condition may use values.
pub(super) fn add_split(context: &mut Context<'_, '_>) {
    let split = |This(text): This<Arc<String>>, separator: Arc<String>| {
        let parts = text.split(separator.as_str()).take(MAX_VALUES + 1);
        let parts: Vec<Value> =
            parts.map(|part| Value::String(Arc::new(part.to_owned()))).collect();
        match parts.len() <= MAX_VALUES {
            true => Ok(Arc::new(parts)),
            false => Err(ExecutionError::function_error("split", "too many parts")),
        }
    };
    let _ = context.add_function("split", split);
}
