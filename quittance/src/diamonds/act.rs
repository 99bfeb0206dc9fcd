//! The acts that can be prepared, as they stand on the command line.

use std::path::PathBuf;

use alloy::primitives::Address;
use chain::OwnerAct;
use clap::{Args, Subcommand};

use super::{address, cut_file};

/// Which diamond, and how the answer is given.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// The diamond's address
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(super) diamond: Address,
    /// The network's name, id or chain number; needed where the installation does not know the diamond, or has one at the
    /// same address on several networks
    #[arg(long, value_name = "NETWORK")]
    pub(super) network: Option<String>,
    /// Write the batch that Safe's Transaction Builder imports; `-` is standard output
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub(super) safe: Option<PathBuf>,
    /// Print everything as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Act {
    /// Let an account open, release and cancel deals, and nothing else; at once
    AddOperator {
        /// The account, such as a wallet's address
        #[arg(value_parser = address)]
        operator: Address,
        #[command(flatten)]
        target: Target,
    },
    /// Take that away; at once. For a key that may be stolen
    RemoveOperator {
        /// The account
        #[arg(value_parser = address)]
        operator: Address,
        #[command(flatten)]
        target: Target,
    },
    /// Offer the diamond to another owner, who accepts it after the delay
    ///
    /// The zero address takes an offer back. A diamond of the first edition is handed over at once, and nobody has to accept.
    TransferOwnership {
        /// The new owner
        #[arg(value_parser = address)]
        to: Address,
        #[command(flatten)]
        target: Target,
    },
    /// Take over a diamond that was offered; signed by the new owner, once the delay is over
    AcceptOwnership {
        #[command(flatten)]
        target: Target,
    },
    /// Announce a change of the diamond's functions, which may be made after the delay
    #[command(after_help = cut_file::HELP)]
    AnnounceCut {
        /// The cut, as JSON; see below
        #[arg(value_name = "CUT.json")]
        cut: PathBuf,
        #[command(flatten)]
        target: Target,
    },
    /// Make the change that was announced, in the very same words, once the delay is over
    #[command(after_help = cut_file::HELP)]
    ExecuteCut {
        /// The same file as it was announced with
        #[arg(value_name = "CUT.json")]
        cut: PathBuf,
        #[command(flatten)]
        target: Target,
    },
    /// Take the announcement of a change back
    CancelCut {
        #[command(flatten)]
        target: Target,
    },
    /// Take out what was sent to the diamond and belongs to no deal
    Sweep {
        /// The token's contract; the zero address is the network's own coin
        #[arg(value_parser = address)]
        token: Address,
        /// Who gets it
        #[arg(value_parser = address)]
        to: Address,
        #[command(flatten)]
        target: Target,
    },
}

impl Act {
    pub(super) fn read(self) -> anyhow::Result<(OwnerAct, Target)> {
        Ok(match self {
            Self::AddOperator { operator, target } => (OwnerAct::AddOperator(operator), target),
            Self::RemoveOperator { operator, target } => (OwnerAct::RemoveOperator(operator), target),
            Self::TransferOwnership { to, target } => (OwnerAct::TransferOwnership(to), target),
            Self::AcceptOwnership { target } => (OwnerAct::AcceptOwnership, target),
            Self::AnnounceCut { cut, target } => (OwnerAct::AnnounceCut(cut_file::read(&cut)?), target),
            Self::ExecuteCut { cut, target } => (OwnerAct::ExecuteCut(cut_file::read(&cut)?), target),
            Self::CancelCut { target } => (OwnerAct::CancelCut, target),
            Self::Sweep { token, to, target } => (OwnerAct::Sweep { token, to }, target),
        })
    }
}
