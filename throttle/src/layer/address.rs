//! Addresses in requests, and the names of subjects made of them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;

pub(super) use crate::network::{PREFIX, name};

/// The address in `X-Forwarded-For`, this number of hops from the right.
///
/// `None` if there are fewer hops. `Some(None)` if that hop or one after it is not an address: then
/// trusted proxies did not write the list, so no other hop is used.
pub(super) fn forwarded(headers: &HeaderMap, hops: usize) -> Option<Option<IpAddr>> {
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    // Proxies also append to lines with bytes that are not text, so a line is split before it is
    // decoded.
    let from_right =
        lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    let mut left = hops;
    for hop in from_right {
        let Some(address) = parse(hop) else { return Some(None) };
        left = left.saturating_sub(1);
        if left == 0 {
            return Some(Some(address));
        }
    }
    None
}

/// Reads an address, with or without a port: `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:80`.
///
/// An address with a zone (`fe80::1%eth0`) is not accepted, because it has a meaning on one machine
/// only.
pub(super) fn parse(bytes: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(bytes).ok()?.trim_matches([' ', '\t']);
    if text.contains('%') {
        return None;
    }
    let bare = || text.parse().ok();
    let with_port = || Some(text.parse::<SocketAddr>().ok()?.ip());
    let in_brackets = || {
        let address = text.strip_prefix('[')?.strip_suffix(']')?;
        Some(IpAddr::V6(address.parse().ok()?))
    };
    bare().or_else(with_port).or_else(in_brackets)
}

/// Returns true if [`name`] may have made the text.
pub(super) fn is_name(text: &str) -> bool {
    let Some(address) = text.strip_prefix("address-") else { return false };
    let is_network = |(network, bits): (&str, &str)| {
        network.parse::<Ipv6Addr>().is_ok() && bits.parse::<u8>().is_ok()
    };
    match address.split_once('/') {
        Some(parts) => is_network(parts),
        None => address.parse::<std::net::Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(text: &str) -> Option<String> {
        parse(text.as_bytes()).map(|address| address.to_string())
    }

    #[test]
    fn ports_and_brackets_are_stripped() {
        for (text, address) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:1", "192.0.2.1"),
            (" \t192.0.2.1:65535 ", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:DB8:0::1]:443", "2001:db8::1"),
            ("[::ffff:192.0.2.1]:443", "::ffff:192.0.2.1"),
        ] {
            assert_eq!(read(text).as_deref(), Some(address), "{text}");
        }
    }

    #[test]
    fn nothing_else_is_an_address() {
        for text in [
            "",
            " ",
            "unknown",
            "192.0.2",
            "192.0.2.01",
            "192.0.2.1:",
            "192.0.2.1:65536",
            "192.0.2.1:80:80",
            "[192.0.2.1]",
            "[192.0.2.1]:80",
            "[2001:db8::1",
            "2001:db8::1]",
            "[2001:db8::1]80",
            "[2001:db8::1]:",
            "fe80::1%eth0",
            "[fe80::1%1]:80",
            "192.0.2.1 198.51.100.2",
            "192.0.2.1,198.51.100.2",
            "for=192.0.2.1",
            "\"192.0.2.1\"",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(parse(b"\xff192.0.2.1"), None);
    }

    #[test]
    fn hops_are_counted_from_the_right_of_the_last_line() {
        let headers: HeaderMap = ["203.0.113.9, 192.0.2.1", "198.51.100.2"]
            .map(|line| (http::HeaderName::from_static("x-forwarded-for"), line))
            .into_iter()
            .fold(HeaderMap::new(), |mut headers, (name, line)| {
                headers.append(name, HeaderValue::from_static(line));
                headers
            });
        let hop = |hops| forwarded(&headers, hops).map(|hop| hop.unwrap().to_string());
        assert_eq!(hop(1).as_deref(), Some("198.51.100.2"));
        assert_eq!(hop(2).as_deref(), Some("192.0.2.1"));
        assert_eq!(hop(3).as_deref(), Some("203.0.113.9"));
        assert_eq!(hop(4), None);
    }

    #[test]
    fn names_of_networks_have_their_prefix() {
        let address: IpAddr = "2001:db8:1:2ff:ffff::1".parse().unwrap();
        for (prefix, expected) in [
            (128, "address-2001:db8:1:2ff:ffff::1/128"),
            (255, "address-2001:db8:1:2ff:ffff::1/128"),
            (64, "address-2001:db8:1:2ff::/64"),
            (56, "address-2001:db8:1:200::/56"),
            (48, "address-2001:db8:1::/48"),
            (0, "address-::/0"),
        ] {
            assert_eq!(name(address, prefix), expected);
            assert!(is_name(expected));
        }
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(name(mapped, 64), "address-192.0.2.1");
        assert!(is_name("address-192.0.2.1"));
        for text in ["192.0.2.1", "address-", "address-book", "address-192.0.2.1/64", "address-::1"]
        {
            assert!(!is_name(text), "{text}");
        }
    }
}
