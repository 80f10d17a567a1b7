//! Addresses of keys, and the URLs that name issuers.

use reqwest::Url;

/// Parses the address of a key set: https, or http on this machine's loopback.
pub(super) fn address(text: &str) -> Result<Url, String> {
    let url = parse(text)?;
    match (url.scheme(), url.host_str()) {
        ("https", Some(_)) => Ok(url),
        ("http", Some("127.0.0.1" | "[::1]" | "localhost")) => Ok(url),
        _ => Err(format!(
            "keys are not fetched from `{}`: set `jwks_uri` to an address that begins with \
             https:// (or http:// on the loopback), or give the keys in `jwks_file`",
            text.escape_debug()
        )),
    }
}

fn parse(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| {
        let text = text.escape_debug();
        format!("`{text}` is not a URL: write one such as `https://id.example`")
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL here must not have a user name or password: remove them".into());
    }
    Ok(url)
}

/// Checks that a text can be the `iss` of tokens, in exactly their spelling.
///
/// It is compared byte by byte and never fetched, so http is accepted too. It has no query and no
/// fragment (OpenID Connect Discovery 1.0 section 3). A spelling that the parser changes (a space,
/// a capital, `..`) is refused, because it could never equal the `iss` of such tokens. The default
/// port may be written: some proxies put it into `iss`.
pub(super) fn check_issuer(url: &str) -> Result<(), String> {
    let parsed = parse(url)?;
    let shown = url.escape_debug();
    if !matches!(parsed.scheme(), "https" | "http") {
        return Err(format!("`{shown}` is not an issuer: write its https or http URL"));
    }
    let plain = without_default_port(url);
    let is_same = parsed.as_str().trim_end_matches('/') == plain.trim_end_matches('/');
    if parsed.query().is_some() || parsed.fragment().is_some() || !is_same {
        let mut plain = parsed;
        plain.set_query(None);
        plain.set_fragment(None);
        return Err(format!(
            "`{shown}` is not an issuer: write it as its tokens do, for example `{plain}`"
        ));
    }
    Ok(())
}

/// The URL without `:443` after an https host, or `:80` after an http one.
fn without_default_port(url: &str) -> String {
    for (scheme, port) in [("https://", ":443"), ("http://", ":80")] {
        let Some(rest) = url.strip_prefix(scheme) else { continue };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if let Some(host) = host.strip_suffix(port) {
            return format!("{scheme}{host}/{path}");
        }
    }
    url.to_owned()
}

/// The address where an issuer publishes its keys by default.
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
        for good in [
            "https://id.example",
            "https://id.example/",
            "https://id.example/realms/A",
            "https://id.example:443",
            "https://id.example:443/",
            "https://id.example:443/realms/A",
            "https://id.example:8443/realms/A",
            "http://keycloak:8080/realms/A",
            "http://id.example:80/",
        ] {
            assert_eq!(check_issuer(good), Ok(()), "{good}");
        }
        for bad in [
            "https://ID.example",
            "https://id.example/?x",
            "https://id.example/#x",
            " https://id.example",
            "https://id.example:0443/",
            "https://id.example:443:443/",
            "https://id.example:80:443/",
            "https://ID.example:443/",
            "http://id.example:443:80/",
            "https://user@id.example:443/",
            "https://id.example:/",
            "https://id.example/a/../b",
            "https://id.example:443/a/../b",
            "HTTPS://id.example:443/",
            "ftp://id.example/",
            "urn:example:issuer",
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
