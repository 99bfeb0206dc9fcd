//! Dies at every failpoint, one after the other, in one installation: the process is told where, dies there, is started
//! again, and everything is compared.

use std::{
    cell::Cell,
    os::unix::process::ExitStatusExt as _,
    time::{Duration, Instant},
};

use futures_util::future::join_all;

use super::{
    audit::{self, Findings},
    drive::{Outside, Prepared},
    installation,
    keys::{Keys, RemoteSigner, hand_over},
    points::{Drive, On, ROWS, Role, Row},
};
use crate::world::World;

/// Installations that share the rows of a back end: most of the time each waits for a block, a lease or a claim.
const SHARES: usize = 4;

/// Shorter than the defaults where a row would only wait; a transaction that misses a block is soon outbid.
const SETTINGS: &[(&str, &str)] = &[
    ("QUITTANCE_CHAIN__POLL_INTERVAL_MS", "100"),
    ("QUITTANCE_CHAIN__LEASE_MS", "1500"),
    ("QUITTANCE_CHAIN__BUMP_AFTER_MS", "600"),
    ("QUITTANCE_CHAIN__RECONCILE_INTERVAL_MS", "2000"),
    // PostgreSQL lets a hundred in, and several installations run at a time.
    ("QUITTANCE_DATABASE__CONNECTIONS_MAX", "5"),
];

/// How long a process may take to come to where it is to die, and to have everything done after its restart.
const DEATH: Duration = Duration::from_secs(120);
const RECOVERY: Duration = Duration::from_secs(180);

/// What became of a row.
struct Outcome {
    row: &'static Row,
    keys: Keys,
    /// From the death until everything was done.
    recovered: Duration,
    /// What was found afterwards, or why nothing could be looked at.
    findings: anyhow::Result<Findings>,
}

impl Outcome {
    fn is_good(&self) -> bool {
        self.findings.as_ref().is_ok_and(Findings::none)
    }

    fn line(&self) -> String {
        let Row { point, drive, role, .. } = self.row;
        let (drive, role, keys) = (format!("{drive:?}"), format!("{role:?}"), format!("{:?}", self.keys));
        let printed = match &self.findings {
            Ok(findings @ Findings { lost, doubled, wrong: _ }) => {
                let wrong = if findings.none() { String::new() } else { format!("  WRONG: {findings:?}") };
                format!("{:>9} ms {:>5} {:>8}{wrong}", self.recovered.as_millis(), lost.len(), doubled.len())
            }
            Err(error) => format!("FAILED: {error:#}"),
        };
        format!("{point:<30} {drive:<16} {role:<9} {keys:<6} {printed}")
    }
}

struct Installation {
    world: World,
    outside: Outside,
    _signer: RemoteSigner,
}

impl Installation {
    async fn new(on: On, keys: Keys) -> Self {
        let signer = RemoteSigner::start();
        let own = signer.settings(keys);
        let own: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let world = installation(on, &[SETTINGS, &own].concat(), 1).await;
        hand_over(&world, keys).await;
        let outside = Outside::of(&world).await;
        outside.stock(10, 6).await;
        Self { world, outside, _signer: signer }
    }

    async fn survive(&mut self, row: &'static Row, keys: Keys) -> Outcome {
        let mut died = Instant::now();
        let findings = self.die_and_live(row, &mut died).await;
        Outcome { row, keys, recovered: died.elapsed(), findings }
    }

    async fn die_and_live(&mut self, row: &Row, died: &mut Instant) -> anyhow::Result<Findings> {
        let name = format!("{}-{:?}", row.point, row.drive);
        let prepared = self.outside.prepare(row.drive, &name).await;
        *died = match row.role {
            Role::Command => self.die_as_a_command(row, &prepared).await?,
            Role::Api | Role::Worker => self.die(row, &prepared, &name).await?,
        };
        self.outside.finish(row.drive, &prepared, &name).await?;
        if row.drive == Drive::Upload {
            self.take_files_away().await?;
        }
        self.outside.settled(RECOVERY).await?;
        let book = self.outside.book().clone();
        let mut findings = audit::audit(&self.outside.db, &self.outside.payer, &self.outside.consumer, &book).await;
        findings.wrong.extend(self.outside.wrong_with_strangers().await);
        Ok(findings)
    }

