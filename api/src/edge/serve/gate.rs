//! How many connections may be open, of all and of one address, so that no client can take every place.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::rejection;
use crate::{
    edge::{ClientAddress, HttpConfig},
    problem::{Code, Problem},
};

/// Refusals that may wait for their client to read them; further ones are just closed.
const REFUSALS_MAX: usize = 64;

type Counts = Arc<Mutex<HashMap<String, usize>>>;

/// Lets connections in.
pub(super) struct Gate {
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    /// Open connections by network; none where proxies hide the clients.
    open: Option<Counts>,
    per_address: usize,
}

/// A connection's right to be open, given back when dropped.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    network: Option<(Counts, String)>,
}

/// There is no place.
pub(super) struct Full {
    refusals: Arc<Semaphore>,
    detail: &'static str,
}

impl Gate {
    pub(super) fn new(config: &HttpConfig) -> Self {
        let places = config.connections_max.min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            refusals: Arc::new(Semaphore::new(REFUSALS_MAX)),
            open: (config.trusted_proxies == 0).then(Arc::default),
            per_address: config.connections_per_address,
        }
    }

    /// A place for one more connection of this peer.
    pub(super) fn admit(&self, peer: SocketAddr) -> Result<Place, Full> {
        let full = |which: &'static str, detail| {
            metrics::counter!("quittance_http_connections_refused_total", "limit" => which).increment(1);
            Full { refusals: Arc::clone(&self.refusals), detail }
        };
        let permit = Arc::clone(&self.places).try_acquire_owned();
        let permit = permit.map_err(|_| full("all", "Too many connections are open"))?;
        let Some(open) = &self.open else { return Ok(Place { _permit: permit, network: None }) };
        let network = ClientAddress::from(peer).network();
        let mut counts = open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(network.clone()).or_default();
        if *count >= self.per_address {
            return Err(full("address", "Too many connections are open from your address"));
        }
        *count += 1;
        Ok(Place { _permit: permit, network: Some((Arc::clone(open), network)) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((open, network)) = &self.network else { return };
        let mut counts = open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(network);
            }
        }
    }
}

impl Full {
    /// Answers the client, if not too many others are being answered at the moment, and closes.
    pub(super) fn refuse(self, socket: TcpStream) {
        let Ok(permit) = self.refusals.try_acquire_owned() else { return };
        let problem = Problem::new(Code::Unavailable).detail(self.detail).retry_after(1);
        tokio::spawn(async move {
            rejection::send(socket, Some(&problem)).await;
            drop(permit);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(all: usize, per_address: usize, trusted_proxies: usize) -> Gate {
        let limits = HttpConfig { connections_max: all, connections_per_address: per_address, ..HttpConfig::default() };
        Gate::new(&HttpConfig { trusted_proxies, ..limits })
    }

    fn peer(address: &str) -> SocketAddr {
        SocketAddr::new(address.parse().unwrap(), 1)
    }

    #[test]
    fn one_address_cannot_take_every_place() {
        let gate = gate(4, 2, 0);
        let (first, _second) = (gate.admit(peer("192.0.2.1")).ok(), gate.admit(peer("192.0.2.1")).ok().unwrap());
        assert!(gate.admit(peer("192.0.2.1")).is_err(), "its share is used up");
        let _other = gate.admit(peer("192.0.2.2")).ok().expect("another address has its own");
        drop(first);
        assert!(gate.admit(peer("192.0.2.1")).is_ok(), "a closed connection gives its place back");
    }

    #[test]
    fn all_addresses_share_a_limit() {
        let gate = gate(2, 2, 0);
        let _held = [gate.admit(peer("192.0.2.1")).ok().unwrap(), gate.admit(peer("2001:db8::1")).ok().unwrap()];
        assert!(gate.admit(peer("192.0.2.3")).is_err());
    }

    #[test]
    fn what_is_refused_leaves_nothing_behind() {
        let gate = gate(9, 1, 0);
        let held = gate.admit(peer("2001:db8::1")).ok().unwrap();
        assert!(gate.admit(peer("2001:db8::2")).is_err(), "one /64 is one address");
        drop(held);
        assert_eq!(gate.places.available_permits(), 9);
        assert!(gate.open.unwrap().lock().unwrap().is_empty());
    }

    #[test]
    fn behind_proxies_only_the_limit_of_all_holds() {
        let gate = gate(3, 1, 1);
        let held: Vec<_> = (0..3).map(|_| gate.admit(peer("192.0.2.1")).ok().unwrap()).collect();
        assert!(gate.admit(peer("192.0.2.2")).is_err());
        drop(held);
    }
}
