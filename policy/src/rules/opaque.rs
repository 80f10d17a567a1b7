//! Rules whose conditions in CEL are unknowns, and rules that allow nothing or everything.

use super::{Requirements, Rule, Rules, condition::Condition};
use crate::route::RoutePattern;

/// Prefix of the name of a claim that stands for a condition. No token has such a claim.
const OPAQUE: &str = "\u{0}when ";

impl Rules {
    /// Returns the rules with each `when` replaced by a claim that stands for its result, and
    /// without a limit on the document's length.
    pub(crate) fn with_opaque_conditions(&self) -> Self {
        let mut rules = Self { document_limit: usize::MAX, ..self.clone() };
        for rule in &mut rules.rules {
            if let Some(when) = rule.requirements.when.take() {
                let claim = format!("{OPAQUE}{}", when.text());
                rule.requirements.claims.insert(claim, vec!["holds".to_owned()]);
            }
        }
        rules
    }

    /// Returns rules that allow nothing.
    pub(crate) fn nothing() -> Self {
        Self { rules: Vec::new(), document_limit: usize::MAX, deny_rest: false }
    }

    /// Returns rules that allow every request, with a credential and without one.
    pub(crate) fn everything() -> Self {
        let rule = |anonymous| Rule {
            name: format!("everything, {anonymous}"),
            requirements: Requirements { anonymous, ..Requirements::none() },
            allow: RoutePattern::everything(),
            deny: Vec::new(),
            condition: Condition::default(),
        };
        Self { rules: [false, true].map(rule).into_iter().collect(), ..Self::nothing() }
    }
}

impl Requirements {
    /// Returns true if a condition, whose result is unknown, decides.
    pub(crate) fn has_opaque_condition(&self) -> bool {
        self.claims.keys().any(|claim| is_opaque(claim))
    }
}

/// Returns true for a claim that stands for a condition.
pub(crate) fn is_opaque(claim: &str) -> bool {
    claim.starts_with(OPAQUE)
}

/// Returns the condition that a claim stands for, as it is written.
pub(crate) fn shown_condition(claim: &str) -> &str {
    claim.strip_prefix(OPAQUE).unwrap_or(claim)
}
