//! A subject's name where it is kept: with its hash, and mostly in place.

use std::fmt::{self, Debug};
use std::hash::{BuildHasher, Hash, Hasher};

use quick_cache::Equivalent;

use crate::name::Subject;

/// A subject's name as a key that is kept.
///
/// Whoever looks for one subject of a hundred thousand waits for memory and for little else. So a
/// short name is kept beside what belongs to it, rather than at the end of a pointer.
#[derive(Clone)]
pub(crate) struct Tag {
    hash: u64,
    name: Name,
}

#[derive(Clone)]
enum Name {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Subject),
}

/// A subject that is looked for, with its hash: it is hashed once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sought<'a> {
    pub(crate) hash: u64,
    pub(crate) subject: &'a Subject,
}

impl<'a> Sought<'a> {
    /// Hashes a name, by a key that nobody knows who chooses names.
    pub(crate) fn new(subject: &'a Subject, hasher: &impl BuildHasher) -> Self {
        let mut state = hasher.build_hasher();
        state.write(subject.as_str().as_bytes());
        Self { hash: state.finish(), subject }
    }

    /// Its shard of [`SHARDS`], by bits from the middle: tables go by those at the ends.
    pub(crate) fn shard<'s, T>(&self, shards: &'s [T]) -> Option<&'s T> {
        shards.get(usize::try_from((self.hash >> 32) % SHARDS).unwrap_or_default())
    }
}

impl Tag {
    /// The hash of its name.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Whether it is this subject's.
    pub(crate) fn is(&self, sought: &Sought<'_>) -> bool {
        self.hash == sought.hash && self.name.bytes() == sought.subject.as_str().as_bytes()
    }
}

impl From<&Sought<'_>> for Tag {
    fn from(sought: &Sought<'_>) -> Self {
        let name = sought.subject.as_str().as_bytes();
        let mut bytes = [0; SHORT];
        let name = match (bytes.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(name);
                Name::Short { length, bytes }
            }
            _ => Name::Long(sought.subject.clone()),
        };
        Self { hash: sought.hash, name }
    }
}

impl Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag(…)")
    }
}

impl PartialEq for Tag {
    fn eq(&self, other: &Self) -> bool {
        self.name.bytes() == other.name.bytes()
    }
}

impl Eq for Tag {}

impl Name {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Long(subject) => subject.as_str().as_bytes(),
        }
    }
}

impl Hash for Tag {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Hash for Sought<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Equivalent<Tag> for Sought<'_> {
    fn equivalent(&self, key: &Tag) -> bool {
        key.is(self)
    }
}

/// Takes the hash that a tag has already for its hash.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hashed(u64);

impl BuildHasher for Hashed {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self::default()
    }
}

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}

/// Into how many parts subjects are divided, each with a lock of its own.
pub(crate) const SHARDS: u64 = 16;
/// How long a name is kept in place: a UUID, an address, what Cognito calls a client.
const SHORT: usize = 38;

#[cfg(test)]
mod tests {
    use std::hash::RandomState;

    use super::*;

    #[test]
    fn a_tag_is_its_subjects_and_nobody_elses() {
        let names = ["a", "b", "ab", &"a".repeat(37), &"a".repeat(38), &"a".repeat(39), "é"];
        let hasher = RandomState::new();
        let subjects = names.map(|name| Subject::new(name).unwrap());
        for one in &subjects {
            let tag = Tag::from(&Sought::new(one, &hasher));
            for other in &subjects {
                let sought = Sought::new(other, &hasher);
                assert_eq!(tag.is(&sought), one == other);
                assert_eq!(tag == Tag::from(&sought), one == other);
                // Should two names have the same hash, the names tell.
                assert_eq!(tag.is(&Sought { hash: tag.hash(), ..sought }), one == other);
            }
        }
    }

    #[test]
    fn a_name_of_a_tag_is_not_shown() {
        let subject = Subject::new("client-7f3a").unwrap();
        let tag = Tag::from(&Sought::new(&subject, &RandomState::new()));
        assert_eq!(format!("{tag:?}"), "Tag(…)");
    }
}
