//! The commands, a file each.

pub(crate) mod key;
pub(crate) mod plan;
pub(crate) mod policy;
pub(crate) mod table;
