//! The conditions of an Allow, which IAM checks for each request.

use std::sync::Arc;

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::cidr::Block;

pub(crate) const SOURCE_IP: &str = "aws:SourceIp";
pub(crate) const CURRENT_TIME: &str = "aws:CurrentTime";

/// The conditions of an Allow, all of which must hold; neither is the unconditioned Allow's.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Condition {
    /// Sorted, each once; empty for any address.
    pub(crate) source_ips: Vec<Block>,
    pub(crate) until_exp: bool,
}

/// A condition with the caller's own `exp` in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dated {
    pub(crate) condition: Arc<Condition>,
    /// In seconds since 1970, and as IAM is told.
    pub(crate) until: Option<(i64, String)>,
}

impl Condition {
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Dated {
    /// None where the condition needs a time and the token has none that can be told.
    pub(crate) fn new(condition: &Arc<Condition>, exp: Option<i64>) -> Option<Self> {
        let until = if condition.until_exp {
            let seconds = exp?;
            // In UTC, to the second, as in `2026-11-21T12:00:00Z`.
            Some((seconds, jiff::Timestamp::from_second(seconds).ok()?.to_string()))
        } else {
            None
        };
        Some(Self { condition: Arc::clone(condition), until })
    }

    /// The condition as IAM's JSON.
    pub(crate) fn json(&self) -> String {
        let mut parts = Vec::new();
        if !self.condition.source_ips.is_empty() {
            let blocks: Vec<String> =
                self.condition.source_ips.iter().map(|block| format!("\"{block}\"")).collect();
            parts.push(format!(r#""IpAddress":{{"{SOURCE_IP}":[{}]}}"#, blocks.join(",")));
        }
        if let Some((_, text)) = &self.until {
            parts.push(format!(r#""DateLessThan":{{"{CURRENT_TIME}":"{text}"}}"#));
        }
        format!("{{{}}}", parts.join(","))
    }
}

impl Serialize for Dated {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let sources = &self.condition.source_ips;
        if !sources.is_empty() {
            map.serialize_entry("IpAddress", &One(SOURCE_IP, sources))?;
        }
        if let Some((_, text)) = &self.until {
            map.serialize_entry("DateLessThan", &One(CURRENT_TIME, text))?;
        }
        map.end()
    }
}

/// An object of one member.
struct One<'v, V>(&'static str, &'v V);

impl<V: Serialize> Serialize for One<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.0, self.1)?;
        map.end()
    }
}
