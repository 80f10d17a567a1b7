//! A bounded map of recently used entries.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::hash::Hash;
use std::mem;

/// A map that keeps at least the `most` entries used last, and at most twice as many.
///
/// It has two generations. Each entry that is used moves to the younger one. If that is full, the
/// older one is dropped and the younger one takes its place. So a new entry is never dropped at
/// once. A cache with an admission policy may drop it, and a subject whose local bucket is dropped
/// would get a full one at each request.
pub(crate) struct Recent<K, V> {
    most: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Clone + Eq + Hash, V: Default> Recent<K, V> {
    /// An empty map. Memory is allocated as entries come.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, young: HashMap::new(), old: HashMap::new() }
    }

    /// Returns an entry without using it.
    pub(crate) fn peek(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Returns an entry, a default one if there is none.
    pub(crate) fn entry(&mut self, key: &K) -> &mut V {
        if !self.young.contains_key(key) {
            let value = self.old.remove(key).unwrap_or_default();
            if self.young.len() >= self.most {
                self.old = mem::take(&mut self.young);
            }
            self.young.insert(key.clone(), value);
        }
        self.young.entry(key.clone()).or_default()
    }
}

impl<K, V> Debug for Recent<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entries_used_last_stay_and_the_map_is_bounded() {
        let mut recent = Recent::new(100);
        for n in 0..1_000u32 {
            *recent.entry(&n) += n;
            // One that is used again and again stays.
            *recent.entry(&0) += 1;
            for known in n.saturating_sub(98)..=n {
                assert!(recent.peek(&known).is_some(), "{known} of {n}");
            }
            assert!(recent.young.len() + recent.old.len() <= 200);
        }
        assert_eq!(
            (recent.peek(&0), recent.peek(&7), recent.peek(&999)),
            (Some(&1_000), None, Some(&999))
        );
    }
}
