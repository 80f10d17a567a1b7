//! What no longer counts although its signature does: `REVOKED#kind#digest`.

use std::fmt::{self, Display};
use std::str::FromStr;

use super::{Attributes, Digest, EXPIRES_AT, Item, Reading, n, text};
use crate::clock::{NANOS_A_SECOND, Timestamp};
use crate::failure::Damage;
use crate::name::{NameError, checked};

/// Which claim of a token a revocation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RevocationKind {
    /// One token, by its `jti`.
    Token,
    /// All tokens of one sign-in, by their `origin_jti`.
    Session,
    /// The tokens that a user got before some moment, by their `sub`.
    User,
    /// The tokens that a client got before some moment, by their `client_id`.
    Client,
}

impl RevocationKind {
    /// The name: `token`, `session`, `user` or `client`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Session => "session",
            Self::User => "user",
            Self::Client => "client",
        }
    }

    /// Whether a moment of issue is needed to say which tokens are meant.
    fn is_dated(self) -> bool {
        matches!(self, Self::User | Self::Client)
    }

    const ALL: [Self; 4] = [Self::Token, Self::Session, Self::User, Self::Client];
}

/// What can be revoked: a token, a session, a user or a client of one issuer.
///
/// The id is kept as the SHA-256 of `{issuer's length in bytes}:{issuer}{id}` alone: the table's
/// key stays short whatever a token holds, and nobody's name is in it. Who lists revocations sees
/// the digest, the moment and the reason; who has an id can look it up.
///
/// Written as `kind#digest`, which is how an entry of a list is named to delete it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revocable {
    kind: RevocationKind,
    digest: Digest,
}

/// Why a text names nothing that can be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no entry of a list of revocations: give it as `kind#digest`")]
pub struct RevocableError;

impl Revocable {
    /// What a token's claim stands for, whatever is in it.
    #[must_use]
    pub fn new(kind: RevocationKind, issuer: &str, id: &str) -> Self {
        let length = format!("{}:", issuer.len());
        let digest = Digest::of(&[length.as_bytes(), issuer.as_bytes(), id.as_bytes()]);
        Self { kind, digest }
    }

    /// One token, by its `jti`.
    #[must_use]
    pub fn token(issuer: &str, jti: &str) -> Self {
        Self::new(RevocationKind::Token, issuer, jti)
    }

    /// All tokens of one sign-in, by their `origin_jti`.
    #[must_use]
    pub fn session(issuer: &str, origin_jti: &str) -> Self {
        Self::new(RevocationKind::Session, issuer, origin_jti)
    }

    /// A user, by the `sub`.
    #[must_use]
    pub fn user(issuer: &str, subject: &str) -> Self {
        Self::new(RevocationKind::User, issuer, subject)
    }

    /// A client, by its `client_id`.
    #[must_use]
    pub fn client(issuer: &str, client_id: &str) -> Self {
        Self::new(RevocationKind::Client, issuer, client_id)
    }

    /// What stands for the issuer and the claim's value.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Which claim it is about.
    #[must_use]
    pub fn kind(&self) -> RevocationKind {
        self.kind
    }
}

impl Display for Revocable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.kind.name(), self.digest)
    }
}

impl FromStr for Revocable {
    type Err = RevocableError;

    fn from_str(text: &str) -> Result<Self, RevocableError> {
        let (kind, digest) = text.split_once('#').ok_or(RevocableError)?;
        let kind = RevocationKind::ALL.into_iter().find(|known| known.name() == kind);
        let digest = digest.parse().map_err(|_| RevocableError)?;
        Ok(Self { kind: kind.ok_or(RevocableError)?, digest })
    }
}

