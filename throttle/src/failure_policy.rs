//! What happens to requests while the table can't be asked.

use std::fmt::{self, Display};
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What is answered while the table fails: nothing, yes, or what this instance may say alone.
///
/// In a plan's JSON: `"failure": "closed"`, `"open"`, or `{"local": "1/10"}`. It applies to
/// failures that may pass by themselves. A table that doesn't exist, or that refuses access, is
/// an error under every policy: it would otherwise go unnoticed that nothing is limited. So is
/// an item that is damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// There is no decision, and the request isn't let through: 503.
    #[default]
    Closed,
    /// The request is let through, and counted nowhere.
    Open,
    /// This instance decides by itself, by this share of the plan's rates and quotas.
    ///
    /// Each instance has a bucket of its own, full at first, of the rate times the share and
    /// the burst times the share, rounded down, but of one token at least. Of each quota it has
    /// the share, counted by calendar periods over all outages. With n instances and a share of
    /// 1/n, together they admit what the plan says. Nothing of it is charged to the table
    /// afterwards. The buckets of the 100,000 subjects that came last are kept.
    Local(Share),
}

/// A part of a whole, exactly: above zero, at most one; such as `1/10`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    part: NonZeroU32,
    whole: NonZeroU32,
}

/// Why a text is no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a share as a fraction above zero and at most one, such as `1/10` or `1`")]
pub struct ShareError;

impl Share {
    /// So many of so many; none if that is more than all.
    #[must_use]
    pub fn new(part: NonZeroU32, whole: NonZeroU32) -> Option<Self> {
        (part <= whole).then_some(Self { part, whole })
    }

    /// The share of a number, rounded down.
    pub(crate) fn of(self, number: u64) -> u64 {
        let part = u128::from(number) * u128::from(self.part.get()) / u128::from(self.whole.get());
        // At most the number itself.
        u64::try_from(part).unwrap_or(number)
    }

    pub(crate) fn part(self) -> u64 {
        self.part.get().into()
    }

    pub(crate) fn whole(self) -> u64 {
        self.whole.get().into()
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let number = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| text.parse().ok()).flatten().ok_or(ShareError)
        };
        let (part, whole) = text.split_once('/').unwrap_or((text, "1"));
        Self::new(number(part)?, number(whole)?).ok_or(ShareError)
    }
}

impl Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.whole == NonZeroU32::MIN {
            write!(f, "{}", self.part)
        } else {
            write!(f, "{}/{}", self.part, self.whole)
        }
    }
}

impl Serialize for FailurePolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Closed => serializer.serialize_unit_variant("FailurePolicy", 0, "closed"),
            Self::Open => serializer.serialize_unit_variant("FailurePolicy", 1, "open"),
            Self::Local(share) => {
                let share = share.to_string();
                serializer.serialize_newtype_variant("FailurePolicy", 2, "local", &share)
            }
        }
    }
}

impl<'de> Deserialize<'de> for FailurePolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "FailurePolicy", rename_all = "lowercase")]
        enum Wire {
            Closed,
            Open,
            Local(String),
        }
        Ok(match Wire::deserialize(deserializer)? {
            Wire::Closed => Self::Closed,
            Wire::Open => Self::Open,
            Wire::Local(share) => Self::Local(share.parse().map_err(D::Error::custom)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_fraction_up_to_one() {
        let share = |text: &str| text.parse::<Share>();
        for (text, of_100) in [("1/10", 10), ("1", 100), ("3/3", 100), ("2/3", 66), ("1/101", 0)] {
            let share = share(text).unwrap();
            assert_eq!((share.to_string().as_str(), share.of(100)), (text, of_100));
        }
        assert_eq!(share("4294967295/4294967295").unwrap().of(u64::MAX), u64::MAX);
        for text in [
            "",
            "0",
            "0/5",
            "5/0",
            "2",
            "11/10",
            "1/",
            "/2",
            "-1/2",
            "+1/2",
            "1/ 2",
            "0.5",
            "1/2/3",
            "4294967296/4294967296",
            "½",
        ] {
            assert_eq!(share(text), Err(ShareError), "{text}");
        }
    }

    #[test]
    fn policies_are_written_as_they_are_read() {
        for json in [r#""closed""#, r#""open""#, r#"{"local":"1/10"}"#] {
            let policy: FailurePolicy = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&policy).unwrap(), json);
        }
        for json in [r#""Closed""#, r#""local""#, r#"{"local":0.1}"#, r#"{"local":"2"}"#, "null"] {
            assert!(serde_json::from_str::<FailurePolicy>(json).is_err(), "{json}");
        }
        assert_eq!(FailurePolicy::default(), FailurePolicy::Closed);
    }
}
