//! Counters of the past: which of them a write removes, so that the item stays small.
//!
//! A subject may come at any time, so no write can know by itself which old counters there are.
//! But each answer shows the whole item. It names the counters that may go, oldest first: those
//! older than the history, and more if the item is so large that the next writes could take it
//! over the kilobyte that one write unit pays for. The next write of the instance removes them. If
//! the item is large already, a write for just that follows at once.

use smallvec::SmallVec;

use super::{Charge, Counter, Move, State, To, When, Write};
use crate::clock::Timestamp;
use crate::period::Today;

/// Counters that may go, oldest first.
pub(crate) type Past = SmallVec<[Counter; 2]>;

/// The counters that may go from an item of this size in bytes, by their own sizes.
///
/// Never those of the current period and of the one before, which decisions need.
pub(crate) fn removable(
    present: impl Iterator<Item = (Counter, u32)>,
    size: u32,
    now: Timestamp,
) -> Past {
    let today = Today::at(now);
    let (mut past, mut rest) = (SmallVec::<[_; 2]>::new(), SmallVec::<[_; 2]>::new());
    for (counter, bytes) in present {
        let current = today.of(counter.period());
        if counter.is_before(current.oldest) {
            past.push((counter, bytes));
        } else if size > ROOMY && counter.is_before(current.before) {
            rest.push((counter, bytes));
        }
    }
    if past.is_empty() && rest.is_empty() {
        return Past::new();
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
    /// Lets a write remove what nobody needs: old counters, and rates that nobody used for an hour.
    ///
    /// Otherwise an item would grow by every period and by every method that was ever called. Of
    /// rates at most two go at a time, since each is a condition that may fail.
    pub(crate) fn tidy(&self, write: &mut Write, state: &State) {
        let crowded = state.size > FULL;
        let old = if crowded { self.now.saturating_sub(MINUTE) } else { self.idle_since() };
        let used = |meter| write.moves.iter().any(|change| change.meter == meter);
        let unused = state.tats.iter().filter(|(meter, tat)| **tat <= old && !used(**meter));
        let unused: SmallVec<[_; 2]> = unused.take(if crowded { 8 } else { 2 }).collect();
        let gone = |meter| Move { meter, when: When::AtMost(self.now), to: To::Gone };
        write.moves.extend(unused.into_iter().map(|(meter, _)| gone(*meter)));
        self.forget(write, state);
    }

    /// Lets a write remove old counters.
    pub(crate) fn forget(&self, write: &mut Write, state: &State) {
        let today = Today::at(self.now);
        let longer = write
            .stamp
            .text_len()
            .saturating_sub(state.stamp.as_ref().map_or(0, super::Stamp::text_len));
        let grows = u32::try_from(longer).unwrap_or(u32::MAX);
        let mut size = state.size.saturating_add(grows);
        // Those that the answer told were not old when it did.
        for counter in state.past.iter().chain(state.counters.keys()) {
            let is_old = counter.is_before(today.of(counter.period()).oldest);
            // An expression may name each attribute once.
            let is_named = write.counts.iter().any(|count| count.counter == *counter)
                || write.forgotten.contains(counter);
            if !is_named && (is_old || size > FULL && state.past.contains(counter)) {
                write.forgotten.push(*counter);
                size = size.saturating_sub(LEAST);
            }
        }
    }

    /// The write that makes a large item small again, and changes nothing that counts.
    pub(crate) fn sweep(&self, state: &State) -> Option<Write> {
        if state.size <= FULL {
            return None;
        }
        let mut write = Write { counts: SmallVec::new(), ..self.write(self.forms(state)) };
        write.moves.clear();
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
