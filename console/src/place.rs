//! Where the console is.

/// The path of the overview, below which all other pages are.
pub(crate) const ROOT: &str = "/console";
