//! The identity of each rate of a plan.

use crate::meter::Meter;

/// A rate of a plan: a meter's, or a method's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The rate of a meter.
    Meter(Meter),
    /// The rate of one method of one stage: a digest of 48 bits of its name.
    Method(u64),
}

impl Scope {
    /// The plan's own rate, of requests.
    pub const PLAN: Self = Self::Meter(Meter::REQUESTS);

    /// The meter that the rate limits. Methods limit requests.
    pub(crate) fn meter(self) -> Meter {
        match self {
            Self::Meter(meter) => meter,
            Self::Method(_) => Meter::REQUESTS,
        }
    }

    /// The scope of a method: by its API, its stage, and its key in the plan.
    ///
    /// The digest is FNV-1a (RFC 9923), cut to 48 bits: it must be the same in every build, and
    /// its input comes from plans alone. Two methods with one digest share a bucket, which is
    /// stricter.
    #[must_use]
    pub fn method(api_id: &str, stage: &str, method: &str) -> Self {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0100_0000_01b3;
        let parts = [api_id, stage, method];
        let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
        let digest = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
        Self::Method((digest >> 16) ^ (digest & 0xffff))
    }
}
