//! What is written for the person at the terminal.

use std::io::Write;

/// Writes what is shown only once: who asked for it must not go on without it.
pub(crate) fn hand_over(text: &str) -> std::io::Result<()> {
    let mut terminal = std::io::stdout().lock();
    writeln!(terminal, "{text}")?;
    terminal.flush()
}

/// Writes a line for the person at the terminal; a closed pipe is no reason to stop working.
pub(crate) fn print_line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Writes an error with its causes to the standard error stream.
pub(crate) fn print_error(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr().lock(), "quittance: {error:#}");
}

/// Writes a line beside what a program reads.
pub(crate) fn print_aside(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
