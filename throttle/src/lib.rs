//! Rate limits and quotas that hold, over any number of Lambdas and one DynamoDB table.
//!
//! A [`Throttle`] decides whether one more request of a [`Subject`] fits its [`Plan`]. All of
//! a subject's state is one item, and one conditional write decides: no read, no lock, and
//! never more admitted than the plan says, however many instances share the table.
//!
//! ```text
//! Request -> plan (cached) -> Charge (pure arithmetic) -> one conditional Write -> Decision
//! ```
//!
//! - [`guide`] says what is promised and why it holds, what it costs, and how to choose.
//! - [`bucket`] is the arithmetic; it receives the time and does no IO.
//! - [`store`] keeps buckets: [`MemoryStore`] and [`DynamoStore`] behave alike. In one process
//!   that shares its limits with no other, `MemoryStore::new().in_place()` is the fastest.
//! - `layer`, behind the feature of that name, puts limits around any service of `http` requests.
//! - The crate `table` has the table's schema and its other items: keys, assignments, revocations.
//! - [`testing`] makes a store fail, to see what becomes of requests then.
//! - [`clock`] is the only place that reads the time.

mod breaker;
pub mod bucket;
mod cache;
pub mod clock;
mod counts;
mod decision;
mod failure;
mod failure_policy;
pub mod guide;
mod hint;
mod key_lookup;
mod known;
#[cfg(feature = "layer")]
pub mod layer;
mod lease;
mod limit;
mod local;
mod lock;
mod name;
mod period;
mod plan;
mod rate;
mod request;
mod steady;
pub mod store;
mod subjects;
mod tag;
pub mod testing;
mod throttle;
mod usage;

pub use cache::Cache;
pub use clock::{Clock, ManualClock, Moment, SystemClock, Timestamp};
pub use counts::Counts;
pub use decision::Decision;
pub use failure::{Damage, Failure, StoreError, ThrottleError};
pub use failure_policy::{FailurePolicy, Share, ShareError};
pub use key_lookup::{ApiKey, KeyLookup};
pub use lease::Leases;
pub use limit::{Limit, Standing};
pub use name::{NameError, PlanId, Subject};
pub use period::{Counter, Period, Window};
pub use plan::{
    ApiStage, ImportedPlans, MethodRate, OffsetMeans, Plan, PlanBuilder, PlanError, PlanRecord,
    Problem, Quota, Throttling,
};
pub use rate::{Rate, RateError};
pub use request::Request;
pub use store::dynamo::{BucketRecord, Buckets, DynamoStore, GrantError, Plans};
pub use store::memory::MemoryStore;
pub use store::{Consumed, Store};
pub use throttle::{Refund, Throttle};
pub use usage::{History, Usage, UsageError};
