//! Where a request comes from, in one normal form, for limits and logs.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Once,
};

use poem::{FromRequest, Request, RequestBody, Result, http::HeaderMap};

/// The client's address; unknown where there is no socket, as in tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientAddress(Option<IpAddr>);

impl ClientAddress {
    /// The peer's address, or the entry of `X-Forwarded-For` that the outermost trusted proxy wrote. Entries further
    /// left are the client's own words and are never believed. Where the entry is missing or is no address, the request
    /// counts as the peer's, which is the proxy: its clients then share one budget, so that the log says so once.
    pub(crate) fn of(request: &Request, trusted_proxies: usize) -> Self {
        let peer = request.remote_addr().as_socket_addr().map(|address| address.ip().to_canonical());
        Self::forwarded(peer, request.headers(), trusted_proxies)
    }

    fn forwarded(peer: Option<IpAddr>, headers: &HeaderMap, trusted_proxies: usize) -> Self {
        if trusted_proxies == 0 {
            return Self(peer);
        }
        let forwarded: Vec<&[u8]> = headers
            .get_all("x-forwarded-for")
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .collect();
        let outermost = forwarded.len().checked_sub(trusted_proxies).and_then(|index| forwarded.get(index));
        let client = outermost.and_then(|entry| read(entry));
        if client.is_none() {
            warn_once(outermost.is_some());
        }
        Self(client.or(peer))
    }
}

/// The address in an entry of `X-Forwarded-For`, whose spelling no standard fixes: `192.0.2.7`, `192.0.2.7:41123`,
/// `2001:db8::7`, `[2001:db8::7]`, `[2001:db8::7]:41123`, each of the IPv6 ones with a zone. An IPv4 address in an IPv6
/// one (`::ffff:192.0.2.7`) is that IPv4 address.
pub(crate) fn read(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let host = match entry.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            port.strip_prefix(':').map_or(port.is_empty(), is_port).then_some(host)?
        }
        None => match entry.split_once(':') {
            // A second colon makes it an IPv6 address, which has no port without brackets.
            Some((host, port)) if !port.contains(':') => is_port(port).then_some(host)?,
            _ => entry,
        },
    };
    // The zone (RFC 6874) names an interface of the host that wrote it and says nothing here.
    let host = match host.split_once('%') {
        Some((address, zone)) if address.contains(':') && !zone.is_empty() => address,
        _ => host,
    };
    host.parse().ok().map(|address: IpAddr| address.to_canonical())
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

fn warn_once(present: bool) {
    static MISSING: Once = Once::new();
    static UNREADABLE: Once = Once::new();
    let (once, what) = if present { (&UNREADABLE, "is no address") } else { (&MISSING, "is missing") };
    once.call_once(|| {
        tracing::warn!(
            "the entry of X-Forwarded-For that http.trusted_proxies points at {what}: such requests count as the proxy's \
             own, which lets its clients share one budget; look at the setting and at what the proxy sends"
        );
    });
}

impl From<SocketAddr> for ClientAddress {
    fn from(peer: SocketAddr) -> Self {
        Self(Some(peer.ip().to_canonical()))
    }
}

impl ClientAddress {
    /// What limits count by: the address, or for IPv6 its /64, which one client has whole.
    pub(crate) fn network(&self) -> String {
        match self.0 {
            Some(IpAddr::V6(address)) => prefix(address, 64),
            _ => self.to_string(),
        }
    }

    /// The /48 around an IPv6 address, which is what one site is given (RFC 6177): larger limits count by it, because
    /// a host that has one has 65,536 of the former. An IPv4 address has none.
    pub(crate) fn site(&self) -> Option<String> {
        match self.0 {
            Some(IpAddr::V6(address)) => Some(prefix(address, 48)),
            _ => None,
        }
    }
}

fn prefix(address: Ipv6Addr, bits: u32) -> String {
    let kept = u128::from(address) & (u128::MAX << (128 - bits));
    format!("{}/{bits}", Ipv6Addr::from(kept))
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}

