//! Address ranges in CIDR notation, as rules and IAM conditions write them.

use std::net::IpAddr;

use ipnet::IpNet;

/// The advice for a text that is not an address range.
const SHAPE: &str = "write an address or a block, `10.0.0.0/8` or `2001:db8::/32`";

/// Parses an address range such as `10.0.0.0/8`, or a single address.
///
/// # Errors
/// If the text is not an address range, or if it has bits after its prefix; the error says how to
/// fix it.
pub(crate) fn parse(text: &str) -> Result<IpNet, &'static str> {
    let Some((address, prefix)) = text.split_once('/') else {
        return text.parse::<IpAddr>().map(IpNet::from).map_err(|_| SHAPE);
    };
    let address: IpAddr = address.parse().map_err(|_| SHAPE)?;
    let bits: u8 = prefix.parse().map_err(|_| SHAPE)?;
    let range = IpNet::new(address, bits).map_err(|_| SHAPE)?;
    // Neither `+8` nor `08`.
    if bits.to_string() != prefix {
        return Err(SHAPE);
    }
    if range.trunc() != range {
        return Err("set the bits after the prefix to zero, as in `10.0.0.0/8`");
    }
    Ok(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_blocks() {
        for (text, shown) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), shown);
        }
        for text in [
            "",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10.0.0.1/8",
            "10.0.0/8",
            "2001:db8::/129",
            "2001:db8::1/64",
            "example.com",
            "10.0.0.0/8/8",
            "10.0.0.0/256",
            "*",
            "010.0.0.1",
            " 10.0.0.1",
            "128.0.0.0/0",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn holds_its_addresses_alone() {
        for (block, address, contains) in [
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "9.255.255.255", false),
            ("192.0.2.6/31", "192.0.2.7", true),
            ("192.0.2.6/31", "192.0.2.8", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("0.0.0.0/0", "255.1.2.3", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "1.2.3.4", false),
            ("::/0", "ffff::", true),
            ("::ffff:0:0/96", "1.2.3.4", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::", false),
            ("::1", "::1", true),
            ("::1", "::2", false),
        ] {
            let block = parse(block).unwrap();
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(block.contains(&address), contains, "{block} {address}");
        }
    }
}
