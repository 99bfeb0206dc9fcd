//! Killed, and started again: at every failpoint, and at random moments. What was answered 201 is kept, nothing happens
//! twice.

mod audit;
mod drive;
pub(crate) mod keys;
mod points;
mod random;
mod seller;
mod stranger;
mod surplus;
mod table;

use points::On;

use crate::world::{World, free_port};

/// The consumer is on this machine, and what a dead worker had is soon another's.
const WEBHOOKS: &[(&str, &str)] =
    &[("QUITTANCE_WEBHOOKS__ALLOWED_NETWORKS", r#"["127.0.0.0/8"]"#), ("QUITTANCE_WEBHOOKS__LEASE_MS", "1500")];

/// An installation whose parts come back where they were: the ports stay from one life to the next.
async fn installation(on: On, settings: &[(&str, &str)], workers: usize) -> World {
    let settings = [settings, WEBHOOKS].concat();
    match on {
        On::Embedded => {
            let listen = format!("127.0.0.1:{}", free_port());
            let settings = [&settings[..], &[("QUITTANCE_DEVCHAIN__LISTEN", listen.as_str())]].concat();
            World::embedded_with(&settings).await
        }
        On::Engine | On::Both => World::engine_with(&settings, workers).await,
    }
}
