//! Addresses in the configuration: https, or http on the loopback alone.

use reqwest::Url;

/// An https address, or an http one on this machine's loopback.
pub(super) fn address(text: &str) -> Result<Url, String> {
    let shown = text.escape_debug();
    let url = Url::parse(text).map_err(|error| format!("`{shown}`: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address must not hold a user name or password".into());
    }
    match (url.scheme(), url.host_str()) {
        ("https", Some(_)) => Ok(url),
        ("http", Some("127.0.0.1" | "[::1]" | "localhost")) => Ok(url),
        _ => Err(format!("`{shown}` must begin with https:// (http:// on the loopback alone)")),
    }
}

/// Checks that a text can be the `iss` of tokens, and is spelled as they spell it.
///
/// No query and no fragment (OpenID Connect Discovery 1.0 section 3). A spelling that the parser
/// mends (a space, a capital, `..`) could never equal the `iss` of the tokens it is meant for.
pub(super) fn check_issuer(url: &str) -> Result<(), String> {
    let parsed = address(url)?;
    let same = parsed.as_str().trim_end_matches('/') == url.trim_end_matches('/');
    if parsed.query().is_some() || parsed.fragment().is_some() || !same {
        let shown = url.escape_debug();
        return Err(format!(
            "`{shown}` is not an issuer: write it as its tokens do, `{parsed}` say"
        ));
    }
    Ok(())
}

/// Where an issuer publishes its keys, unless it says otherwise.
pub(super) fn key_set_of(iss: &str) -> Result<Url, String> {
    address(&format!("{}/.well-known/jwks.json", iss.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_https_anywhere_and_http_on_the_loopback_alone() {
        for good in [
            "https://id.example/x",
            "http://127.0.0.1:9000/x",
            "http://localhost:1/",
            "http://[::1]:1/",
        ] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in [
            "http://id.example/",
            "http://127.0.0.1.evil.example/",
            "ftp://127.0.0.1/",
            "x",
            "",
            "https://user@id.example/",
            "https://:pw@id.example/",
            "http://127.0.0.2/",
            "file:///etc/passwd",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_issuer_is_written_as_its_tokens_do() {
        for good in ["https://id.example", "https://id.example/", "https://id.example/realms/A"] {
            assert_eq!(check_issuer(good), Ok(()), "{good}");
        }
        for bad in [
            "https://ID.example",
            "https://id.example/?x",
            "https://id.example/#x",
            " https://id.example",
            "https://id.example:443/",
            "https://id.example/a/../b",
        ] {
            assert!(check_issuer(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn finds_the_key_set_below_an_issuer() {
        for iss in ["https://id.example/", "https://id.example"] {
            let found = key_set_of(iss).unwrap();
            assert_eq!(found.as_str(), "https://id.example/.well-known/jwks.json");
        }
    }
}
