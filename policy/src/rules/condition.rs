//! The IAM conditions of a rule: `source_ips` and `until_exp`.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::{RuleError, RuleSpec, requirements::check_list};
use crate::{
    caller::{Caller, Holds},
    cidr, document,
};

/// The conditions under which a rule allows; by default there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Sorted, without duplicates; empty for any address.
    pub(crate) source_ips: Vec<IpNet>,
    pub(crate) until_exp: bool,
}

impl Condition {
    pub(super) fn compile(spec: &RuleSpec) -> Result<Self, RuleError> {
        let mut source_ips = BTreeSet::new();
        if let Some(sources) = &spec.source_ips {
            check_list(&spec.name, "source_ips", sources)?;
            for source in sources {
                source_ips.insert(cidr::parse(source).map_err(|mend| RuleError::SourceIp {
                    rule: spec.name.clone(),
                    source_ip: source.clone(),
                    mend,
                })?);
            }
        }
        let source_ips = source_ips.into_iter().collect();
        Ok(Self { source_ips, until_exp: spec.until_exp })
    }

    /// Returns the field that sets a condition, if any does.
    pub(crate) fn field(&self) -> Option<&'static str> {
        match self {
            Self { until_exp: true, .. } => Some("until_exp"),
            Self { source_ips, .. } if !source_ips.is_empty() => Some("source_ips"),
            _ => None,
        }
    }

    /// Evaluates the conditions for a caller whose token was verified.
    ///
    /// A verified token has not expired, so `until_exp` only needs a usable `exp`.
    pub(crate) fn holds(&self, caller: &Caller<'_>) -> Holds {
        if self.until_exp && caller.exp().is_none() {
            return Holds::No;
        }
        match caller.source_ip() {
            _ if self.source_ips.is_empty() => Holds::Yes,
            None => Holds::Unknown,
            Some(ip) if self.source_ips.iter().any(|range| range.contains(&ip)) => Holds::Yes,
            Some(_) => Holds::No,
        }
    }

    /// Returns the condition as the document has it, for a token that expires at `exp`.
    ///
    /// `None` if the rule has `until_exp` and the token has no usable `exp`. No Allow is then made.
    pub(crate) fn for_exp(&self, exp: Option<i64>) -> Option<document::Condition> {
        let until = match self.until_exp {
            true => Some(jiff::Timestamp::from_second(exp?).ok()?),
            false => None,
        };
        Some(document::Condition::new(&self.source_ips, until))
    }
}
