//! The resources after the stage, computed when rules are loaded.

use std::sync::Arc;

/// Every suffix that rules can grant without a claim: sorted, each once.
///
/// A set of them is a [`Bits`], so that putting rules together is an `or` of a few words, and a
/// set read from its lowest bit up is in order.
#[derive(Debug)]
pub(crate) struct Table {
    suffixes: Vec<Box<str>>,
    /// Each pair of a suffix and a wider one that covers it, by their places.
    covers: Vec<(usize, usize)>,
}

/// A set of places in a [`Table`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bits(Vec<u64>);

/// A set of suffixes: some of the table, and some that a caller's claims filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suffixes {
    pub(crate) known: Bits,
    pub(crate) filled: Vec<String>,
}

impl Table {
    pub(crate) fn new(mut suffixes: Vec<String>) -> Arc<Self> {
        suffixes.sort_unstable();
        suffixes.dedup();
        let suffixes: Vec<Box<str>> = suffixes.into_iter().map(String::into_boxed_str).collect();
        let mut covers = Vec::new();
        for (wide, pattern) in suffixes.iter().enumerate().filter(|(_, s)| s.ends_with('*')) {
            for (narrow, suffix) in suffixes.iter().enumerate() {
                if narrow != wide && is_covered(suffix, pattern) {
                    covers.push((narrow, wide));
                }
            }
        }
        Arc::new(Self { suffixes, covers })
    }

    /// The set of nothing.
    pub(crate) fn none(&self) -> Suffixes {
        let words = self.suffixes.len().div_ceil(64);
        Suffixes { known: Bits(vec![0; words]), filled: Vec::new() }
    }

    /// The place of a suffix that is in the table.
    pub(crate) fn place(&self, suffix: &str) -> Option<usize> {
        self.suffixes.binary_search_by(|known| (**known).cmp(suffix)).ok()
    }

    /// The texts of a set: those known in order, then those filled.
    pub(crate) fn texts<'s>(&'s self, set: &'s Suffixes) -> impl Iterator<Item = &'s str> {
        self.known(&set.known).chain(set.filled.iter().map(String::as_str))
    }

    fn known<'s>(&'s self, bits: &'s Bits) -> impl Iterator<Item = &'s str> {
        bits.places().filter_map(|place| self.suffixes.get(place)).map(|suffix| &**suffix)
    }

    /// Drops from a set what something wider in it covers, and puts it in order.
    pub(crate) fn merge(&self, set: &mut Suffixes) {
        for &(narrow, wide) in &self.covers {
            // `covers` is transitive: what covers a suffix dropped here covers its own as well.
            if set.known.has(wide) {
                set.known.remove(narrow);
            }
        }
        let mut filled = std::mem::take(&mut set.filled);
        filled.sort_unstable();
        filled.dedup();
        let wide: Vec<String> = filled.iter().filter(|f| f.ends_with('*')).cloned().collect();
        filled.retain(|suffix| !wide.iter().any(|w| w != suffix && is_covered(suffix, w)));
        self.drop_covered(&mut set.known, &filled);
        filled.retain(|suffix| {
            !self.known(&set.known).any(|known| known == suffix || is_covered(suffix, known))
        });
        set.filled = filled;
    }

    /// Drops from a set what another one has or covers.
    pub(crate) fn subtract(&self, set: &mut Suffixes, other: &Suffixes) {
        for place in other.known.places() {
            set.known.remove(place);
        }
        for &(narrow, wide) in &self.covers {
            if other.known.has(wide) {
                set.known.remove(narrow);
            }
        }
        self.drop_covered(&mut set.known, &other.filled);
        set.filled.retain(|suffix| {
            !self.texts(other).any(|wide| wide == suffix || is_covered(suffix, wide))
        });
    }

    /// Drops from a set of places what one of the patterns covers.
    fn drop_covered(&self, places: &mut Bits, patterns: &[String]) {
        if patterns.is_empty() {
            return;
        }
        let before = places.clone();
        for place in before.places() {
            let suffix = self.suffixes.get(place);
            if suffix.is_some_and(|suffix| patterns.iter().any(|p| is_covered(suffix, p))) {
                places.remove(place);
            }
        }
    }
}

impl Bits {
    pub(crate) fn insert(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    fn remove(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word &= !(1 << (place % 64));
        }
    }

