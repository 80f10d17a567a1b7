//! The receipt of a charge, for a refund or a settlement.

use std::num::NonZeroU32;

use crate::bucket::Charged;
use crate::id::Subject;

/// A receipt of a request's charge, to refund or settle once.
///
/// It cannot be copied: a charge can be refunded once.
#[derive(Debug, PartialEq, Eq)]
pub struct Receipt {
    pub(crate) subject: Subject,
    pub(crate) charged: Charged,
}

impl Receipt {
    /// The number of tokens that were charged.
    #[must_use]
    pub fn cost(&self) -> NonZeroU32 {
        self.charged.cost
    }
}
