//! Errors in rules, found when they are loaded.

use thiserror::Error;

use super::MAX_NAME_BYTES;
use crate::arn::MAX_RESOURCE_BYTES;

/// Errors in rules; each message names the rule and the fix.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RuleError {
    /// A rule's name is empty, too long for a log line, or has a control character.
    #[error(
        "name `{}` of rule {position} is not 1 to {MAX_NAME_BYTES} bytes without control \
         characters: give it a short name",
        name.escape_debug()
    )]
    Name {
        /// The rule's position, counted from 1.
        position: usize,
        /// The name as written.
        name: String,
    },
    /// Two rules share a name.
    #[error("duplicate rule name `{rule}`: give each rule a different name")]
    Duplicate {
        /// The name.
        rule: String,
    },
    /// A rule neither allows nor denies.
    #[error("rule `{rule}` allows and denies nothing: give it `allow` or `deny`")]
    NoRoutes {
        /// The rule's name.
        rule: String,
    },
    /// A rule has no requirement and not `everyone = true`.
    #[error(
        "rule `{rule}` requires nothing of the caller: give it `any_scope`, `all_scopes`, \
         `any_group`, `all_groups`, `issuers`, `clients`, `claims` or `when`, or write \
         `everyone = true`"
    )]
    NoRequirement {
        /// The rule's name.
        rule: String,
    },
    /// A rule has both `everyone = true` and a requirement.
    #[error("rule `{rule}` has both `everyone = true` and `{requirement}`: remove one of the two")]
    Everyone {
        /// The rule's name.
        rule: String,
        /// A requirement that it has.
        requirement: &'static str,
    },
    /// A rule for callers without a credential requires something that only a credential has.
    #[error(
        "rule `{rule}` has `anonymous = true`, and callers without a credential have no {field}: \
         remove one of the two"
    )]
    Anonymous {
        /// The rule's name.
        rule: String,
        /// The field that asks for it.
        field: &'static str,
    },
    /// A requirement lists nothing.
    #[error("`{}` of rule `{rule}` is empty: list something or remove it", requirement.escape_debug())]
    EmptyList {
        /// The rule's name.
        rule: String,
        /// The field, such as `any_scope` or `claims.tier`.
        requirement: String,
    },
    /// A requirement lists the empty text.
    #[error("`{}` of rule `{rule}` has an empty text: remove it", requirement.escape_debug())]
    EmptyItem {
        /// The rule's name.
        rule: String,
        /// The field, such as `any_scope` or `claims.tier`.
        requirement: String,
    },
    /// A scope contains a space, which RFC 6749, section 3.3 does not allow.
    #[error(
        "scope `{}` of rule `{rule}` has a space: list each scope by itself",
        scope.escape_debug()
    )]
    Scope {
        /// The rule's name.
        rule: String,
        /// The scope as written.
        scope: String,
    },
    /// A stage's name is invalid.
    #[error(
        "invalid stage name `{}` in rule `{rule}`: write letters, digits, `-` and `_`, or \
         `$default`",
        stage.escape_debug()
    )]
    Stage {
        /// The rule's name.
        rule: String,
        /// The stage as written.
        stage: String,
    },
    /// A route is too long for any API.
    #[error(
        "route `{route}` of rule `{rule}` makes a resource of at least {bytes} bytes, \
         over IAM's {MAX_RESOURCE_BYTES}: shorten it, ending in `/*` where it can"
    )]
    LongRoute {
        /// The rule's name.
        rule: String,
        /// The route.
        route: String,
        /// The length of the resource with the shortest prefix that an API has.
        bytes: usize,
    },
    /// A condition is not valid CEL, or over a limit.
    #[error("condition `{condition}` of rule `{rule}` {message}")]
    When {
        /// The rule's name.
        rule: String,
        /// The condition as written, on one line, its first 120 characters.
        condition: String,
        /// The problem and the fix.
        message: String,
    },
    /// A source address is invalid.
    #[error("source `{}` of rule `{rule}` is not a block of addresses: {mend}", source_ip.escape_debug())]
    SourceIp {
        /// The rule's name.
        rule: String,
        /// The address as written.
        source_ip: String,
        /// The fix.
        mend: &'static str,
    },
    /// A deny has an IAM condition, and would not deny if API Gateway could not evaluate it.
    #[error(
        "rule `{rule}` has both `deny` and `{field}`: if API Gateway cannot evaluate the \
         condition, nothing is denied; put the deny into a rule of its own"
    )]
    ConditionalDeny {
        /// The rule's name.
        rule: String,
        /// The condition's field.
        field: &'static str,
    },
    /// `deny_rest` is set, and a rule allows only under an IAM condition.
    #[error(
        "rule `{rule}` has `{field}`, and [policy] has `deny_rest`: where the condition does not \
         hold, nothing would deny; remove one of the two"
    )]
    ConditionalRest {
        /// The rule's name.
        rule: String,
        /// The condition's field.
        field: &'static str,
    },
    /// A rule alone makes a document over the limit.
    #[error(
        "rule `{rule}` alone makes a policy of at least {bytes} bytes, over the limit of {limit}: \
         write fewer or wider routes, or fewer methods"
    )]
    LongRule {
        /// The rule's name.
        rule: String,
        /// The least number of bytes that its routes take.
        bytes: usize,
        /// The limit in force.
        limit: usize,
    },
    /// The rules for everyone together make a document over the limit, so no caller would get a
    /// document.
    #[error(
        "the rules for everyone{} together make a policy of at least {bytes} bytes, over the limit \
         of {limit}, and `{rule}` most of it: write fewer or wider routes, or fewer methods",
        stage.as_ref().map(|stage| format!(" in the stage `{stage}`")).unwrap_or_default()
    )]
    LongTogether {
        /// The name of the rule that takes most of it.
        rule: String,
        /// The stage, if the limit is exceeded only in one.
        stage: Option<String>,
        /// The least number of bytes that their routes take.
        bytes: usize,
        /// The limit in force.
        limit: usize,
    },
}

