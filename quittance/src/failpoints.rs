//! Dying by SIGKILL at a chosen place, for the tests that show what survives it. A build without tests has no failpoints,
//! and none of this does anything there; see `docs/decisions/0005-failpoints.md`.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Names a file; what is written to it as `point` or `point:pass` is where this process dies, at that pass from then on,
/// the first unless told. The file is taken away when that holds, so that the next start is an ordinary one.
const FILE: &str = "QUITTANCE_TEST_KILL_AT";

/// How often the file is looked for: a test waits until it is gone.
const POLL_EVERY: Duration = Duration::from_millis(10);

/// Arms what the file says at the start, and from then on whatever is written to it.
pub(crate) fn watch() {
    if !fail::has_failpoints() {
        return;
    }
    let Some(file) = std::env::var_os(FILE).map(PathBuf::from) else { return };
    arm(&file);
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(POLL_EVERY);
            arm(&file);
        }
    });
}

fn arm(file: &Path) {
    let Ok(text) = std::fs::read_to_string(file) else { return };
    let (point, pass) = text.trim().split_once(':').unwrap_or((text.trim(), "1"));
    let (point, pass) = (point.to_owned(), pass.parse().unwrap_or(1));
    let passes = AtomicU64::new(0);
    let at = point.clone();
    let armed = fail::cfg_callback(point, move || {
        if passes.fetch_add(1, Ordering::SeqCst) + 1 >= pass {
            die(&at);
        }
    });
    if armed.is_ok() {
        let _ = std::fs::remove_file(file);
    }
}

/// As if somebody had said `kill -9`: no destructor runs, nothing is flushed, nobody is told.
fn die(point: &str) {
    let _ = writeln!(std::io::stderr().lock(), "dying at {point}");
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    loop {
        std::thread::park();
    }
}