    fn has(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word & (1 << (place % 64)) != 0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word |= other;
        }
    }

    /// The places in the set, in order.
    fn places(&self) -> impl Iterator<Item = usize> {
        self.0.iter().zip((0..).step_by(64)).flat_map(|(word, first)| {
            let rest = |word: &u64| Some(word & (word - 1)).filter(|rest| *rest != 0);
            std::iter::successors(Some(*word).filter(|word| *word != 0), rest)
                .map(move |word| first + word.trailing_zeros() as usize)
        })
    }
}

impl Suffixes {
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty() && self.filled.is_empty()
    }

    /// Only the stage's own wildcard, which no table has.
    pub(crate) fn whole_stage() -> Self {
        Self { known: Bits(Vec::new()), filled: vec!["*".to_owned()] }
    }
}

/// Returns true if the pattern `by`, which ends in `*`, matches everything that `suffix` does.
fn is_covered(suffix: &str, by: &str) -> bool {
    by.strip_suffix('*').is_some_and(|prefix| suffix.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(suffixes: &[&str]) -> Arc<Table> {
        Table::new(suffixes.iter().map(|s| (*s).to_owned()).collect())
    }

    fn set(table: &Table, known: &[&str], filled: &[&str]) -> Suffixes {
        let mut set = table.none();
        for suffix in known {
            set.known.insert(table.place(suffix).unwrap());
        }
        set.filled = filled.iter().map(|s| (*s).to_owned()).collect();
        set
    }

    #[test]
    fn a_set_is_read_in_order() {
        let all: Vec<String> = (0..200).map(|n| format!("GET/{n:03}")).collect();
        let table = Table::new(all.iter().rev().chain(&all).cloned().collect());
        assert_eq!(table.suffixes.len(), all.len(), "each once");
        let mut set = table.none();
        assert!(set.is_empty());
        for suffix in &all {
            set.known.insert(table.place(suffix).unwrap());
        }
        assert_eq!(table.texts(&set).collect::<Vec<_>>(), all);
        for suffix in all.iter().step_by(2) {
            set.known.remove(table.place(suffix).unwrap());
        }
        let odd: Vec<&String> = all.iter().skip(1).step_by(2).collect();
        assert_eq!(table.texts(&set).collect::<Vec<_>>(), odd);
        assert_eq!(table.place("GET/200"), None);
    }

    #[test]
    fn wider_covers_narrower() {
        let table = table(&["GET/a", "GET/a/*", "GET/a/b", "GET/a/b/*", "GET/u/*", "POST/a/b"]);
        for (known, filled, merged) in [
            (&["GET/a", "GET/a/*", "GET/a/b", "GET/a/b/*"][..], &[][..], &["GET/a", "GET/a/*"][..]),
            (&["GET/a/b", "GET/a/b/*", "POST/a/b"], &[], &["GET/a/b", "GET/a/b/*", "POST/a/b"]),
            (&["GET/u/*"], &["GET/u/1", "GET/u/1/*"], &["GET/u/*"]),
            (&["GET/a/b"], &["GET/a/*"], &["GET/a/*"]),
            (&["GET/a/b"], &["GET/a/b"], &["GET/a/b"]),
            (&[], &["GET/x/*", "GET/x/y", "GET/x/*", "GET/v"], &["GET/v", "GET/x/*"]),
            (&["GET/a"], &["GET/x"], &["GET/a", "GET/x"]),
        ] {
            let mut set = set(&table, known, filled);
            table.merge(&mut set);
            assert_eq!(table.texts(&set).collect::<Vec<_>>(), merged, "{known:?} {filled:?}");
        }
    }

    #[test]
    fn subtracts_what_another_set_grants() {
        let table = table(&["GET/a", "GET/a/*", "GET/a/b", "GET/c"]);
        for (other, other_filled, left) in [
            (&["GET/a/*"][..], &[][..], &["GET/a", "GET/c", "GET/v"][..]),
            (&["GET/a"], &["GET/v"], &["GET/a/b", "GET/c", "GET/a/x"]),
            (&[], &["GET/*"], &[]),
            (&["GET/c"], &["GET/a/x"], &["GET/a", "GET/a/b", "GET/v"]),
        ] {
            let mut from = set(&table, &["GET/a", "GET/a/b", "GET/c"], &["GET/a/x", "GET/v"]);
            table.subtract(&mut from, &set(&table, other, other_filled));
            assert_eq!(table.texts(&from).collect::<Vec<_>>(), left, "{other:?} {other_filled:?}");
        }
    }
}
