//! Real amounts of a request, to correct its charge.

use crate::meter::Meter;

/// The real amounts of a request. A meter without one keeps the amount that was charged.
///
/// ```
/// use tollgate_throttle::{Meter, Settlement};
///
/// let tokens = Meter::new("tokens")?;
/// let settlement = Settlement::default().meter(tokens, 1_140);
/// # Ok::<(), tollgate_throttle::MeterError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "pass it to `Throttle::settle`"]
pub struct Settlement {
    amounts: Vec<(Meter, u64)>,
    /// The amount of the other meters, if they do not keep what was charged.
    others: Option<u64>,
}

impl Settlement {
    /// Zero of every meter: refunds the whole charge, as far as possible.
    pub fn nothing() -> Self {
        Self { others: Some(0), ..Self::default() }
    }

    /// Sets the real cost, in requests.
    pub fn cost(self, cost: u32) -> Self {
        self.meter(Meter::REQUESTS, cost.into())
    }

    /// Sets the real amount of a meter.
    pub fn meter(mut self, meter: Meter, amount: u64) -> Self {
        self.amounts.retain(|(known, _)| *known != meter);
        self.amounts.push((meter, amount));
        self
    }

    /// The real amount of a meter; `None` if the charge stays.
    pub(crate) fn of(&self, meter: Meter) -> Option<u64> {
        let known = self.amounts.iter().find(|(known, _)| *known == meter);
        known.map(|(_, amount)| *amount).or(self.others)
    }

    /// The amounts that are set, by meter.
    pub(crate) fn amounts(&self) -> impl Iterator<Item = (Meter, u64)> {
        self.amounts.iter().copied()
    }
}

impl From<u32> for Settlement {
    /// The real cost in requests; other meters keep their charge.
    fn from(cost: u32) -> Self {
        Self::default().cost(cost)
    }
}
