//! The few conditions that are evaluated: the caller's address and the time.

use std::net::IpAddr;

use serde_json::Value;

use super::{PolicyError, Request, strings};

/// One operator on one key.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    /// `IpAddress`: in any of the ranges; `NotIpAddress`: in none.
    Source { within: bool, ranges: Vec<Range> },
    /// `DateLessThan`: before any of the moments, in milliseconds since the epoch.
    Before(Vec<i64>),
    /// `DateGreaterThan`: after any of the moments.
    After(Vec<i64>),
}

impl Condition {
    pub(super) fn parse_all(block: &Value) -> Result<Vec<Self>, PolicyError> {
        const NAME: &str = "Statement.Condition";
        let mut conditions = Vec::new();
        for (operator, keys) in block.as_object().ok_or(PolicyError::Form(NAME))? {
            for (key, values) in keys.as_object().ok_or(PolicyError::Form(NAME))? {
                let values = strings(Some(values), NAME)?;
                // Keys are compared without regard to case, operators with it.
                conditions.push(match (operator.as_str(), key.to_ascii_lowercase().as_str()) {
                    ("IpAddress", "aws:sourceip") => {
                        Self::Source { within: true, ranges: all(&values, Range::parse)? }
                    }
                    ("NotIpAddress", "aws:sourceip") => {
                        Self::Source { within: false, ranges: all(&values, Range::parse)? }
                    }
                    ("DateLessThan", "aws:currenttime") => Self::Before(all(&values, moment)?),
                    ("DateGreaterThan", "aws:currenttime") => Self::After(all(&values, moment)?),
                    _ => return Err(PolicyError::Unsupported(format!("{operator} {key}"))),
                });
            }
        }
        Ok(conditions)
    }

    pub(super) fn holds(&self, request: &Request<'_>) -> bool {
        let now = i64::try_from(request.now_ms).unwrap_or(i64::MAX);
        match self {
            Self::Source { within, ranges } => {
                ranges.iter().any(|range| range.contains(request.source)) == *within
            }
            Self::Before(moments) => moments.iter().any(|moment| now < *moment),
            Self::After(moments) => moments.iter().any(|moment| now > *moment),
        }
    }
}

fn all<T>(values: &[&str], parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, PolicyError> {
    let parsed: Option<Vec<T>> = values.iter().map(|value| parse(value)).collect();
    parsed.ok_or(PolicyError::Form("Statement.Condition"))
}

fn moment(text: &str) -> Option<i64> {
    Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond())
}

/// Addresses that share a prefix: `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    address: IpAddr,
    prefix: u32,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(width);
        (prefix <= width).then_some(Self { address, prefix })
    }

    fn contains(self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(mine), IpAddr::V4(other)) => {
                // A shift by all 32 bits is none, which is right: the empty prefix holds everyone.
                (mine.to_bits() ^ other.to_bits()).checked_shr(32 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V6(mine), IpAddr::V6(other)) => {
                (mine.to_bits() ^ other.to_bits()).checked_shr(128 - self.prefix).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_shares_their_prefix() {
        let holds = |range: &str, address: &str| {
            Range::parse(range).unwrap().contains(address.parse().unwrap())
        };
        assert!(holds("127.0.0.1", "127.0.0.1") && !holds("127.0.0.1", "127.0.0.2"));
        assert!(holds("192.0.2.0/24", "192.0.2.255") && !holds("192.0.2.0/24", "192.0.3.0"));
        assert!(holds("192.0.2.77/24", "192.0.2.1"), "bits below the prefix don't count");
        assert!(holds("0.0.0.0/0", "203.0.113.9") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("::/0", "2001:db8::1") && holds("2001:db8::/32", "2001:db8:ffff::"));
        assert!(!holds("2001:db8::/32", "2001:db9::"));
        for wrong in ["", "127.0.0", "127.0.0.1/33", "::1/129", "127.0.0.1/", "localhost"] {
            assert_eq!(Range::parse(wrong), None, "{wrong}");
        }
    }
}
