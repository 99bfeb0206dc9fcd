//! Where a request comes from, for limits and logs.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use poem::{FromRequest, Request, RequestBody, Result};

/// The client's address; unknown where there is no socket, as in tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientAddress(Option<IpAddr>);

impl ClientAddress {
    /// The peer's address, or the entry of `X-Forwarded-For` that the outermost trusted proxy wrote. Entries further
    /// left are the client's own words and are never believed.
    pub(crate) fn of(request: &Request, trusted_proxies: usize) -> Self {
        let peer = request.remote_addr().as_socket_addr().and_then(|address| Self::from(*address).0);
        if trusted_proxies == 0 {
            return Self(peer);
        }
        let forwarded: Vec<&str> = request
            .headers()
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .collect();
        let outermost = forwarded.len().checked_sub(trusted_proxies).and_then(|index| forwarded.get(index));
        Self(outermost.and_then(|address| address.parse().ok()).or(peer))
    }
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
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            _ => self.to_string(),
        }
    }
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
    }

    #[test]
    fn counts_a_client_with_many_addresses_once() {
        let network = |address: &str| ClientAddress(address.parse().ok()).network();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
    }
}
