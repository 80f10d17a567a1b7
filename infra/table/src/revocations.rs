//! Revocations of tokens: `REVOKED#kind#digest`.

use std::collections::HashSet;
use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::SystemTime;

use aws_sdk_dynamodb::types::KeysAndAttributes;

use crate::digest::Digest;
use crate::error::{Damage, Error, Failure, TextError};
use crate::item::{
    self, Attributes, Deletable, EXPIRES_AT, Item, NO_KEY, PK, Reader, check_text, number, text,
    time,
};
use crate::items::{Condition, Items, Written};
use crate::time::{from_secs, secs, secs_rounded_up};

/// The revocations of a table.
pub type Revocations = Items<Revocation>;

/// The claim by which tokens are revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RevocationKind {
    /// One token, by its `jti`.
    Token,
    /// All tokens of one sign-in, by their `origin_jti`.
    Session,
    /// The tokens of a user issued before a stated time, by their `sub`.
    User,
    /// The tokens of a client issued before a stated time, by their `client_id`.
    Client,
}

impl RevocationKind {
    /// Returns the name: `token`, `session`, `user` or `client`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Session => "session",
            Self::User => "user",
            Self::Client => "client",
        }
    }

    /// Returns true if only tokens issued before a stated time are revoked.
    fn is_dated(self) -> bool {
        matches!(self, Self::User | Self::Client)
    }

    const ALL: [Self; 4] = [Self::Token, Self::Session, Self::User, Self::Client];
}

/// Target of a revocation: a token, a session, a user or a client of one issuer.
///
/// The id is stored only as the SHA-256 of `{issuer's length in bytes}:{issuer}{id}`. So the
/// table's key is always short, and contains no name of a person. A list of revocations shows the
/// digest, the time and the reason; to find an entry, look up an id.
///
/// Its text is `kind#digest`, by which an operator deletes an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revocable {
    kind: RevocationKind,
    digest: Digest,
}

/// Error of a text that is not the target of a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an entry of a list of revocations: give it as `kind#digest`")]
pub struct RevocableError;

impl Revocable {
    /// The target that a claim of an issuer's tokens names. The id may be any text.
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

    /// Returns the digest of the issuer and the claim's value.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns the kind of claim.
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
/// use std::time::UNIX_EPOCH;
/// use tollgate_table::{Revocable, Revocation};
///
/// let at = |secs| UNIX_EPOCH + Duration::from_secs(secs);
/// let user = Revocable::user("https://issuer", "maria");
/// let revocation = Revocation::new(user, at(1_000_000), at(1_086_400));
/// assert!(revocation.revokes(Some(at(999_999)), at(1_000_060)));
/// assert!(!revocation.revokes(Some(at(1_000_001)), at(1_000_060)), "signed in again");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    target: Revocable,
    issued_before: Option<SystemTime>,
    revoked_at: SystemTime,
    /// Seconds since the epoch, as DynamoDB's time to live needs them.
    expires_at: u64,
    reason: Option<String>,
}

impl Revocation {
    /// Revokes `target` until `expires`, rounded up to a second.
    ///
    /// `expires` must be late enough that every revoked token has expired by then. For a user or a
    /// client, tokens issued before `now` are revoked, unless `with_issued_before` sets another
    /// time.
    #[must_use]
    pub fn new(
        target: Revocable,
        now: impl Into<SystemTime>,
        expires: impl Into<SystemTime>,
    ) -> Self {
        let now = now.into();
        let issued_before = target.kind.is_dated().then_some(now);
        let expires_at = secs_rounded_up(expires.into());
        Self { target, issued_before, revoked_at: now, expires_at, reason: None }
    }

    /// Sets the time before which a user's or a client's revoked tokens were issued. Does nothing for
    /// the other kinds.
    #[must_use]
    pub fn with_issued_before(self, time: impl Into<SystemTime>) -> Self {
        Self { issued_before: self.issued_before.map(|_| time.into()), ..self }
    }

    /// Sets the reason, shown in lists.
    ///
    /// # Errors
    /// The reason is empty, longer than 256 bytes, or has control characters.
    pub fn with_reason(self, reason: impl Into<String>) -> Result<Self, TextError> {
        let reason = reason.into();
        check_text(&reason, MAX_REASON)?;
        Ok(Self { reason: Some(reason), ..self })
    }

    /// Returns the target.
    #[must_use]
    pub fn target(&self) -> Revocable {
        self.target
    }

    /// Returns the time before which a user's or a client's revoked tokens were issued.
    #[must_use]
    pub fn issued_before(&self) -> Option<SystemTime> {
        self.issued_before
    }

    /// Returns the time of the revocation.
    #[must_use]
    pub fn revoked_at(&self) -> SystemTime {
        self.revoked_at
    }

    /// Returns the end of the revocation.
    #[must_use]
    pub fn expires(&self) -> SystemTime {
        from_secs(self.expires_at)
    }

    /// Returns the reason.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Returns true until the end of the revocation. DynamoDB deletes the item days later.
    #[must_use]
    pub fn is_live(&self, now: impl Into<SystemTime>) -> bool {
        now.into() < self.expires()
    }

    /// Returns true if a token issued at this time is revoked now.
    ///
    /// A token without a time of issue counts as issued before that time.
    #[must_use]
    pub fn revokes(
        &self,
        issued_at: Option<impl Into<SystemTime>>,
        now: impl Into<SystemTime>,
    ) -> bool {
        let old = match (self.issued_before, issued_at) {
            (Some(before), Some(issued)) => issued.into() < before,
            _ => true,
        };
        old && self.is_live(now)
    }

