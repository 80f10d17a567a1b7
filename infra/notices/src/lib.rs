//! Tells of callers who pass 80 % and 100 % of a quota, once a period each.
//!
//! The table's stream hands over each bucket that was written. What it says that was used is
//! compared with the plan, and what is due is claimed in the table, published, and marked as told:
//!
//! ```text
//! record -> bucket -> plan (kept for a minute) -> due? -> claimed -> SNS -> told
//! ```
//!
//! Lambda hands records over at least once, in order for each bucket, in batches. A record that
//! can't be dealt with now ends its batch: it is reported with its sequence number, and comes again
//! with all after it. One that can never be read is logged and left, or it would hold up the rest.

mod due;
mod record;
mod teller;
mod topic;

pub use due::{Due, THRESHOLDS, due};
pub use record::{Bucket, RecordError, bucket};
pub use teller::Teller;
pub use topic::{PublishError, Topic};
