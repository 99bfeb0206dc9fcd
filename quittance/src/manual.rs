//! `quittance completions` and `quittance man`: what shells and `man` know of the command line, made from itself.

use std::{io::Write, path::PathBuf};

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  quittance completions bash > ~/.local/share/bash-completion/completions/quittance
  quittance completions zsh > ~/.zfunc/_quittance          # with ~/.zfunc in fpath
  quittance completions fish > ~/.config/fish/completions/quittance.fish")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

/// Print the man page
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  quittance man | man -l -
  quittance man --write /usr/local/share/man/man1          # and one page for each command")]
pub(crate) struct Man {
    /// Write the page, and one for each command, into this folder
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

pub(crate) fn complete(command: &mut Command, options: &Completions) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, command, "quittance", &mut script);
    print(&script)
}

pub(crate) fn man(command: Command, options: &Man) -> anyhow::Result<()> {
    if let Some(folder) = &options.write {
        let pages = || format!("pages cannot be written into {}", folder.display());
        std::fs::create_dir_all(folder).with_context(pages)?;
        return clap_mangen::generate_to(command, folder).with_context(pages);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    print(&page)
}

fn print(bytes: &[u8]) -> anyhow::Result<()> {
    let mut terminal = std::io::stdout().lock();
    terminal.write_all(bytes).and_then(|()| terminal.flush()).context("standard output cannot be written")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn each(command: &Command, look: &mut impl FnMut(&Command)) {
        look(command);
        command.get_subcommands().for_each(|command| each(command, look));
    }

    #[test]
    fn help_shows_no_value_of_the_environment() {
        let mut from_environment = 0;
        each(&Cli::command(), &mut |command| {
            for argument in command.get_arguments().filter(|argument| argument.get_env().is_some()) {
                from_environment += 1;
                assert!(argument.is_hide_env_values_set(), "{} of {}", argument.get_id(), command.get_name());
            }
        });
        assert!(from_environment > 3, "{from_environment}");
    }
}
