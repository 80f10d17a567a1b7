#![doc = include_str!("differences.md")]

/// The list as text, for `--differences`.
pub const LIST: &str = include_str!("differences.md");
