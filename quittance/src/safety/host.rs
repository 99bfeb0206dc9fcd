//! What the host of an address tells.

use std::net::IpAddr;

use url::{Host, Url};

/// Whether an address leads to this very host: by its number, or by the name that is kept for it (RFC 6761).
pub(super) fn is_this(host: Option<Host<&str>>) -> bool {
    match host {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

/// Whether a URL, of a scheme that the URL standard knows or not, leads to this very host.
pub(super) fn leads_here(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| match url.host() {
        // Schemes such as `postgres` and `amqp` keep their host as text.
        Some(Host::Domain(name)) => is_this(Host::parse(name).ok().as_ref().map(borrowed)),
        host => is_this(host),
    })
}

fn borrowed(host: &Host<String>) -> Host<&str> {
    match host {
        Host::Domain(name) => Host::Domain(name),
        Host::Ipv4(address) => Host::Ipv4(*address),
        Host::Ipv6(address) => Host::Ipv6(*address),
    }
}

/// The host's name, for a sentence.
pub(super) fn name(url: &str) -> String {
    Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| "another host".to_owned())
}

/// Whether it is read and written in the clear by everybody on the way.
pub(super) fn is_plain_http_elsewhere(url: &str) -> bool {
    url.starts_with("http://") && !leads_here(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinguishes_this_host_from_others() {
        for here in [
            "http://127.0.0.1:1",
            "http://127.1.2.3",
            "http://localhost",
            "https://[::1]:2",
            "http://shop.localhost",
            "http://[::ffff:127.0.0.1]",
            "amqp://guest:guest@127.0.0.1:5672/%2f",
            "postgres://a@localhost/b",
            "postgres://a:b@[::1]:5432/c",
        ] {
            assert!(leads_here(here), "{here}");
        }
        for elsewhere in [
            "http://pay.example",
            "http://192.168.1.4",
            "http://127.0.0.1.nip.io",
            "http://0.0.0.0:9154",
            "nonsense",
            "amqp://guest:guest@rabbit:5672",
            "http://localhost.example",
            "postgres:///name",
        ] {
            assert!(!leads_here(elsewhere), "{elsewhere}");
        }
    }
}
