//! Notifies about callers who pass 80 % and 100 % of a quota, once a period each.
//!
//! The table's stream delivers each bucket that was written. Its use is compared with the plan. A
//! due notice is claimed in the table, published, and marked as sent:
//!
//! ```text
//! record -> bucket -> plan (cached for a minute) -> due? -> claimed -> SNS -> sent
//! ```
//!
//! Lambda delivers records at least once, in order for each bucket, in batches. If a record cannot
//! be handled now, the batch ends: the record's sequence number is reported, and Lambda repeats it
//! and all after it. An unreadable record is logged and skipped, because it would block the others.

mod due;
mod record;
mod teller;
mod topic;

pub use due::{Due, THRESHOLDS, due};
pub use record::{Bucket, RecordError, bucket};
pub use teller::Teller;
pub use topic::{PublishError, Topic};
