//! Old counters, which writes remove so that the item stays small.
//!
//! A subject may come at any time, so a write alone cannot know the old counters. Each answer shows
//! the whole item. It names the counters that may go, oldest first: those older than the history,
//! and more if the next writes could take the item over the kilobyte that one write unit pays for.
//! The next write of the instance removes them. If the item is large already, a write for just that
//! follows at once.

use super::{Charge, Counter, Move, State, To, When, Write};
use crate::clock::Timestamp;

/// The counters that may go from an item of this size in bytes, by their own sizes.
///
/// Never those of the current period and of the one before, which decisions need.
pub(crate) fn removable(
    present: impl Iterator<Item = (Counter, u32)>,
    size: u32,
    now: Timestamp,
) -> Vec<Counter> {
    let (mut past, mut rest) = (Vec::new(), Vec::new());
    for (counter, bytes) in present {
        if counter.is_before(counter.period().oldest(now)) {
            past.push((counter, bytes));
        } else if size > ROOMY && counter.is_before(counter.period().previous(now)) {
            rest.push((counter, bytes));
        }
    }
    past.sort_by_key(|(counter, _)| counter.last_day());
    rest.sort_by_key(|(counter, _)| counter.last_day());
    let gone: u32 = past.iter().map(|(_, bytes)| bytes).fold(0, |sum, it| sum.saturating_add(*it));
    let mut left = size.saturating_sub(gone);
    let more = rest.into_iter().take_while(|(_, bytes)| {
        let crowded = left > ROOMY;
        left = left.saturating_sub(*bytes);
        crowded
    });
    past.into_iter().chain(more).map(|(counter, _)| counter).take(MOST_AT_ONCE).collect()
}

impl Charge {
    /// Lets a write remove old counters, and rates without use for an hour.
    ///
    /// Otherwise an item would grow by every period and by every method that was ever called. Of
    /// rates at most two go at a time, since each is a condition that may fail.
    pub(crate) fn tidy(&self, write: &mut Write, state: &State) {
        let crowded = state.size > FULL;
        let old = if crowded { self.now.saturating_sub(MINUTE) } else { self.idle_since() };
        let used = |meter| write.moves.iter().any(|change| change.meter == meter);
        let unused = state.tats.iter().filter(|(meter, tat)| **tat <= old && !used(**meter));
        let gone = |meter| Move { meter, when: When::AtMost(self.now), to: To::Gone };
        let unused = unused.take(if crowded { 8 } else { 2 });
        let gone: Vec<_> = unused.map(|(meter, _)| gone(*meter)).collect();
        write.moves.extend(gone);
        self.forget(write, state);
    }

    /// Lets a write remove old counters.
    pub(crate) fn forget(&self, write: &mut Write, state: &State) {
        let longer = write
            .stamp
            .text_len()
            .saturating_sub(state.stamp.as_ref().map_or(0, super::Stamp::text_len));
        let grows = u32::try_from(longer).unwrap_or(u32::MAX);
        let mut size = state.size.saturating_add(grows);
        // The answer's own counters were not old at that time.
        for counter in state.past.iter().chain(state.counters.keys()) {
            let is_old = counter.is_before(counter.period().oldest(self.now));
            // An expression may name each attribute once.
            let is_named = write.counts.iter().any(|count| count.counter == *counter)
                || write.forgotten.contains(counter);
            if !is_named && (is_old || size > FULL && state.past.contains(counter)) {
                write.forgotten.push(*counter);
                size = size.saturating_sub(LEAST);
            }
        }
    }

    /// The write that makes a large item small again, and changes no decision.
    pub(crate) fn sweep(&self, state: &State) -> Option<Write> {
        if state.size <= FULL {
            return None;
        }
        let mut write = Write::new(self.bucket_stamp(), self.now);
        self.tidy(&mut write, state);
        (!write.moves.is_empty() || !write.forgotten.is_empty()).then_some(write)
    }
}

/// One write unit pays for 1,024 bytes. A charge adds at most a counter for each period, a rate's
/// `tat` and a method's: 104 bytes.
const FULL: u32 = 920;
/// A change of plan adds a plan's name too, of up to 128 bytes.
const ROOMY: u32 = FULL - 150;
/// No counter takes less: a month's, with a number of one or two digits.
const LEAST: u32 = 9;
/// A grant belongs to a counter too, so this is up to 96 attributes in one expression.
const MOST_AT_ONCE: usize = 32;
const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);
