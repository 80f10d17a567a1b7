//! The parts of AWS that stand around the authorizer, on loopback.

pub mod issuer;
pub mod table;
