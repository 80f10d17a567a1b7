//! Failure policies: decisions while the table is unavailable.

use std::fmt::{self, Display};
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The decision while the table fails: an error, an admission, or a decision by this instance
/// alone.
///
/// In a plan's JSON: `"failure": "closed"`, `"open"`, or `{"local": "1/10"}`. It applies to
/// temporary failures. A table that does not exist or that denies access, and a damaged item, are
/// errors under every policy: otherwise a wrong set-up could go unnoticed while nothing is limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// An error: the request is not let through (503).
    #[default]
    Closed,
    /// The request is let through and not counted.
    Open,
    /// This instance decides by itself, by this share of the plan's rates and quotas.
    ///
    /// Each instance has its own bucket, full at first, with this share of the rate and of the
    /// burst, rounded down, but at least one token. It has the same share of each quota, counted by
    /// calendar periods over all outages. With n instances and a share of 1/n, all together admit
    /// as much as the plan. Nothing is charged to the table afterwards. Buckets of the last 100,000
    /// subjects are kept.
    Local(Share),
}

/// A part of a whole, exactly: above zero, at most one; such as `1/10`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    part: NonZeroU32,
    whole: NonZeroU32,
}

/// An error in the text of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a share as a fraction above zero and at most one, such as `1/10` or `1`")]
pub struct ShareError;

impl Share {
    /// The share `part`/`whole`; `None` if that is more than 1.
    fn new(part: NonZeroU32, whole: NonZeroU32) -> Option<Self> {
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
