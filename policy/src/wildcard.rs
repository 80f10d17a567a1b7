//! IAM's wildcards.

/// Returns true if a text matches a pattern of `*` and `?`, in at most |pattern| × |text| steps.
///
/// Only the last `*` is retried with a longer match, because it can match everything that an
/// earlier one could.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // The pattern after the last star, and the text after that star's match.
    let mut last_star = None;
    loop {
        let fits = match pattern.next() {
            Some('*') => {
                last_star = Some((pattern.clone(), text.clone()));
                true
            }
            Some(wanted) => match text.next() {
                Some(found) => wanted == '?' || wanted == found,
                // A longer match of the star would leave even less text.
                None => return false,
            },
            None if text.as_str().is_empty() => return true,
            None => false,
        };
        if !fits {
            let Some((after, from)) = &mut last_star else {
                return false;
            };
            from.next();
            (pattern, text) = (after.clone(), from.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, word for word; exponential, so for short texts alone.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            (['*', rest @ ..], _) => (0..=text.len()).any(|taken| naive(rest, &text[taken..])),
            (['?', pattern @ ..], [_, text @ ..]) => naive(pattern, text),
            ([wanted, pattern @ ..], [found, text @ ..]) => wanted == found && naive(pattern, text),
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn agrees_with_the_definition(pattern in "[ab/é*?]{0,8}", text in "[ab/é*?]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &text), naive(&chars(&pattern), &chars(&text)));
        }
    }

    #[test]
    fn a_star_is_greedy_over_slashes_and_may_be_empty() {
        for (pattern, text, expected) in [
            ("GET/orders/*", "GET/orders/", true),
            ("GET/orders/*", "GET/orders/1/items", true),
            ("GET/orders/*", "GET/orders", false),
            ("GET/user/*", "GET/user/1/sensitive", true),
            ("*/business/op", "GET/anything/business/op", true),
            ("GET/a", "GET/A", false),
            ("GET/a?c", "GET/a/c", true),
            ("GET/a?", "GET/a", false),
            ("a?", "aé", true),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1b2b3", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn hostile_patterns_end() {
        // The naive definition would need more steps than there are atoms.
        let pattern = format!("{}b", "*a".repeat(250));
        assert!(!matches(&pattern, &"a".repeat(1600)));
        assert!(!matches(&format!("{}b", "*".repeat(512)), &"a".repeat(1600)));
        assert!(matches(&format!("{}*", "*?".repeat(250)), &"a".repeat(1600)));
    }
}
