//! Where requests may go. A caller that may register an endpoint must not reach with it what only we can reach: our own
//! host, our private networks, the metadata service of a cloud.
//!
//! A name is looked up anew for each connection, and the addresses that come out of that look-up are the ones that are
//! checked and dialled, so that a name which changes its mind between two look-ups gains nothing.

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
};

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::Config;

mod address;

/// Longest URL of an endpoint, bytes.
const URL_MAX: usize = 2_048;

/// Why a URL is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlRefused {
    /// The URL cannot be parsed.
    #[error("the URL cannot be read: {0}")]
    Malformed(url::ParseError),
    /// It is longer than 2,048 bytes.
    #[error("the URL is longer than {URL_MAX} bytes")]
    TooLong,
    /// Its scheme is neither `https` nor `http`.
    #[error("the URL must start with https:// or http://")]
    Scheme,
    /// Plain `http`, where that is switched off.
    #[error("the URL must start with https://")]
    NotEncrypted,
    /// It holds a user's name or a password.
    #[error("the URL must hold no user name and no password; use a header instead")]
    Credentials,
    /// A port below 1024 that is not allowed.
    #[error("port {0} is not allowed; use 443, 80 or one above 1023")]
    Port(u16),
    /// It names an address that is not public.
    #[error("the URL's address is not on the public internet: it is {0}")]
    Address(&'static str),
}

/// An address was looked up that is not allowed.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to no address on the public internet: it is {0}")]
pub(crate) struct AddressRefused(pub(crate) &'static str);

/// A name that nobody knows.
#[derive(Debug, thiserror::Error)]
#[error("the name cannot be looked up: {0}")]
pub(crate) struct NameUnknown(io::Error);

/// How a name is looked up. Tests put their own source behind the guard; the guard stays in front of it.
pub type Lookup = Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> + Send + Sync>;

/// Checks a URL as it is given, so that its owner learns at once of what can never work. What counts is the check of
/// each connection.
///
/// # Errors
/// The reason for which the URL is refused, for its owner.
pub fn check_url(config: &Config, url: &str) -> Result<Url, UrlRefused> {
    Guard::new(config).check(url)
}

/// Decides where requests may go. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Guard {
    allowed_networks: Arc<[IpNet]>,
    allowed_ports: Arc<[u16]>,
    https_only: bool,
}

impl Guard {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            allowed_networks: config.allowed_networks.as_slice().into(),
            allowed_ports: config.allowed_ports.as_slice().into(),
            https_only: config.https_only,
        }
    }

    pub(crate) fn check(&self, url: &str) -> Result<Url, UrlRefused> {
        if url.len() > URL_MAX {
            return Err(UrlRefused::TooLong);
        }
        let url = Url::parse(url).map_err(UrlRefused::Malformed)?;
        match url.scheme() {
            "https" => {}
            "http" if self.https_only => return Err(UrlRefused::NotEncrypted),
            "http" => {}
            _ => return Err(UrlRefused::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlRefused::Credentials);
        }
        let port = url.port_or_known_default().unwrap_or(0);
        if port < 1_024 && port != 443 && port != 80 && !self.allowed_ports.contains(&port) {
            return Err(UrlRefused::Port(port));
        }
        let refused = match url.host() {
            // The parser has brought 0x7f.1, 2130706433 and their like into the usual form.
            Some(Host::Ipv4(address)) => self.refuses(address.into()),
            Some(Host::Ipv6(address)) => self.refuses(address.into()),
            Some(Host::Domain(name)) if is_local(name) => self.refuses(Ipv4Addr::LOCALHOST.into()),
            Some(Host::Domain(_)) => None,
            None => return Err(UrlRefused::Malformed(url::ParseError::EmptyHost)),
        };
        refused.map_or(Ok(url), |what| Err(UrlRefused::Address(what)))
    }

    /// What the address is, if it may not be dialled.
    fn refuses(&self, address: IpAddr) -> Option<&'static str> {
        let address = address.to_canonical();
        address::not_public(address).filter(|_| !self.allowed_networks.iter().any(|network| network.contains(&address)))
    }
}

/// Names that never leave the host, see RFC 6761.
fn is_local(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}

