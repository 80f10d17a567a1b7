//! Receipts: the charges of a request, to correct them once.

use crate::charged::Charged;
use crate::failure::ThrottleError;
use crate::meter::Meter;
use crate::plan::MAX_QUOTA;
use crate::settlement::Settlement;

/// A receipt of a request's charge, to refund or settle once, at each of its levels.
///
/// It cannot be copied: a charge can be refunded once.
#[derive(Debug, PartialEq, Eq)]
pub struct Receipt {
    cost: u32,
    /// The charges of the levels: the subject's own first, then those of its parents.
    pub(crate) charges: Vec<Charged>,
}

impl Receipt {
    /// A receipt of these charges of one request; `None` without a charge.
    pub(crate) fn of(charges: Vec<Charged>) -> Option<Self> {
        let cost = charges.first()?.charge.cost;
        Some(Self { cost, charges })
    }

    /// The number of requests that were charged.
    #[must_use]
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// The amount of a meter that was charged; 0 if the request took nothing of it.
    #[must_use]
    pub fn amount(&self, meter: Meter) -> u64 {
        // The subject's own plan has every meter of the request; a parent's plan may lack some.
        let amounts = self.charges.iter().map(|charged| charged.charge.amount(meter));
        amounts.max().unwrap_or_default()
    }

    /// Checks that the receipt has all named meters of a settlement, and that each amount is at most
    /// the largest quota.
    pub(crate) fn check(&self, settlement: &Settlement) -> Result<(), ThrottleError> {
        for (meter, amount) in settlement.amounts() {
            if !meter.is_requests() && self.amount(meter) == 0 {
                return Err(ThrottleError::NotReserved);
            }
            if amount > MAX_QUOTA {
                return Err(ThrottleError::AmountTooLarge { amount, max: MAX_QUOTA });
            }
        }
        Ok(())
    }
}