    /// Joins two revocations of one target: the result revokes every token that either revokes,
    /// until both have ended.
    #[must_use]
    pub fn join(self, other: &Self) -> Self {
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

    fn attributes(&self) -> Attributes {
        item::attributes([
            (REVOKED_AT, Some(time(self.revoked_at))),
            (EXPIRES_AT, Some(number(self.expires_at))),
            (ISSUED_BEFORE, self.issued_before.map(time)),
            (REASON, self.reason.as_deref().map(text)),
        ])
    }

    fn read(id: &str, item: &Attributes) -> Result<Option<Self>, Damage> {
        let item = Reader::new::<Self>(item);
        let target: Revocable = id.parse().map_err(|_| item.damage(PK, NO_KEY))?;
        let is_dated = target.kind.is_dated();
        Ok(Some(Self {
            target,
            issued_before: is_dated.then(|| item.required(ISSUED_BEFORE)).transpose()?,
            revoked_at: item.required(REVOKED_AT)?,
            expires_at: item.required(EXPIRES_AT)?,
            reason: item.optional_text(REASON, MAX_REASON)?,
        }))
    }
}

impl Deletable for Revocation {}

impl Revocations {
    /// Stores a revocation, and returns the stored one.
    ///
    /// An active revocation is never weakened: the stored revocation joins the old and the new one.
    /// To end a revocation, delete it.
    ///
    /// # Errors
    /// The table is unavailable, the stored item is damaged, or it changed at each try.
    pub async fn put(&self, revocation: &Revocation) -> Result<Revocation, Error> {
        let now = revocation.revoked_at();
        let mut revocation = revocation.clone();
        for _ in 0..TRIES {
            let condition = stronger_than_stored(&revocation);
            match self.write(&revocation, condition).await? {
                Written::Done => return Ok(revocation),
                Written::Kept(Some(stored)) if stored.is_live(now) => {
                    revocation = revocation.join(&stored);
                }
                // It has been deleted since.
                Written::Kept(_) => {}
            }
        }
        Err(Failure::Contended { calls: TRIES }.into())
    }

    /// Looks up at most 100 revocations in one call.
    ///
    /// Also returns ended revocations that are not deleted yet: see [`Revocation::revokes`]. The
    /// reads are consistent. Each costs one read unit, found or not.
    ///
    /// # Errors
    /// The table is unavailable or its answer is incomplete, there are more than 100 targets, or an
    /// item is damaged. After an error, treat every target as revoked.
    pub async fn get_many(&self, targets: &[Revocable]) -> Result<Vec<Revocation>, Error> {
        // DynamoDB rejects duplicate keys, and a call without keys.
        let targets: HashSet<_> = targets.iter().collect();
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let keys = targets
            .into_iter()
            .map(|target| [(PK.to_owned(), item::item_key::<Revocation>(target))].into());
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(keys.collect()))
            .consistent_read(true)
            .build()
            .map_err(Failure::from)?;
        let read = self.client().batch_get_item().request_items(self.table(), keys);
        let answer = Box::pin(read.send()).await.map_err(Failure::from)?;
        let left = answer.unprocessed_keys.unwrap_or_default();
        if left.values().any(|keys| !keys.keys().is_empty()) {
            return Err(Failure::Throttled.into());
        }
        let mut found = Vec::new();
        // The answer names a table that was read, even if nothing was found.
        let mut responses = answer.responses.unwrap_or_default();
        for item in responses.remove(self.table()).ok_or(Failure::Outage)? {
            found.extend(item::read_item(&item)?);
        }
        Ok(found)
    }
}

/// A condition that holds if no revocation is stored, it has ended, or the new one covers it.
fn stronger_than_stored(revocation: &Revocation) -> Condition {
    let covered = "#x <= :x";
    let (covered, before) = match revocation.issued_before {
        Some(before) => (format!("({covered} AND #b <= :b)"), Some(before)),
        None => (covered.to_owned(), None),
    };
    let condition = Condition::new(format!("attribute_not_exists(#x) OR #x <= :now OR {covered}"))
        .name("#x", EXPIRES_AT)
        .value(":x", number(revocation.expires_at))
        .value(":now", number(secs(revocation.revoked_at)));
    match before {
        Some(before) => condition.name("#b", ISSUED_BEFORE).value(":b", time(before)),
        None => condition,
    }
}

const ISSUED_BEFORE: &str = "issued_before";
const REVOKED_AT: &str = "revoked_at";
const REASON: &str = "reason";
/// The longest reason, in bytes.
const MAX_REASON: usize = 256;
/// The most tries of a write, if other writes come first.
const TRIES: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> SystemTime {
        from_secs(secs)
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
            assert!(revocation.revokes(None::<SystemTime>, secs(199)), "no moment is an old one");
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
        let expires = crate::time::from_nanos(200_000_000_001);
        let revocation = Revocation::new(Revocable::token("i", "x"), secs(100), expires);
        assert_eq!(revocation.expires(), secs(201));
    }

    #[test]
    fn a_reason_is_short_and_printable() {
        let revocation = Revocation::new(Revocable::token("i", "x"), secs(100), secs(200));
        assert_eq!(revocation.clone().with_reason("a\nb"), Err(TextError::Control));
        let long = revocation.clone().with_reason("x".repeat(257));
        assert_eq!(long, Err(TextError::TooLong { bytes: 257, max: 256 }));
        assert_eq!(revocation.with_reason("stolen").unwrap().reason(), Some("stolen"));
    }
}
