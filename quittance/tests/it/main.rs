//! The binary as its users run it: real processes, real servers, real nodes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::disallowed_methods, reason = "a test looks at any tenant's rows")]

mod alerts;
mod broker_faults;
mod client;
mod command_line;
mod console;
mod consumers;
mod database_faults;
mod database_refusals;
mod diamonds;
mod doctor;
mod escrows;
mod first_edition;
mod full_disk;
mod handbook;
mod hostile;
mod hostile_uploads;
mod kill;
mod life;
mod load;
mod merchant;
mod operator;
mod pooler;
mod process;
mod prometheus;
mod quiet;
mod redrives;
mod reviews;
mod safety;
mod series;
mod signers;
mod silence;
mod sqlite_faults;
mod strangers;
mod vigil;
mod world;

use world::World;

/// Runs a test on the embedded default, and with one `api` and two `worker` processes on PostgreSQL, RabbitMQ and Anvil.
#[macro_export]
macro_rules! in_both_worlds {
    ($name:ident, $test:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "not every test names something of its module")]
            use super::*;

            #[tokio::test(flavor = "multi_thread")]
            async fn embedded() {
                ($test)($crate::World::embedded().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn engine() {
                ($test)($crate::World::engine().await).await;
            }
        }
    };
}