    /// What the dead process has left of an upload goes like any other file that no receipt names, when its time is over.
    async fn take_files_away(&mut self) -> anyhow::Result<()> {
        self.outside.let_files_grow_old().await;
        self.world.processes[0].kill();
        self.world.start_again(0);
        self.world.recovered().await;
        let until = Instant::now() + RECOVERY;
        while !self.outside.files_are_gone().await {
            anyhow::ensure!(Instant::now() < until, "files that no receipt names are still there");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Which of the processes it is; the first is the API or everything.
    fn index(&self, role: Role) -> usize {
        usize::from(role == Role::Worker && self.world.processes.len() > 1)
    }

    async fn die(&mut self, row: &Row, prepared: &Prepared, name: &str) -> anyhow::Result<Instant> {
        let index = self.index(row.role);
        if matches!(row.drive, Drive::Start | Drive::TakeAway) {
            self.world.processes[index].kill();
            self.world.doom(index, row.point);
            self.world.start_again(index);
        } else {
            self.world.doom(index, row.point);
            self.world.until_doomed(index).await;
        }
        let alive = Cell::new(true);
        let process = &mut self.world.processes[index];
        let death = async {
            let until = Instant::now() + DEATH;
            let status = loop {
                if let Some(status) = process.ended() {
                    break Some(status);
                }
                if Instant::now() > until {
                    break None;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            };
            alive.set(false);
            (status, Instant::now())
        };
        let act = self.outside.act(row.drive, prepared, name, || alive.get());
        let ((status, died), ()) = tokio::join!(death, act);
        let signal = status.and_then(|status| status.signal());
        anyhow::ensure!(signal == Some(9), "it did not die by SIGKILL but ended with {status:?}");
        anyhow::ensure!(self.world.log(index).contains(&format!("dying at {}\n", row.point)), "it died elsewhere");
        self.world.start_again(index);
        self.world.recovered().await;
        Ok(died)
    }

    /// The operator's command dies, and is given again.
    async fn die_as_a_command(&mut self, row: &Row, prepared: &Prepared) -> anyhow::Result<Instant> {
        let letter = Outside::letter_of(prepared);
        let file = self.world.data_dir().join("command.kill");
        let mut command = self.world.command();
        command.args(["dead-letters", "replay", &letter]).env("QUITTANCE_TEST_KILL_AT", &file);
        std::fs::write(&file, row.point)?;
        let (first, command) = tokio::task::spawn_blocking(move || (command.output(), command)).await?;
        let (first, died, mut command) = (first?, Instant::now(), command);
        anyhow::ensure!(first.status.signal() == Some(9), "it did not die by SIGKILL: {first:?}");
        let second = tokio::task::spawn_blocking(move || command.output()).await??;
        let printed = String::from_utf8_lossy(&second.stderr).into_owned();
        let already = printed.contains("replayed already");
        anyhow::ensure!(second.status.success() != already, "{printed}");
        anyhow::ensure!(already == (row.point == "replay.committed"), "{printed}");
        // The job gives it up again, as a letter of its own.
        self.outside.book().letters += 1;
        Ok(died)
    }
}

/// The rows of one installation; what comes after a failure would only fail of the same.
async fn share(on: On, keys: Keys, rows: Vec<&'static Row>) -> (Vec<Outcome>, String) {
    let mut installation = Installation::new(on, keys).await;
    let mut outcomes = Vec::with_capacity(rows.len());
    for row in rows {
        let outcome = installation.survive(row, keys).await;
        let good = outcome.is_good();
        outcomes.push(outcome);
        if !good {
            return (outcomes, installation.world.logs());
        }
    }
    (outcomes, String::new())
}

#[expect(clippy::print_stdout, reason = "the table is what this is for; the test harness keeps it unless it is asked")]
async fn survives_a_kill_at_every_failpoint(on: On) {
    let only = std::env::var("QUITTANCE_TEST_KILLS_ONLY").unwrap_or_default();
    let there = |row: &&Row| (row.on == On::Both || row.on == on) && row.point.starts_with(&only);
    let rows: Vec<&Row> = ROWS.iter().filter(there).collect();
    let shares = (0..SHARES.min(rows.len())).map(|first| {
        let of_share = rows.iter().skip(first).step_by(SHARES).copied().collect();
        share(on, Keys::of(first), of_share)
    });
    let (outcomes, logs): (Vec<_>, Vec<String>) = join_all(shares).await.into_iter().unzip();
    let mut outcomes: Vec<Outcome> = outcomes.into_iter().flatten().collect();
    let place = |outcome: &Outcome| rows.iter().position(|row| std::ptr::eq(*row, outcome.row));
    outcomes.sort_by_key(place);
    let lines: Vec<String> = outcomes.iter().map(Outcome::line).collect();
    let head = format!("{on:?}, killed at");
    println!("{head:<30} while            dies      keys      recovered  lost  doubled\n{}\n", lines.join("\n"));
    let bad: Vec<String> = outcomes.iter().filter(|outcome| !outcome.is_good()).map(Outcome::line).collect();
    assert!(bad.is_empty(), "{}\n{}", bad.join("\n"), logs.join("\n"));
    assert_eq!(outcomes.len(), rows.len(), "every row was tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded() {
    survives_a_kill_at_every_failpoint(On::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn engine() {
    survives_a_kill_at_every_failpoint(On::Engine).await;
}
