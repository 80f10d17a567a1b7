#![doc = include_str!("differences.md")]

/// The list as text, for the end of `--help`.
pub const LIST: &str = include_str!("differences.md");
