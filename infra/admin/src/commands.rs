//! The commands, a file each.

pub(crate) mod completion;
pub(crate) mod console;
pub(crate) mod doctor;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod keys;
pub(crate) mod man;
pub(crate) mod plan;
pub(crate) mod policy;
pub(crate) mod revoke;
pub(crate) mod subject;
pub(crate) mod table;
pub(crate) mod token;
pub(crate) mod usage;
