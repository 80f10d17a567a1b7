//! The breaker's state: pure, it receives the time and what became of each call.

use std::time::Duration;

use crate::clock::Moment;

/// How many failures in a row open the circuit.
pub(crate) const FAILURES_TO_OPEN: usize = 5;
/// How long the circuit stays open before one call is let through to try.
pub(crate) const OPEN_FOR: Duration = Duration::from_secs(1);

/// Whether the table is asked, by what became of the last calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Circuit {
    state: State,
    /// Grows whenever the state changes its kind: an older call's outcome then counts no more.
    turn: u64,
}

#[derive(Clone, Debug)]
enum State {
    Closed(Row),
    /// No call is let through for a second after this moment; none: the next one may try.
    Open {
        since: Option<Moment>,
    },
    /// One call is on its way to try; all others fail.
    Trying,
}

/// The failures since the last answer.
#[derive(Clone, Debug, Default)]
struct Row {
    outages: usize,
    /// Whose calls were throttled, each once.
    throttled: Vec<u64>,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The table answered, be it with a refusal: it is there.
    Answered,
    /// It didn't.
    Outage,
    /// It refused to serve this key just now, which may be hotter than all others.
    Throttled {
        /// Tells keys apart.
        key: u64,
    },
    /// The caller went away before there was an answer.
    Abandoned,
}

/// The permission for one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    turn: u64,
}

impl Default for State {
    fn default() -> Self {
        Self::Closed(Row::default())
    }
}

impl Circuit {
    /// Lets a call through, or none where it must fail at once.
    ///
    /// While all is well, nobody asks for the time.
    pub(crate) fn pass(&mut self, now: impl FnOnce() -> Moment) -> Option<Pass> {
        match self.state {
            State::Closed(_) => {}
            State::Open { since } if since.is_none_or(|since| now().since(since) >= OPEN_FOR) => {
                self.turn_to(State::Trying);
            }
            State::Open { .. } | State::Trying => return None,
        }
        Some(Pass { turn: self.turn })
    }

    /// Takes note of what became of a call; each pass is handed in once.
    pub(crate) fn finish(&mut self, pass: Pass, outcome: Outcome, now: impl FnOnce() -> Moment) {
        if pass.turn != self.turn {
            return;
        }
        match (&mut self.state, outcome) {
            (State::Closed(_), Outcome::Abandoned) => {}
            (State::Closed(row), outcome) => {
                row.add(outcome);
                if row.len() >= FAILURES_TO_OPEN {
                    self.turn_to(State::Open { since: Some(now()) });
                }
            }
            (State::Trying, Outcome::Outage) => {
                self.turn_to(State::Open { since: Some(now()) });
            }
            // Nothing was learnt: the next call may try.
            (State::Trying, Outcome::Abandoned) => self.turn_to(State::Open { since: None }),
            // A hot key is likely to be the one that tries. It must not keep all others out.
            (State::Trying, outcome @ (Outcome::Answered | Outcome::Throttled { .. })) => {
                let mut row = Row::default();
                row.add(outcome);
                self.turn_to(State::Closed(row));
            }
            // No call that belongs to this turn was let through.
            (State::Open { .. }, _) => {}
        }
    }

    fn turn_to(&mut self, state: State) {
        self.state = state;
        self.turn = self.turn.wrapping_add(1);
    }
}

