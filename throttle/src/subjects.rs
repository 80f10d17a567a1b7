//! What is remembered of subjects: bounded, and read where it is kept.

use std::fmt::{self, Debug};
use std::hash::RandomState;
use std::sync::Mutex;

use quick_cache::UnitWeighter;
use quick_cache::unsync::Cache;

use crate::lock::Lock;
use crate::name::Subject;
use crate::tag::{Hashed, SHARDS, Sought, Tag};

/// A value for each of many subjects; what wasn't used for long makes room.
pub(crate) struct Subjects<T> {
    hasher: RandomState,
    shards: Vec<Mutex<Shard<T>>>,
}

type Shard<T> = Cache<Tag, T, UnitWeighter, Hashed>;

impl<T: Default + Send> Subjects<T> {
    /// Room for about so many, a few less where names fall unevenly.
    pub(crate) fn new(most: usize) -> Self {
        let a_shard = most.div_ceil(usize::try_from(SHARDS).unwrap_or(most));
        let shard = || {
            let (lifecycle, hasher) = (Default::default(), Hashed::default());
            Shard::with(a_shard, a_shard as u64, UnitWeighter, hasher, lifecycle)
        };
        let shards = (0..SHARDS).map(|_| Mutex::new(shard())).collect();
        Self { hasher: RandomState::new(), shards }
    }

    /// What is to be told of a subject, if anything is remembered of it.
    pub(crate) fn look<R>(
        &self,
        subject: &Subject,
        tell: impl FnOnce(&T) -> Option<R>,
    ) -> Option<R> {
        let sought = Sought::new(subject, &self.hasher);
        sought.shard(&self.shards)?.with(|shard| tell(shard.get(&sought)?))
    }

    /// Changes what is remembered of a subject; nothing is awaited meanwhile.
    pub(crate) fn with<R>(&self, subject: &Subject, change: impl FnOnce(&mut T) -> R) -> R {
        let sought = Sought::new(subject, &self.hasher);
        let Some(shard) = sought.shard(&self.shards) else { return change(&mut T::default()) };
        shard.with(|shard| {
            if !shard.contains_key(&sought) {
                shard.insert(Tag::from(&sought), T::default());
            }
            match shard.get_mut(&sought) {
                Some(mut value) => change(&mut value),
                None => change(&mut T::default()),
            }
        })
    }
}

impl<T> Debug for Subjects<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subjects").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(n: usize) -> Subject {
        Subject::new(format!("client-{n:08x}")).unwrap()
    }

    #[test]
    fn each_subject_has_a_value_of_its_own() {
        let subjects = Subjects::<usize>::new(1_000);
        for n in 0..500 {
            assert_eq!(subjects.look(&name(n), |value| Some(*value)), None);
            subjects.with(&name(n), |value| *value += n);
            subjects.with(&name(n), |value| *value += 1);
        }
        for n in 0..500 {
            assert_eq!(subjects.look(&name(n), |value| Some(*value)), Some(n + 1));
        }
    }

    #[test]
    fn there_are_no_more_than_there_is_room_for() {
        let subjects = Subjects::<usize>::new(1_000);
        for n in 0..10_000 {
            subjects.with(&name(n), |value| *value = n);
            assert_eq!(subjects.look(&name(n), |value| Some(*value)), Some(n), "the newest stays");
        }
        let kept = (0..10_000).filter(|n| subjects.look(&name(*n), |_| Some(())).is_some());
        assert!((900..=1_100).contains(&kept.count()));
    }
}