/// A revocation as it is stored.
///
/// ```
/// use std::time::Duration;
/// use throttle::Timestamp;
/// use throttle::table::{Revocable, Revocation};
///
/// let now = Timestamp::from_secs(1_000_000);
/// let later = now.saturating_add(Duration::from_secs(60));
/// let user = Revocable::user("https://issuer", "maria");
/// let revocation = Revocation::new(user, now, now.saturating_add(Duration::from_secs(86_400)));
/// assert!(revocation.revokes(Some(Timestamp::from_secs(999_999)), later));
/// assert!(!revocation.revokes(Some(Timestamp::from_secs(1_000_001)), later), "signed in again");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    target: Revocable,
    issued_before: Option<Timestamp>,
    revoked_at: Timestamp,
    /// In seconds, as DynamoDB has it.
    expires_at: u64,
    reason: Option<String>,
}

impl Revocation {
    /// Revokes `target` until `expires`, rounded up to a second.
    ///
    /// Choose `expires` so that by then every token that is meant has expired. Of a user or a
    /// client, the tokens issued before `now` are meant, unless `with_issued_before` says otherwise.
    #[must_use]
    pub fn new(target: Revocable, now: Timestamp, expires: Timestamp) -> Self {
        let issued_before = target.kind.is_dated().then_some(now);
        let expires_at = expires.as_nanos().div_ceil(NANOS_A_SECOND);
        Self { target, issued_before, revoked_at: now, expires_at, reason: None }
    }

    /// Sets which tokens of a user or a client are meant; for the other kinds, nothing.
    #[must_use]
    pub fn with_issued_before(self, moment: Timestamp) -> Self {
        Self { issued_before: self.issued_before.map(|_| moment), ..self }
    }

    /// Sets why, for whoever lists it.
    ///
    /// # Errors
    /// It is empty, longer than 256 bytes, or holds control characters.
    pub fn with_reason(self, reason: impl Into<String>) -> Result<Self, NameError> {
        let reason = checked(reason.into(), MAX_REASON)?.to_string();
        Ok(Self { reason: Some(reason), ..self })
    }

    /// What is revoked.
    #[must_use]
    pub fn target(&self) -> Revocable {
        self.target
    }

    /// Before which moment a user's or a client's tokens must have been issued to be meant.
    #[must_use]
    pub fn issued_before(&self) -> Option<Timestamp> {
        self.issued_before
    }

    /// When it was revoked.
    #[must_use]
    pub fn revoked_at(&self) -> Timestamp {
        self.revoked_at
    }

    /// From when on it no longer counts.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        Timestamp::from_secs(self.expires_at)
    }

    /// Why, if somebody said so.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Whether it still counts.
    ///
    /// DynamoDB deletes what has expired within days; until then it is there and says nothing.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires()
    }

    /// Whether a token issued at this moment is revoked now.
    ///
    /// A token that doesn't say when it was issued counts as old.
    #[must_use]
    pub fn revokes(&self, issued_at: Option<Timestamp>, now: Timestamp) -> bool {
        let old = match (self.issued_before, issued_at) {
            (Some(before), Some(issued)) => issued < before,
            _ => true,
        };
        old && self.is_live(now)
    }

    pub(crate) fn expires_at(&self) -> u64 {
        self.expires_at
    }

    /// Both revocations of one target in one: whatever either revokes, and as long.
    pub(crate) fn join(self, other: &Self) -> Self {
        Self {
            issued_before: self.issued_before.max(other.issued_before),
            expires_at: self.expires_at.max(other.expires_at),
            ..self
        }
    }
}

impl Item for Revocation {
    type Id = Revocable;

    const KIND: &'static str = "revocation";
    const PREFIX: &'static str = "REVOKED#";

    fn id(&self) -> &Revocable {
        &self.target
    }

    fn name(target: &Revocable) -> String {
        target.to_string()
    }

    fn parse(name: &str) -> Option<Revocable> {
        name.parse().ok()
    }

    fn attributes(&self) -> Result<Attributes, Damage> {
        let mut item = Attributes::from([
            (REVOKED_AT.to_owned(), n(self.revoked_at.as_nanos())),
            (EXPIRES_AT.to_owned(), n(self.expires_at)),
        ]);
        let before = self.issued_before.map(|before| n(before.as_nanos()));
        item.extend(before.map(|before| (ISSUED_BEFORE.to_owned(), before)));
        item.extend(self.reason.as_deref().map(|reason| (REASON.to_owned(), text(reason))));
        Ok(item)
    }

