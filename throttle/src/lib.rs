#![doc = include_str!("../README.md")]

mod breaker;
mod bucket;
mod cache;
mod charged;
mod clock;
mod decision;
#[cfg(feature = "dynamodb")]
mod dynamo;
mod failure;
mod failure_policy;
mod form_predictor;
pub mod guide;
mod id;
#[cfg(feature = "dynamodb")]
mod key_lookup;
#[cfg(feature = "layer")]
pub mod layer;
mod lease;
mod limit;
mod local_fallback;
mod lock;
mod memory;
mod meter;
#[cfg(any(feature = "dynamodb", feature = "layer"))]
mod network;
mod period;
mod plan;
mod plan_cache;
mod rate;
mod receipt;
mod recent;
mod request;
mod settlement;
mod steady;
mod store;
pub mod testing;
mod throttle;
mod usage;

pub use clock::{Clock, ManualClock, Moment, SystemClock, Timestamp};
pub use decision::Decision;
#[cfg(feature = "dynamodb")]
pub use dynamo::{BucketRecord, Buckets, DynamoStore, GrantError, Plans, RateState};
pub use failure::{Damage, Failure, StoreError, ThrottleError};
pub use failure_policy::{FailurePolicy, Share, ShareError};
pub use id::{NameError, PlanId, Subject};
#[cfg(feature = "dynamodb")]
pub use key_lookup::{ApiKey, KeyAnswer, KeyLookup, Parent, ParentsError};
pub use lease::Leases;
pub use limit::{Limit, LimitKind, Standing};
pub use memory::MemoryStore;
pub use meter::{Meter, MeterError};
pub use period::{Counter, Period, Window};
pub use plan::{
    ApiStage, ImportedPlans, MeterLimits, OffsetMeans, Plan, PlanBuilder, PlanError, PlanRecord,
    Quota, Throttling,
};
pub use rate::{Rate, RateError};
pub use receipt::Receipt;
pub use request::{Level, MAX_PARENTS, Request};
pub use settlement::Settlement;
pub use store::{Consumed, Store};
pub use throttle::{Refund, Stats, Throttle};
pub use usage::{History, Usage, UsageError};

/// Parts for this workspace's own crates and tests. Any release may change them.
#[doc(hidden)]
pub mod internal {
    pub use crate::bucket::{
        Charge, Count, Form, Move, RateId, Scope, Stamp, State, Step, To, When, Write,
    };
    pub use crate::cache::Cache;
    pub use crate::store::{Answer, Sealed, Steady};
}
