//! Networks of source addresses, and the names of subjects made of them.

use std::net::{IpAddr, Ipv6Addr};

/// The bits of an IPv6 address that count, unless set otherwise: one subscriber commonly has 2^64
/// addresses.
pub(crate) const PREFIX: u8 = 64;
const BITS: u8 = 128;

/// The network of an address: an IPv4 address itself, or the first `prefix` bits of an IPv6
/// address.
///
/// An IPv4 address in an IPv6 one (`::ffff:192.0.2.1`) is the IPv4 address.
pub(crate) fn network(address: IpAddr, prefix: u8) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let host = BITS.saturating_sub(prefix);
            let mask = u128::MAX.checked_shl(host.into()).unwrap_or_default();
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

/// The name of an address's subject: `address-192.0.2.1`, `address-2001:db8:1:2::/64`.
pub(crate) fn name(address: IpAddr, prefix: u8) -> String {
    match network(address, prefix) {
        IpAddr::V4(address) => format!("address-{address}"),
        IpAddr::V6(network) => format!("address-{network}/{}", prefix.min(BITS)),
    }
}
