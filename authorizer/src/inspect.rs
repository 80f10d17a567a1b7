//! What is in a token, for an operator who looks at it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::json;
use crate::refusal::Refusal;
use crate::token::check_length;

/// A token's two readable parts. Nothing in it is verified.
#[derive(Clone, PartialEq)]
pub struct Decoded {
    /// The header's members.
    pub header: Map<String, Value>,
    /// The payload's members.
    pub claims: Map<String, Value>,
}

/// Claims are never shown: they are personal, and what they name can be sensitive.
impl std::fmt::Debug for Decoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decoded(…)")
    }
}

/// Decodes a token to look at it; whether it is good is [`Verifier`](crate::Verifier)'s to say.
///
/// Never a step towards letting anybody in.
///
/// # Errors
///
/// `malformed` where it is too long, has not three parts, or header or payload are not JSON
/// objects in base64url without padding (RFC 7515 section 2).
pub fn decode(token: &str) -> Result<Decoded, Refusal> {
    check_length(token)?;
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::malformed("the token has not three parts"));
    };
    let object = |part: &str, wrong: Refusal| {
        let bytes = URL_SAFE_NO_PAD.decode(part);
        let bytes = bytes.map_err(|_| Refusal::malformed("a part is not strict base64url"))?;
        json::object(&bytes).ok_or(wrong)
    };
    Ok(Decoded {
        header: object(header, Refusal::malformed("the header is not a plain JSON object"))?,
        claims: object(payload, Refusal::malformed("the payload is not a plain JSON object"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_parts_and_shows_neither() {
        // {"alg":"none"} and {"sub":"maria"}: what nobody would let in can be looked at.
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
