//! The commands, a file each.

pub(crate) mod key;
pub(crate) mod plan;
pub(crate) mod policy;
pub(crate) mod subject;
pub(crate) mod table;
pub(crate) mod usage;