impl Row {
    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Answered => *self = Self::default(),
            Outcome::Outage => self.outages = self.outages.saturating_add(1),
            Outcome::Throttled { key } if !self.throttled.contains(&key) => {
                self.throttled.push(key);
            }
            Outcome::Throttled { .. } | Outcome::Abandoned => {}
        }
    }

    fn len(&self) -> usize {
        self.outages.saturating_add(self.throttled.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::{Clock, ManualClock};

    const MOMENT: Duration = Duration::from_nanos(1);

    /// The moment so long after the start, on both clocks.
    fn at(time: Duration) -> Moment {
        let clock = ManualClock::default();
        clock.advance(time);
        clock.moment()
    }

    fn opened(now: Duration) -> Circuit {
        let mut circuit = Circuit::default();
        fail(&mut circuit, FAILURES_TO_OPEN, now);
        assert_eq!(circuit.pass(|| at(now)), None);
        circuit
    }

    fn fail(circuit: &mut Circuit, times: usize, now: Duration) {
        for _ in 0..times {
            call(circuit, Outcome::Outage, now);
        }
    }

    fn call(circuit: &mut Circuit, outcome: Outcome, now: Duration) {
        let pass = circuit.pass(|| at(now)).unwrap();
        circuit.finish(pass, outcome, || at(now));
    }

    #[test]
    fn five_outages_in_a_row_open_it_for_a_second() {
        let mut circuit = Circuit::default();
        let now = Duration::from_secs(7);
        fail(&mut circuit, 4, now);
        assert!(circuit.pass(|| at(now)).is_some());
        fail(&mut circuit, 1, now);
        assert_eq!(circuit.pass(|| at(now)), None);
        assert_eq!(circuit.pass(|| at(now + Duration::from_secs(1) - MOMENT)), None);
        assert!(circuit.pass(|| at(now + Duration::from_secs(1))).is_some());
    }

    #[test]
    fn it_is_open_for_a_second_by_either_clock() {
        type Step = fn(&ManualClock);
        let clock = ManualClock::default();
        let moves: [(&str, Step); 2] = [
            ("frozen", |clock| clock.advance_wall(OPEN_FOR)),
            ("set back", |clock| {
                clock.set_wall_back(OPEN_FOR * 100);
                clock.advance(OPEN_FOR);
            }),
        ];
        for (name, step) in moves {
            let mut circuit = Circuit::default();
            for _ in 0..FAILURES_TO_OPEN {
                let pass = circuit.pass(|| clock.moment()).unwrap();
                circuit.finish(pass, Outcome::Outage, || clock.moment());
            }
            assert_eq!(circuit.pass(|| clock.moment()), None, "{name}");
            step(&clock);
            assert!(circuit.pass(|| clock.moment()).is_some(), "{name}");
        }
    }

    #[test]
    fn an_answer_ends_the_row() {
        let mut circuit = Circuit::default();
        for _ in 0..20 {
            fail(&mut circuit, 4, Duration::ZERO);
            call(&mut circuit, Outcome::Answered, Duration::ZERO);
        }
        assert!(circuit.pass(|| at(Duration::ZERO)).is_some());
    }

    #[test]
    fn one_call_tries_and_an_answer_closes_it() {
        let mut circuit = opened(Duration::ZERO);
        let trying = circuit.pass(|| at(OPEN_FOR)).unwrap();
        assert_eq!(circuit.pass(|| at(OPEN_FOR)), None);
        assert_eq!(circuit.pass(|| at(OPEN_FOR * 100)), None, "it is still on its way");
        circuit.finish(trying, Outcome::Answered, || at(OPEN_FOR));
        // Closed with no failures to its name.
        fail(&mut circuit, 4, OPEN_FOR);
        assert!(circuit.pass(|| at(OPEN_FOR)).is_some());
    }

    #[test]
    fn a_failed_try_opens_it_again() {
        let mut circuit = opened(Duration::ZERO);
        call(&mut circuit, Outcome::Outage, OPEN_FOR);
        assert_eq!(circuit.pass(|| at(OPEN_FOR * 2 - MOMENT)), None);
        assert!(circuit.pass(|| at(OPEN_FOR * 2)).is_some());
    }

    #[test]
    fn an_abandoned_try_leaves_it_to_the_next() {
        let mut circuit = opened(Duration::ZERO);
        call(&mut circuit, Outcome::Abandoned, OPEN_FOR);
        assert!(circuit.pass(|| at(OPEN_FOR)).is_some());
        assert_eq!(circuit.pass(|| at(OPEN_FOR)), None);
    }

    #[test]
    fn abandoned_calls_neither_open_nor_end_a_row() {
        let mut circuit = Circuit::default();
        fail(&mut circuit, 4, Duration::ZERO);
        for _ in 0..20 {
            call(&mut circuit, Outcome::Abandoned, Duration::ZERO);
        }
        fail(&mut circuit, 1, Duration::ZERO);
        assert_eq!(circuit.pass(|| at(Duration::ZERO)), None);
    }

    #[test]
    fn a_hot_key_is_not_an_outage() {
        let mut circuit = Circuit::default();
        let throttled = |key| Outcome::Throttled { key };
        for _ in 0..1_000 {
            call(&mut circuit, throttled(1), Duration::ZERO);
        }
        for key in 2..5 {
            call(&mut circuit, throttled(key), Duration::ZERO);
        }
        assert!(circuit.pass(|| at(Duration::ZERO)).is_some(), "four keys of which one is hot");
        call(&mut circuit, throttled(5), Duration::ZERO);
        assert_eq!(circuit.pass(|| at(Duration::ZERO)), None, "five keys are the table");
        // The hot key tries first, and the others are not kept out by it.
        call(&mut circuit, throttled(1), OPEN_FOR);
        for _ in 0..1_000 {
            call(&mut circuit, throttled(1), OPEN_FOR);
            call(&mut circuit, Outcome::Answered, OPEN_FOR);
        }
    }

    #[test]
    fn outages_and_throttled_keys_add_up() {
        let mut circuit = Circuit::default();
        fail(&mut circuit, 3, Duration::ZERO);
        call(&mut circuit, Outcome::Throttled { key: 1 }, Duration::ZERO);
        call(&mut circuit, Outcome::Throttled { key: 2 }, Duration::ZERO);
        assert_eq!(circuit.pass(|| at(Duration::ZERO)), None);
    }

    #[test]
    fn what_was_sent_before_it_opened_changes_nothing() {
        let mut circuit = Circuit::default();
        let slow: Vec<_> = (0..3).map(|_| circuit.pass(|| at(Duration::ZERO)).unwrap()).collect();
        fail(&mut circuit, FAILURES_TO_OPEN, Duration::ZERO);
        circuit.finish(slow[0], Outcome::Answered, || at(MOMENT));
        assert_eq!(circuit.pass(|| at(MOMENT)), None, "an old answer doesn't close it");
        let trying = circuit.pass(|| at(OPEN_FOR)).unwrap();
        circuit.finish(slow[1], Outcome::Outage, || at(OPEN_FOR));
        circuit.finish(trying, Outcome::Answered, || at(OPEN_FOR));
        circuit.finish(slow[2], Outcome::Outage, || at(OPEN_FOR));
        fail(&mut circuit, 4, OPEN_FOR);
        assert!(circuit.pass(|| at(OPEN_FOR)).is_some(), "an old failure doesn't count");
    }

    fn outcomes() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            2 => Just(Outcome::Answered),
            6 => Just(Outcome::Outage),
            2 => (0..3u64).prop_map(|key| Outcome::Throttled { key }),
            1 => Just(Outcome::Abandoned),
        ]
    }

    proptest! {
        /// Calls start and end in any order, at any time.
        #[test]
        fn it_never_keeps_out_for_long_and_never_lets_a_crowd_try(
            steps in prop::collection::vec((any::<bool>(), 0..600u64, 0..8usize, outcomes()), 1..200),
        ) {
            let (mut circuit, mut now) = (Circuit::default(), Duration::ZERO);
            let mut going: Vec<Pass> = Vec::new();
            for (start, millis, which, outcome) in steps {
                now += Duration::from_millis(millis);
                let closed = matches!(circuit.state, State::Closed(_));
                if start {
                    match circuit.pass(|| at(now)) {
                        Some(pass) => going.push(pass),
                        None => prop_assert!(!closed),
                    }
                } else if !going.is_empty() {
                    circuit.finish(going.swap_remove(which % going.len()), outcome, || at(now));
                }
                match &circuit.state {
                    State::Closed(row) => prop_assert!(row.len() < FAILURES_TO_OPEN),
                    State::Open { .. } => {
                        prop_assert!(circuit.clone().pass(|| at(now + OPEN_FOR)).is_some());
                    }
                    State::Trying => {
                        let trying = going.iter().filter(|pass| pass.turn == circuit.turn);
                        prop_assert_eq!(trying.count(), 1);
                    }
                }
            }
            // Whatever happened: once all calls have ended, one is let through a second later.
            for pass in going {
                circuit.finish(pass, Outcome::Abandoned, || at(now));
            }
            prop_assert!(circuit.pass(|| at(now + OPEN_FOR)).is_some());
        }
    }
}
