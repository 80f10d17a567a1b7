//! Source addresses as a rule writes them.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Serialize, Serializer};

/// A block of addresses, `10.0.0.0/8` or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Block {
    first: IpAddr,
    prefix: u8,
}

impl Block {
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                kept(u128::from(first.to_bits()) << 96, self.prefix)
                    == kept(u128::from(address.to_bits()) << 96, self.prefix)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                kept(first.to_bits(), self.prefix) == kept(address.to_bits(), self.prefix)
            }
            _ => false,
        }
    }
}

/// The leading bits of an address that is moved to the top.
fn kept(bits: u128, prefix: u8) -> u128 {
    let dropped = 128_u32.saturating_sub(u32::from(prefix));
    bits.checked_shr(dropped).unwrap_or(0)
}

impl FromStr for Block {
    /// The mend.
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "write an address or a block, `10.0.0.0/8` or `2001:db8::/32`";
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| SHAPE)?;
        let bits = if first.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(prefix) => prefix
                .parse::<u8>()
                .ok()
                // Neither `+8` nor `08`.
                .filter(|parsed| *parsed <= bits && parsed.to_string() == prefix)
                .ok_or(SHAPE)?,
        };
        let block = Self { first, prefix };
        let top = match first {
            IpAddr::V4(first) => u128::from(first.to_bits()) << 96,
            IpAddr::V6(first) => first.to_bits(),
        };
        if prefix < 128 && top << prefix != 0 {
            return Err("set the bits after the prefix to zero, as in `10.0.0.0/8`");
        }
        Ok(block)
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl Serialize for Block {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
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
            assert_eq!(text.parse::<Block>().unwrap().to_string(), shown);
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
            assert!(text.parse::<Block>().is_err(), "{text}");
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
            let block: Block = block.parse().unwrap();
            assert_eq!(block.contains(address.parse().unwrap()), contains, "{block} {address}");
        }
    }
}
