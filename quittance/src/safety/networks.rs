//! What the networks, which are data, tell about an installation.

use url::Url;

use super::{Danger, Mode, host};

/// Chains on which coins are worth nothing: development nodes, and the test networks of the larger chains, by the numbers
/// that chainlist keeps (Sepolia, Holesky, Hoodi; Amoy, BNB, Base, Optimism, Arbitrum, Avalanche, Gnosis, Linea, Scroll,
/// zkSync).
const WORTHLESS: [i64; 15] = [
    1_337, 31_337, 11_155_111, 17_000, 560_048, 80_002, 97, 84_532, 11_155_420, 421_614, 43_113, 10_200, 59_141,
    534_351, 300,
];

/// The chains whose coins are best known; a development chain must not have their numbers, for what is signed for it
/// would be valid there.
const WORTH_MONEY: [u64; 14] = [1, 10, 56, 100, 137, 250, 324, 1_101, 5_000, 8_453, 42_161, 42_220, 43_114, 59_144];

/// Whether coins of this network are worth something: a chain that is not known as a trial, on other hosts than this.
fn is_live(chain_id: i64, rpc_urls: &[String]) -> bool {
    !WORTHLESS.contains(&chain_id) && rpc_urls.iter().any(|url| !host::leads_here(url))
}

/// Whether a development chain of this number would be taken for a real one.
pub(super) fn is_real_chain(chain_id: u64) -> bool {
    WORTH_MONEY.contains(&chain_id)
}

/// What is unsafe about a network. URLs are shown without what may be a key.
pub(super) fn dangers(name: &str, chain_id: i64, rpc_urls: &[String], mode: Mode) -> Vec<Danger> {
    let what = format!("network {name}");
    let mut dangers = Vec::new();
    if mode == Mode::Development && is_live(chain_id, rpc_urls) {
        dangers.push(Danger::refused(
            &what,
            format!("chain {chain_id} is a real one, and parts of the playground run beside it"),
            "set gateways.sandbox.enabled = false and devchain.enabled = false, or delete the network",
        ));
    }
    let plain: Vec<String> = rpc_urls
        .iter()
        .filter(|url| host::is_plain_http_elsewhere(url))
        .map(|url| Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default())
        .collect();
    if !plain.is_empty() {
        dangers.push(Danger::warned(
            &what,
            format!(
                "what {} says about money comes over plain http, and anybody on the way can change it",
                plain.join(", ")
            ),
            "give rpc_urls that begin with https",
        ));
    }
    if rpc_urls.len() == 1 && is_live(chain_id, rpc_urls) {
        dangers.push(Danger::warned(
            &what,
            "one node alone is believed",
            "add a second of another operator to rpc_urls, whose word is then asked for before money counts as final",
        ));
    }
    dangers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_recognised_by_number_and_host() {
        let here = ["http://127.0.0.1:8545".to_owned()];
        let keyed = ["http://node.example/v3/s3cret".to_owned()];
        assert!(dangers("dev", 31_337, &here, Mode::Development).is_empty());
        assert!(dangers("elsewhere", 4_711, &here, Mode::Development).is_empty());
        let found = dangers("main", 1, &keyed, Mode::Development);
        let text: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 3, "{text:?}");
        assert!(!text.concat().contains("s3cret"), "{text:?}");
        assert_eq!(dangers("main", 1, &keyed, Mode::Production).len(), 2);
        let two = ["https://a.example".to_owned(), "https://b.example".to_owned()];
        assert!(dangers("main", 1, &two, Mode::Production).is_empty());
        assert!(dangers("sepolia", 11_155_111, &two[..1], Mode::Development).is_empty());
    }
}
