//! The names that requests are counted under.

use std::fmt::{self, Debug, Display};
#[cfg(feature = "dynamodb")]
use std::net::IpAddr;
use std::sync::Arc;

/// The name of a plan, such as `free`.
///
/// 1 to 128 bytes of printable text. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanId(Arc<str>);

/// The name of a bucket's owner: a client id, a digest of a key, an address.
///
/// 1 to 512 bytes of printable text. Cheap to clone. It may identify a person, so Debug
/// does not show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(Arc<str>);

/// An error in the name of a plan or a subject. Never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// No text at all.
    #[error("is empty: give it at least one character")]
    Empty,
    /// More bytes than fit.
    #[error("has {bytes} bytes, and at most {max} fit")]
    TooLong {
        /// The length of the text.
        bytes: usize,
        /// The most bytes that fit.
        max: usize,
    },
    /// A control character: a line break, a NUL.
    #[error("holds a control character: use printable text")]
    Control,
}

impl PlanId {
    /// Checks a plan's name.
    ///
    /// # Errors
    /// It is empty, longer than 128 bytes, or holds control characters.
    pub fn new(id: impl Into<String>) -> Result<Self, NameError> {
        checked(id.into(), 128).map(Self)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Subject {
    /// Checks a subject's name.
    ///
    /// # Errors
    /// It is empty, longer than 512 bytes, or holds control characters.
    pub fn new(subject: impl Into<String>) -> Result<Self, NameError> {
        checked(subject.into(), 512).map(Self)
    }

    /// Returns the subject of a source address: `address-192.0.2.1`, or all of an IPv6 network of 64
    /// bits, as `address-2001:db8:1:2::/64`.
    ///
    /// The layer's `By::source_address` names the same subject.
    #[cfg(feature = "dynamodb")]
    #[must_use]
    pub fn of_address(address: IpAddr) -> Self {
        Self(crate::network::name(address, crate::network::PREFIX).into())
    }

    /// The name as text. Keep it out of logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Debug for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlanId({:?})", self.0)
    }
}

impl Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject(…)")
    }
}

/// Text of at most `max` bytes, not empty, without control characters.
pub(crate) fn checked(text: String, max: usize) -> Result<Arc<str>, NameError> {
    if text.is_empty() {
        Err(NameError::Empty)
    } else if text.len() > max {
        Err(NameError::TooLong { bytes: text.len(), max })
    } else if text.chars().any(char::is_control) {
        Err(NameError::Control)
    } else {
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_printable_text() {
        assert_eq!(PlanId::new(""), Err(NameError::Empty));
        assert_eq!(PlanId::new("a".repeat(129)), Err(NameError::TooLong { bytes: 129, max: 128 }));
        assert_eq!(PlanId::new("free\n"), Err(NameError::Control));
        assert_eq!(Subject::new("a\0b"), Err(NameError::Control));
        assert_eq!(Subject::new("é".repeat(257)), Err(NameError::TooLong { bytes: 514, max: 512 }));
        assert!(Subject::new("é".repeat(256)).is_ok());
        assert_eq!(PlanId::new("free").unwrap().to_string(), "free");
    }

    #[test]
    fn a_subject_is_not_shown() {
        let subject = Subject::new("client-7f3a").unwrap();
        assert!(!format!("{subject:?}").contains("7f3a"));
        assert!(!format!("{:?}", Subject::new("client-7f3a\n")).contains("7f3a"));
    }
}