impl RuleError {
    /// Returns the name of the invalid rule, as written.
    #[must_use]
    pub fn rule(&self) -> &str {
        match self {
            Self::Name { name: rule, .. }
            | Self::Duplicate { rule }
            | Self::NoRoutes { rule }
            | Self::NoRequirement { rule }
            | Self::Everyone { rule, .. }
            | Self::Anonymous { rule, .. }
            | Self::EmptyList { rule, .. }
            | Self::EmptyItem { rule, .. }
            | Self::Scope { rule, .. }
            | Self::Stage { rule, .. }
            | Self::LongRoute { rule, .. }
            | Self::When { rule, .. }
            | Self::SourceIp { rule, .. }
            | Self::ConditionalDeny { rule, .. }
            | Self::ConditionalRest { rule, .. }
            | Self::LongRule { rule, .. }
            | Self::LongTogether { rule, .. } => rule,
        }
    }

    /// Returns the field that is wrong, and the text in it as written.
    ///
    /// Either is empty if the mistake does not concern it. The reader of a file uses them to find
    /// the line.
    #[must_use]
    pub fn place(&self) -> (&str, &str) {
        match self {
            Self::Name { .. } | Self::Duplicate { .. } => ("name", ""),
            Self::NoRoutes { .. }
            | Self::NoRequirement { .. }
            | Self::LongRule { .. }
            | Self::LongTogether { .. } => ("", ""),
            Self::Everyone { .. } => ("everyone", ""),
            Self::Anonymous { .. } => ("anonymous", ""),
            Self::EmptyList { requirement, .. } | Self::EmptyItem { requirement, .. } => {
                (requirement.split_once('.').map_or(requirement, |(field, _)| field), "")
            }
            Self::Scope { scope, .. } => ("", scope),
            Self::Stage { stage, .. } => ("stages", stage),
            Self::LongRoute { route, .. } => ("", route),
            Self::When { .. } => ("when", ""),
            Self::SourceIp { source_ip, .. } => ("source_ips", source_ip),
            Self::ConditionalDeny { field, .. } | Self::ConditionalRest { field, .. } => {
                (field, "")
            }
        }
    }
}