    fn read(target: Revocable, item: &Attributes) -> Result<Option<Self>, Damage> {
        let item = Reading::<Self>::of(item);
        let issued_before = match target.kind.is_dated() {
            true => Some(item.needed(ISSUED_BEFORE, item.moment(ISSUED_BEFORE)?)?),
            false => None,
        };
        let reason = item.checked(REASON, |text| checked(text.to_owned(), MAX_REASON))?;
        Ok(Some(Self {
            target,
            issued_before,
            revoked_at: item.needed(REVOKED_AT, item.moment(REVOKED_AT)?)?,
            expires_at: item.needed(EXPIRES_AT, item.number(EXPIRES_AT)?)?,
            reason: reason.map(|reason| reason.to_string()),
        }))
    }
}

pub(crate) const ISSUED_BEFORE: &str = "issued_before";
const REVOKED_AT: &str = "revoked_at";
const REASON: &str = "reason";
const MAX_REASON: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn what_is_revoked_has_one_name_and_shows_no_id() {
        let user = Revocable::user("https://issuer", "maria");
        let text = user.to_string();
        assert_eq!(text.parse(), Ok(user));
        assert_ne!(user, Revocable::user("https://issue", "rmaria"));
        assert_ne!(user, Revocable::client("https://issuer", "maria"));
        // printf '14:https://issuermaria' | sha256sum
        let digest = "5588ce756a29ee4f621330ca3d030e68cfb0e5c300691e31a8cfa8eede5ea6f7";
        assert_eq!(text.strip_prefix("user#"), Some(digest));
        for wrong in ["", "user", "user#", "group#", &text.replace("user", "group")] {
            assert_eq!(wrong.parse::<Revocable>(), Err(RevocableError), "{wrong}");
        }
    }

    #[test]
    fn a_user_or_client_is_revoked_up_to_a_moment() {
        for target in [Revocable::user("i", "x"), Revocable::client("i", "x")] {
            let revocation = Revocation::new(target, secs(100), secs(200));
            assert!(revocation.revokes(Some(secs(99)), secs(199)));
            assert!(!revocation.revokes(Some(secs(100)), secs(199)));
            assert!(revocation.revokes(None, secs(199)), "no moment is an old one");
            assert!(!revocation.revokes(Some(secs(99)), secs(200)), "expired");
            let earlier = revocation.with_issued_before(secs(50));
            assert!(!earlier.revokes(Some(secs(50)), secs(199)));
            assert!(earlier.revokes(Some(secs(49)), secs(199)));
        }
    }

    #[test]
    fn a_token_or_session_is_revoked_as_a_whole() {
        for target in [Revocable::token("i", "x"), Revocable::session("i", "x")] {
            let revocation =
                Revocation::new(target, secs(100), secs(200)).with_issued_before(secs(0));
            assert_eq!(revocation.issued_before(), None);
            assert!(revocation.revokes(Some(secs(150)), secs(199)));
            assert!(!revocation.revokes(Some(secs(150)), secs(200)));
        }
    }

    #[test]
    fn an_expiry_is_rounded_up_to_a_second() {
        let expires = Timestamp::from_nanos(200_000_000_001);
        let revocation = Revocation::new(Revocable::token("i", "x"), secs(100), expires);
        assert_eq!(revocation.expires(), secs(201));
    }

    #[test]
    fn a_reason_is_short_and_printable() {
        let revocation = Revocation::new(Revocable::token("i", "x"), secs(100), secs(200));
        assert_eq!(revocation.clone().with_reason("a\nb"), Err(NameError::Control));
        let long = revocation.clone().with_reason("x".repeat(257));
        assert_eq!(long, Err(NameError::TooLong { bytes: 257, max: 256 }));
        assert_eq!(revocation.with_reason("stolen").unwrap().reason(), Some("stolen"));
    }
}