impl<'a> FromRequest<'a> for ClientAddress {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(request.data::<Self>().cloned().unwrap_or_else(|| Self::of(request, 0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(header: &str, trusted: usize) -> String {
        ClientAddress::of(&Request::builder().header("x-forwarded-for", header).finish(), trusted).to_string()
    }

    #[test]
    fn believes_only_what_trusted_proxies_appended() {
        assert_eq!(forwarded("6.6.6.6, 1.2.3.4", 0), "unknown");
        assert_eq!(forwarded("6.6.6.6, 1.2.3.4", 1), "1.2.3.4");
        assert_eq!(forwarded("6.6.6.6, 1.2.3.4, 10.0.0.1", 2), "1.2.3.4");
        assert_eq!(forwarded("1.2.3.4", 2), "unknown");
        assert_eq!(forwarded("nonsense", 1), "unknown");
        assert_eq!(forwarded("6.6.6.6, nonsense", 1), "unknown", "the client's own words are not believed either");
    }

    #[test]
    fn one_client_has_one_form_however_it_is_spelled() {
        let spellings = [
            (
                "203.0.113.7",
                &[
                    "203.0.113.7",
                    " 203.0.113.7\t",
                    "203.0.113.7:41123",
                    "::ffff:203.0.113.7",
                    "[::ffff:203.0.113.7]:80",
                    "::FFFF:cb00:7107",
                    "[::ffff:203.0.113.7]",
                    "::ffff:203.0.113.7%eth0",
                ][..],
            ),
            (
                "2001:db8::7",
                &[
                    "2001:db8::7",
                    "[2001:db8::7]",
                    "[2001:db8::7]:41123",
                    "2001:DB8:0:0::7",
                    "2001:db8::7%eth0",
                    "[2001:db8::7%25eth0]:443",
                    "[2001:db8::7%1]",
                ],
            ),
        ];
        for (form, spellings) in spellings {
            for spelling in spellings {
                assert_eq!(read(spelling.as_bytes()).map(|read| read.to_string()).as_deref(), Some(form), "{spelling}");
            }
        }
        for nonsense in [
            "",
            " ",
            "unknown",
            "_hidden",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.4:",
            "1.2.3.4:x",
            "1.2.3.4:+1",
            "1.2.3.4:65536",
            "01.2.3.4",
            "[1.2.3.4",
            "[2001:db8::7",
            "2001:db8::7]",
            "[2001:db8::7]41123",
            "[2001:db8::7]:",
            "[]",
            "[]:1",
            "2001:db8::7%",
            "1.2.3.4%eth0",
            "::ffff:1.2.3",
            "\"1.2.3.4\"",
            "1.2.3.4 5.6.7.8",
            "ü",
        ] {
            assert_eq!(read(nonsense.as_bytes()), None, "{nonsense}");
        }
        assert_eq!(read(b"\xff1.2.3.4"), None);
    }

    #[test]
    fn what_cannot_be_read_counts_as_the_peers() {
        let of = |header: &[u8]| {
            let headers = HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), header.try_into().unwrap())]);
            ClientAddress::forwarded("192.0.2.9".parse().ok(), &headers, 1).to_string()
        };
        assert_eq!(of(b"198.51.100.7:41123"), "198.51.100.7");
        assert_eq!(of(b"198.51.100.7, unknown"), "192.0.2.9");
        assert_eq!(of(b"198.51.100.7, \xff"), "192.0.2.9", "an entry that is no text is still an entry");
    }

    #[test]
    fn counts_a_client_with_many_addresses_once() {
        let network = |address: &str| ClientAddress(address.parse().ok()).network();
        let site = |address: &str| ClientAddress(address.parse().ok()).site();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(site("2001:db8:1:2::1").as_deref(), Some("2001:db8:1::/48"));
        assert_eq!(site("2001:db8:1:2::1"), site("2001:db8:1:ffff::1"));
        assert_ne!(site("2001:db8:1::1"), site("2001:db8:2::1"));
        assert_eq!(site("192.0.2.7"), None);
    }
}
