//! Dot segments below a caller's own path.
//!
//! The claim before the `*` of `GET /users/{sub}/*` limits a caller to its own paths. A server that
//! resolves `..` reads `/users/u1/../u2/x` as another caller's path, so each such allow comes with
//! denies of the paths below it whose dots a server might resolve.

/// The endings of these denies. Each follows the path up to the `/` before the `*`.
///
/// A `..` anywhere matches, because IAM's patterns cannot distinguish a segment from a name such as
/// `a..b`. It covers `..;` and `\..`, and the encoded dots cover `%2e%2e`, `.%2e` and `%2E.`.
pub(super) const ENDINGS: [&str; 7] = ["/*..*", "/*%2e*", "/*%2E*", "/*/./*", "/./*", "/*/.", "/."];

/// Returns true if one of the denies matches, for the part of a path that `*` matches.
pub(super) fn are_in(rest: &str) -> bool {
    let encoded = rest.contains("%2e") || rest.contains("%2E");
    rest.contains("..") || encoded || rest.split('/').any(|segment| segment == ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_single_dots_are_no_dot_segments() {
        for rest in ["", "a", "a.b", ".a", "a.", ".a/b.", "%2f", "%20", "a/%2f", "%252f"] {
            assert!(!are_in(rest), "{rest}");
        }
        for rest in [".", "./", "a/.", "a/./b", "./a", "..", "a..b", "...", "%2e", "a%2E", ".%2e"] {
            assert!(are_in(rest), "{rest}");
        }
    }
}
