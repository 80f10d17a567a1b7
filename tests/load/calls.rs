//! The calls that a script made, from the lines of its log.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};

use ::tests::bound::{Outcome, Span};

/// Nanoseconds in a millisecond.
pub(crate) const MILLISECOND: i128 = 1_000_000;

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) key: usize,
    pub(crate) status: u16,
    /// Nanoseconds of the wall clock: not after the call was sent.
    pub(crate) sent: i128,
    /// … and not before its answer was there.
    pub(crate) received: i128,
    pub(crate) micros: u64,
    /// The index in `Calls::kids` of the key that signed its token.
    pub(crate) kid: usize,
}

/// All calls of a run.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// In the order of their answers.
    pub(crate) all: Vec<Call>,
    /// The names of the keys that signed tokens, in the order in which they were met.
    pub(crate) kids: Vec<String>,
    /// The rest of k6's output.
    pub(crate) remarks: Vec<String>,
}

impl Calls {
    /// Reads a log of `call,KEY,STATUS,SENT,RECEIVED,MICROSECONDS,KID` and of k6's own remarks.
    pub(crate) fn read(text: &str) -> anyhow::Result<Self> {
        let mut calls = Self::default();
        for line in text.lines() {
            match line.strip_prefix("call,") {
                Some(fields) => {
                    let call = calls.parse(fields);
                    calls.all.push(call.with_context(|| format!("not a call: `{line}`"))?);
                }
                None if line.trim().is_empty() => {}
                None => calls.remarks.push(line.to_owned()),
            }
        }
        calls.all.sort_by_key(|call| call.received);
        Ok(calls)
    }

    fn parse(&mut self, fields: &str) -> anyhow::Result<Call> {
        let fields: Vec<&str> = fields.splitn(6, ',').collect();
        let [key, status, sent, received, micros, kid] = fields[..] else {
            bail!("it has not six fields")
        };
        let kid = match self.kids.iter().position(|known| known == kid) {
            Some(known) => known,
            None => {
                self.kids.push(kid.to_owned());
                self.kids.len() - 1
            }
        };
        // Milliseconds that were rounded down: an answer was there within the next one.
        Ok(Call {
            key: key.parse()?,
            status: status.parse()?,
            sent: sent.parse::<i128>()? * MILLISECOND,
            received: (received.parse::<i128>()? + 1) * MILLISECOND,
            micros: micros.parse()?,
            kid,
        })
    }

    /// The calls of each key that the limits decided, or may have.
    pub(crate) fn by_key(&self) -> BTreeMap<usize, Vec<Span>> {
        let mut keys: BTreeMap<usize, Vec<Span>> = BTreeMap::new();
        for call in &self.all {
            let outcome = match call.status {
                200 => Outcome::Admitted,
                429 => Outcome::Refused,
                // Refused before any bucket is charged.
                401 | 403 => continue,
                _ => Outcome::Unknown,
            };
            let span = Span { sent: call.sent, received: call.received, outcome };
            keys.entry(call.key).or_default().push(span);
        }
        keys
    }

    /// The time of the first call's sending and of the last answer.
    pub(crate) fn extent(&self) -> (i128, i128) {
        let first = self.all.iter().map(|call| call.sent).min().unwrap_or(0);
        let last = self.all.iter().map(|call| call.received).max().unwrap_or(0);
        (first, last)
    }

    /// The number of calls that were answered with this status.
    pub(crate) fn count(&self, status: u16) -> usize {
        self.all.iter().filter(|call| call.status == status).count()
    }
}

/// Returns a percentile, or `None` for no values. Sorts the values in place.
pub(crate) fn percentile(values: &mut [u64], percent: usize) -> Option<u64> {
    values.sort_unstable();
    let place = (values.len() * percent).div_ceil(100).max(1) - 1;
    values.get(place).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_with_its_remarks_and_in_the_order_of_answers() {
        let text = "call,0,200,1000,1010,9500,a\nRequest Failed\n\ncall,1,429,1001,1002,700,b\n";
        let calls = Calls::read(text).unwrap();
        assert_eq!(calls.remarks, ["Request Failed"]);
        assert_eq!(calls.kids, ["a", "b"]);
        let [first, second] = calls.all[..] else { panic!("{calls:?}") };
        assert_eq!((first.key, first.status, first.kid), (1, 429, 1));
        assert_eq!((second.sent, second.received), (1_000_000_000, 1_011_000_000));
        assert_eq!(calls.by_key()[&0][0].outcome, Outcome::Admitted);
    }

    #[test]
    fn what_is_no_call_is_an_error() {
        for line in ["call,", "call,0,200,1,2,3", "call,x,200,1,2,3,k"] {
            assert!(Calls::read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let mut values: Vec<u64> = (1..=200).rev().collect();
        assert_eq!(percentile(&mut values, 50), Some(100));
        assert_eq!(percentile(&mut values, 99), Some(198));
        assert_eq!(percentile(&mut values, 100), Some(200));
        assert_eq!(percentile(&mut [], 50), None);
        assert_eq!(percentile(&mut [7], 50), Some(7));
    }
}
