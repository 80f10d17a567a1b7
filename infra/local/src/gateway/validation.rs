//! The expression that a TOKEN authorizer's token must match before its function is asked.

use std::str::FromStr;

use super::pattern::{Pattern, PatternError};

/// The compiled size, in bytes: `[A-Za-z0-9]{20,200}` fits, `{1,1000}` does not.
const MAX_SIZE: usize = 20 * 1024;

/// A validation expression, which the whole token must match.
#[derive(Clone, Debug)]
pub struct Validation(Pattern);

/// Errors of reading a validation expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is not a regular expression that can be matched here: {}; write one without look-around, \
     back-references and large counts, like `^Bearer [-0-9a-zA-Z._]+$`",
    .0.expression,
    .0.reason
)]
pub struct ValidationError(PatternError);

impl FromStr for Validation {
    type Err = ValidationError;

    fn from_str(expression: &str) -> Result<Self, ValidationError> {
        Pattern::within(MAX_SIZE, expression).map(Self).map_err(ValidationError)
    }
}

impl Validation {
    /// Returns true if the token matches as a whole.
    pub(super) async fn is_match(&self, token: &str) -> bool {
        let (pattern, token) = (self.0.clone(), token.to_owned());
        // The slowest take 50 ms, and 13 times that unoptimised: other requests do not wait.
        tokio::task::spawn_blocking(move || pattern.is_match(&token)).await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_must_match_as_a_whole() {
        let bearer: Validation = "Bearer [a-z]+|x".parse().unwrap();
        for (token, is_match) in
            [("Bearer t", true), ("x", true), ("Bearer 1", false), ("xx", false)]
        {
            assert_eq!(bearer.is_match(token).await, is_match, "{token}");
        }
    }

    #[test]
    fn what_cannot_be_matched_is_refused_with_the_expression_and_the_fix() {
        for wrong in ["[a", "a)|(b", "(?=a)b", r"(a)\1", "a{100000}"] {
            let error = wrong.parse::<Validation>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("`{wrong}` is not a regular expression")),
                "{error}"
            );
            assert!(error.contains("write one without look-around"), "{error}");
        }
    }
}
