//! A row of numbers: add to a range, ask for the greatest, each in logarithmic time.

/// The numbers; each is closed, and not asked for, until it is opened.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The number of leaves: a power of two.
    width: usize,
    /// Of each node the greatest open number below it and its place, without what is added above.
    greatest: Vec<Option<(i128, usize)>>,
    /// The sum that is added to everything below a node.
    added: Vec<i128>,
}

impl Tree {
    /// So many numbers, all zero and closed.
    pub(crate) fn of(length: usize) -> Self {
        let width = length.next_power_of_two();
        Self { width, greatest: vec![None; 2 * width], added: vec![0; 2 * width] }
    }

    /// The greatest open number and its place.
    pub(crate) fn greatest(&self) -> Option<(i128, usize)> {
        self.total(1)
    }

    /// Opens the number at `place`, adding `value` to what was added to it so far.
    pub(crate) fn open(&mut self, place: usize, value: i128) {
        let mut node = self.width + place;
        if let Some(leaf) = self.greatest.get_mut(node) {
            *leaf = Some((value, place));
        }
        while node > 1 {
            node /= 2;
            self.pull(node);
        }
    }

    /// Adds `value` to all places from `from` to before `to`.
    pub(crate) fn add(&mut self, from: usize, to: usize, value: i128) {
        self.add_below(1, 0, self.width, (from, to), value);
    }

    fn add_below(
        &mut self,
        node: usize,
        first: usize,
        width: usize,
        range: (usize, usize),
        value: i128,
    ) {
        let (from, to) = range;
        if to <= first || first + width <= from {
            return;
        }
        if from <= first && first + width <= to {
            if let Some(added) = self.added.get_mut(node) {
                *added += value;
            }
            return;
        }
        let half = width / 2;
        self.add_below(2 * node, first, half, range, value);
        self.add_below(2 * node + 1, first + half, half, range, value);
        self.pull(node);
    }

    fn pull(&mut self, node: usize) {
        let greatest = self.total(2 * node).max(self.total(2 * node + 1));
        if let Some(kept) = self.greatest.get_mut(node) {
            *kept = greatest;
        }
    }

    fn total(&self, node: usize) -> Option<(i128, usize)> {
        let added = self.added.get(node).copied().unwrap_or(0);
        let (value, place) = self.greatest.get(node).copied().flatten()?;
        Some((value + added, place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_before_and_after_a_number_opens_counts() {
        let mut tree = Tree::of(5);
        assert_eq!(tree.greatest(), None);
        tree.add(1, 4, 10);
        tree.open(4, 3);
        assert_eq!(tree.greatest(), Some((3, 4)));
        tree.open(2, 1);
        assert_eq!(tree.greatest(), Some((11, 2)));
        tree.add(3, 5, 20);
        assert_eq!(tree.greatest(), Some((23, 4)));
        tree.add(0, 5, -5);
        assert_eq!(tree.greatest(), Some((18, 4)));
    }
}
