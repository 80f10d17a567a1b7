//! `tollgate table`.

pub(super) mod create;
pub(super) mod status;
