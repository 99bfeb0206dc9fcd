//! The kinds of operations.

use sea_orm::entity::prelude::*;

/// What an operation does on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Kind {
    /// Creates a diamond that belongs to the signer.
    #[sea_orm(string_value = "deploy")]
    Deploy,
    /// Opens the subject's deal.
    #[sea_orm(string_value = "open")]
    Open,
    /// Pays the deposit out to the payee. Waits until the deal is known to be open.
    #[sea_orm(string_value = "release")]
    Release,
    /// Closes the deal and gives a deposit back. Waits until the deal is known to be open.
    #[sea_orm(string_value = "cancel")]
    Cancel,
}

impl Kind {
    /// The stored and logged word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Open => "open",
            Self::Release => "release",
            Self::Cancel => "cancel",
        }
    }
}
