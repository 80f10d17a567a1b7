//! The expression that a TOKEN authorizer's token must match before its function is asked.

use std::str::FromStr;

use regex_lite::Regex;

/// A validation expression, which the whole token must match.
#[derive(Clone, Debug)]
pub struct Validation(Regex);

/// Errors of reading a validation expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{expression}` is not a regular expression that can be matched here: {reason}; write one \
     without look-around and back-references, like `^Bearer [-0-9a-zA-Z._]+$`"
)]
pub struct ValidationError {
    expression: String,
    reason: String,
}

/// The longest expression that an error shows, in characters.
const SHOWN: usize = 200;

impl FromStr for Validation {
    type Err = ValidationError;

    fn from_str(expression: &str) -> Result<Self, ValidationError> {
        // By itself first: of `a)|(b` the group below would make another expression.
        Regex::new(expression)
            .and_then(|_| Regex::new(&format!("^(?:{expression})$")))
            .map(Self)
            .map_err(|error| ValidationError {
                expression: expression.chars().take(SHOWN).collect(),
                reason: error.to_string(),
            })
    }
}

impl Validation {
    /// Returns true if the token matches as a whole.
    pub(super) fn is_match(&self, token: &str) -> bool {
        self.0.is_match(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_must_match_as_a_whole() {
        let bearer: Validation = "Bearer [a-z]+|x".parse().unwrap();
        for (token, is_match) in
            [("Bearer t", true), ("x", true), ("Bearer 1", false), ("xx", false)]
        {
            assert_eq!(bearer.is_match(token), is_match, "{token}");
        }
    }

    #[test]
    fn what_cannot_be_matched_is_refused_with_the_expression_and_the_fix() {
        for wrong in ["[a", "a)|(b", "(?=a)b", r"(a)\1"] {
            let error = wrong.parse::<Validation>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("`{wrong}` is not a regular expression")),
                "{error}"
            );
            assert!(error.contains("write one without look-around"), "{error}");
        }
    }
}