/// Looks names up and lets through what may be dialled: the one way from a name to a connection.
pub(crate) struct GuardedResolver {
    pub(crate) guard: Guard,
    pub(crate) lookup: Lookup,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, looked_up) = (self.guard.clone(), (self.lookup)(name.as_str().to_owned()));
        Box::pin(async move {
            let mut refused = None;
            let mut allowed = Vec::new();
            for address in looked_up.await.map_err(NameUnknown)? {
                match guard.refuses(address) {
                    Some(what) => refused = Some(AddressRefused(what)),
                    None => allowed.push(SocketAddr::new(address, 0)),
                }
            }
            match refused {
                Some(refused) if allowed.is_empty() => Err(refused.into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

/// The system's own look-up.
pub(crate) fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// Whether requests to both URLs go to the same place: scheme, host and port. What was entrusted to one place is not
/// for another; URLs that cannot be read lead nowhere in common.
#[must_use]
pub fn same_origin(one: &str, other: &str) -> bool {
    matches!((Url::parse(one), Url::parse(other)), (Ok(one), Ok(other)) if one.origin() == other.origin())
}

/// A URL as others may see it: without query and fragment, which may hold a credential.
#[must_use]
pub fn without_query(url: &str) -> &str {
    &url[..url.find(['?', '#']).unwrap_or(url.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(config: &Config, url: &str) -> Option<UrlRefused> {
        check_url(config, url).err()
    }

    #[test]
    fn odd_forms_of_an_address_are_read_as_what_they_are() {
        let config = Config::default();
        for (host, what) in [
            ("127.0.0.1", "loopback"),
            ("127.1", "loopback"),
            ("0x7f.1", "loopback"),
            ("0177.0.0.1", "loopback"),
            ("2130706433", "loopback"),
            ("0x7f000001", "loopback"),
            ("127.0.0.1.", "loopback"),
            ("１２７.0.0.1", "loopback"),
            ("localhost", "loopback"),
            ("LOCALHOST.", "loopback"),
            ("a.localhost", "loopback"),
            ("0", "unspecified"),
            ("0xa9fea9fe", "link-local"),
            ("169.254.169.254", "link-local"),
            ("168.63.129.16", "of a cloud's host"),
            ("[64:ff9b::a83f:8110]", "of a cloud's host"),
            ("[2002:a83f:8110::1]", "of a cloud's host"),
            ("100.100.100.200", "shared by a carrier"),
            ("192.0.0.192", "reserved for protocols"),
            ("[fd20:ce::254]", "private"),
            ("10.0.0.1", "private"),
            ("[::1]", "loopback"),
            ("[::ffff:7f00:1]", "loopback"),
            ("[0:0:0:0:0:ffff:127.0.0.1]", "loopback"),
            ("[64:ff9b::a9fe:a9fe]", "link-local"),
            ("[fd00:ec2::254]", "private"),
        ] {
            for url in [format!("http://{host}/"), format!("https://{host}:8443/x")] {
                assert_eq!(refusal(&config, &url), Some(UrlRefused::Address(what)), "{url}");
            }
        }
        assert_eq!(refusal(&config, "https://example.com/hook?x=1"), None);
        assert_eq!(refusal(&config, "http://8.8.8.8:8080/"), None);
    }

    #[test]
    fn what_may_be_a_credential_is_not_shown() {
        assert_eq!(without_query("https://a.example/b?token=c#d"), "https://a.example/b");
        assert_eq!(without_query("https://a.example"), "https://a.example");
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let shop = "https://shop.example/hooks?key=1";
        assert!(same_origin(shop, "https://SHOP.example:443/other"));
        for other in ["http://shop.example/hooks", "https://shop.example:8443/", "https://shop.example.evil/", "", "x"]
        {
            assert!(!same_origin(shop, other), "{other}");
        }
    }

    #[test]
    fn what_else_a_url_may_not_be() {
        let config = Config { https_only: true, ..Config::default() };
        assert_eq!(refusal(&config, "http://example.com/"), Some(UrlRefused::NotEncrypted));
        assert_eq!(refusal(&config, "ftp://example.com/"), Some(UrlRefused::Scheme));
        assert_eq!(refusal(&config, "file:///etc/passwd"), Some(UrlRefused::Scheme));
        assert_eq!(refusal(&config, "https://me:secret@example.com/"), Some(UrlRefused::Credentials));
        assert_eq!(refusal(&config, "https://example.com:25/"), Some(UrlRefused::Port(25)));
        assert!(matches!(refusal(&config, "https://"), Some(UrlRefused::Malformed(_))));
        assert!(matches!(refusal(&config, "/hook"), Some(UrlRefused::Malformed(_))));
        let long = format!("https://example.com/{}", "x".repeat(URL_MAX));
        assert_eq!(refusal(&config, &long), Some(UrlRefused::TooLong));
    }

    #[test]
    fn what_is_configured_is_allowed_however_it_is_written() {
        let allowed = ["127.0.0.0/8", "10.1.0.0/16"].map(|network| network.parse().unwrap()).to_vec();
        let config = Config { allowed_networks: allowed, allowed_ports: vec![25], ..Config::default() };
        for url in ["http://localhost:25/", "http://127.0.0.1:9/", "http://[::ffff:10.1.2.3]/", "http://10.1.255.255/"]
        {
            let refused = refusal(&config, url);
            assert!(refused.is_none() || refused == Some(UrlRefused::Port(9)), "{url}: {refused:?}");
        }
        assert_eq!(refusal(&config, "http://10.2.0.0/"), Some(UrlRefused::Address("private")));
    }
}
