//! Which addresses are no place on the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks of version 4 that are not public: first address, length of the prefix, what they are.
const NOT_PUBLIC_V4: &[([u8; 4], u32, &str)] = &[
    ([0, 0, 0, 0], 8, "unspecified"),
    ([10, 0, 0, 0], 8, "private"),
    ([100, 64, 0, 0], 10, "shared by a carrier"),
    ([127, 0, 0, 0], 8, "loopback"),
    // A public address of Azure's, at which each virtual machine there reaches its own host.
    ([168, 63, 129, 16], 32, "of a cloud's host"),
    ([169, 254, 0, 0], 16, "link-local"),
    ([172, 16, 0, 0], 12, "private"),
    ([192, 0, 0, 0], 24, "reserved for protocols"),
    ([192, 0, 2, 0], 24, "for documentation"),
    ([192, 88, 99, 0], 24, "of a 6to4 relay"),
    ([192, 168, 0, 0], 16, "private"),
    ([198, 18, 0, 0], 15, "for benchmarks"),
    ([198, 51, 100, 0], 24, "for documentation"),
    ([203, 0, 113, 0], 24, "for documentation"),
    ([224, 0, 0, 0], 4, "multicast"),
    ([240, 0, 0, 0], 4, "reserved"),
];

/// Networks of version 6 with a use of their own: the prefix as the first eight bytes, its length, what they are.
const NOT_PUBLIC_V6: &[(u64, u32, &str)] = &[
    (0x0064_ff9b_0001_0000, 48, "a local translation to version 4"),
    (0x0100_0000_0000_0000, 64, "discarded"),
    (0x2001_0002_0000_0000, 48, "for benchmarks"),
    (0x2001_0010_0000_0000, 28, "no place"),
    (0x2001_0020_0000_0000, 28, "no place"),
    (0x2001_0db8_0000_0000, 32, "for documentation"),
    (0x3fff_0000_0000_0000, 20, "for documentation"),
    (0xfc00_0000_0000_0000, 7, "private"),
    (0xfe80_0000_0000_0000, 10, "link-local"),
    (0xfec0_0000_0000_0000, 10, "site-local"),
    (0xff00_0000_0000_0000, 8, "multicast"),
];

/// What the address is, if it is not public. Addresses of version 6 that lead to one of version 4 are as public as that.
pub(super) fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => not_public_v4(address),
        IpAddr::V6(address) => not_public_v6(address),
    }
}

fn not_public_v4(address: Ipv4Addr) -> Option<&'static str> {
    let is_in =
        |network: [u8; 4], length: u32| (address.to_bits() ^ Ipv4Addr::from(network).to_bits()) >> (32 - length) == 0;
    NOT_PUBLIC_V4.iter().find(|(network, length, _)| is_in(*network, *length)).map(|(_, _, what)| *what)
}

fn not_public_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address.is_unspecified() {
        return Some("unspecified");
    }
    if address.is_loopback() {
        return Some("loopback");
    }
    let [beginning, _] = halves(address);
    let own = NOT_PUBLIC_V6.iter().find(|(network, length, _)| (beginning ^ network) >> (64 - length) == 0);
    if let Some((_, _, what)) = own {
        return Some(what);
    }
    let embedded = embedded(address);
    if let Some(what) = embedded.iter().flatten().find_map(|inner| not_public_v4(*inner)) {
        return Some(what);
    }
    // Only 2000::/3 is given out; the translations above lie outside of it.
    let given_out = beginning >> 61 == 1 || embedded[0].is_some();
    (!given_out).then_some("reserved")
}

/// The first and the second half.
fn halves(address: Ipv6Addr) -> [u64; 2] {
    let bits = address.to_bits();
    [bits >> 64, bits & u128::from(u64::MAX)].map(|half| u64::try_from(half).unwrap_or(u64::MAX))
}

/// The addresses of version 4 that packets to this one may end at.
fn embedded(address: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match address.segments() {
        // Compatible, mapped, translated (RFC 2765), and by NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => [v4(high, low), None],
        // 6to4, possibly around an ISATAP address.
        [0x2002, high, low, _, 0 | 0x200, 0x5efe, inner_high, inner_low] => [v4(high, low), v4(inner_high, inner_low)],
        [0x2002, high, low, ..] => [v4(high, low), None],
        // Teredo: a server, and a client with its bits turned over.
        [0x2001, 0, high, low, _, _, client_high, client_low] => [v4(high, low), v4(!client_high, !client_low)],
        // ISATAP.
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => [None, v4(high, low)],
        _ => [None, None],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn what(address: &str) -> Option<&'static str> {
        not_public(address.parse().unwrap_or_else(|_| panic!("{address} is no address")))
    }

    #[test]
    fn places_on_the_internet_are_public() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450:4001:80b::200e",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ] {
            assert_eq!(what(address), None, "{address}");
        }
    }

    #[test]
    fn every_other_place_is_not() {
        for address in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::10.0.0.1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a9fe:a9fe::1",
            "2606:4700::5efe:10.0.0.1",
            "2606:4700::200:5efe:192.168.0.1",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(what(address).is_some(), "{address}");
        }
    }

    proptest! {
        /// The standard library's words for what they cover, and every way to write an address of version 4 in version 6.
        #[test]
        fn no_disguise_helps(bits: u32, rest: u64) {
            let address = Ipv4Addr::from_bits(bits);
            let direct = not_public_v4(address);
            let local = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_broadcast() || address.is_documentation() || address.is_multicast()
                || address.is_unspecified();
            prop_assert!(direct.is_some() || !local, "{address}");
            let [a, b] = [bits >> 16, bits & 0xffff].map(|half| u16::try_from(half).unwrap());
            let [x, y] = [rest & 0xffff, rest >> 48].map(|part| u16::try_from(part).unwrap());
            for disguise in [
                Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, a, b),
                Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, a, b),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a, b),
                Ipv6Addr::new(0x2002, a, b, x, y, x, y, x),
                Ipv6Addr::new(0x2001, 0, 0x808, 0x808, x, y, !a, !b),
                Ipv6Addr::new(0x2001, 0, a, b, x, y, !0x808, !0x808),
                Ipv6Addr::new(0x2a00, x, y, x, 0, 0x5efe, a, b),
            ] {
                prop_assert!(direct.is_none() || not_public_v6(disguise).is_some(), "{address} as {disguise}");
            }
            prop_assert_eq!(not_public_v6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, a, b)), direct);
        }

        #[test]
        fn only_what_is_given_out_or_translated_is_public(bits: u128) {
            let address = Ipv6Addr::from_bits(bits);
            if not_public_v6(address).is_none() {
                let translated = address.to_ipv4_mapped().is_some() || address.segments()[0] == 0x64;
                prop_assert!(bits >> 125 == 1 || translated, "{address}");
                prop_assert!(!address.is_loopback() && !address.is_multicast() && !address.is_unique_local());
            }
        }
    }
}
