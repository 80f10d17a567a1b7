//! Decoding a token for an operator to look at.

use serde_json::{Map, Value};

use crate::refusal::Refusal;
use crate::token::Compact;

/// A token's two readable parts, not verified.
#[derive(Clone, PartialEq)]
pub struct Decoded {
    /// The header's members.
    pub header: Map<String, Value>,
    /// The payload's members.
    pub claims: Map<String, Value>,
}

/// Hides the claims, because they are personal.
impl std::fmt::Debug for Decoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decoded(…)")
    }
}

/// Decodes a token without verifying anything; [`Verifier`](crate::Verifier) verifies one.
///
/// Never use the result to admit a caller.
///
/// # Errors
///
/// `malformed` if it is too long, does not have three parts, or its header or payload is not a
/// JSON object in base64url without padding (RFC 7515 section 2).
pub fn decode(token: &str) -> Result<Decoded, Refusal> {
    let token = Compact::split(token)?;
    Ok(Decoded { header: token.header()?, claims: token.payload()?.members })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_parts_and_shows_neither() {
        // {"alg":"none"} and {"sub":"maria"}: an operator can look at a token that would be refused.
        let decoded = decode("eyJhbGciOiJub25lIn0.eyJzdWIiOiJtYXJpYSJ9.").unwrap();
        assert_eq!(decoded.header["alg"], "none");
        assert_eq!(decoded.claims["sub"], "maria");
        assert!(!format!("{decoded:?}").contains("maria"));
    }

    #[test]
    fn what_is_no_token_is_refused_without_a_word_of_it() {
        let long = "a".repeat(20_000);
        for text in ["", "a", "a.b", "a.b.c.d", "e30=.e30.", "e30.W10.", "W10.e30.", &long] {
            let refusal = decode(text).unwrap_err();
            assert_eq!(refusal.code(), crate::Code::Malformed, "{text}");
        }
    }
}
