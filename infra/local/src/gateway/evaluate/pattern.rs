//! Patterns with `*` and `?`, and resources made of them.

use super::PolicyError;

/// The longest resource, in characters (API Gateway's page on authorizers' output).
const MAX_RESOURCE: usize = 512;

/// Text in which `*` is any run of characters and `?` exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<char>);

impl Pattern {
    pub(super) fn new(pattern: &str) -> Self {
        Self(pattern.chars().collect())
    }

    /// Returns true if the pattern matches all of `text`, in time bounded by the product of lengths.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut seen) = (0, 0);
        // Where the last `*` was, and how much of the text it has been given so far.
        let mut star: Option<(usize, usize)> = None;
        while let Some(character) = text.get(seen) {
            match self.0.get(at) {
                Some('*') => {
                    star = Some((at, seen));
                    at += 1;
                }
                Some(wanted) if *wanted == '?' || wanted == character => {
                    at += 1;
                    seen += 1;
                }
                _ => {
                    // Give the last star one character more; earlier ones need no second look.
                    let Some((position, given)) = star else { return false };
                    star = Some((position, given + 1));
                    at = position + 1;
                    seen = given + 1;
                }
            }
        }
        self.0.iter().skip(at).all(|rest| *rest == '*')
    }
}

/// The `Resource` of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resource {
    /// `*`.
    Any,
    /// Partition, service, Region, account and the API's part, one pattern each.
    Arn(Vec<Pattern>),
}

/// `arn`, partition, service, Region, account, resource. The last one may hold `:` itself.
const FIELDS: usize = 6;

impl Resource {
    pub(super) fn parse(resource: &str) -> Result<Self, PolicyError> {
        if resource == "*" {
            return Ok(Self::Any);
        }
        if resource.contains("${") {
            return Err(PolicyError::Unsupported("${".to_owned()));
        }
        if resource.chars().count() > MAX_RESOURCE {
            return Err(PolicyError::Form("Statement.Resource"));
        }
        let fields: Vec<&str> = resource.splitn(FIELDS, ':').collect();
        if fields.len() != FIELDS || fields.first() != Some(&"arn") {
            return Err(PolicyError::Form("Statement.Resource"));
        }
        Ok(Self::Arn(fields.into_iter().map(Pattern::new).collect()))
    }

    pub(super) fn matches(&self, arn: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Arn(patterns) => {
                let mut fields = arn.splitn(FIELDS, ':');
                patterns.iter().all(|pattern| fields.next().is_some_and(|f| pattern.matches(f)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The pattern's meaning, as the simplest possible code.
    fn plainly(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), _) => (0..=text.len()).any(|taken| plainly(rest, &text[taken..])),
            (Some(('?', rest)), Some((_, others))) => plainly(rest, others),
            (Some((wanted, rest)), Some((found, others))) => {
                wanted == found && plainly(rest, others)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_pattern_means_what_it_plainly_says(pattern in "[ab*?é]{0,9}", text in "[abé*]{0,9}") {
            let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(Pattern::new(&pattern).matches(&text), plainly(&p, &t));
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_exponential_time() {
        let pattern = Pattern::new(&"*a".repeat(250));
        assert!(!pattern.matches(&format!("{}b", "a".repeat(1500))));
    }

    #[test]
    fn a_resource_is_a_star_or_an_arn_of_six_fields() {
        for wrong in ["", "arn", "arn:aws:execute-api:*", "GET/orders", "x:a:b:c:d:e", "**"] {
            assert_eq!(
                Resource::parse(wrong),
                Err(PolicyError::Form("Statement.Resource")),
                "{wrong}"
            );
        }
        let prefix = "arn:aws:execute-api:us-east-1:123456789012:";
        let fits = format!("{prefix}{}", "é".repeat(MAX_RESOURCE - prefix.len()));
        assert!(Resource::parse(&fits).is_ok());
        assert!(Resource::parse(&format!("{fits}é")).is_err());
        assert!(Resource::parse("arn:aws:execute-api:*:*:${aws:x}").is_err());
    }
}
