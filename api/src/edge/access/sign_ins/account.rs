//! Whom a try to sign in is for.

use entities::{NodeId, integration, user};

use crate::access::hash_secret;

/// An account, or a name that nobody has.
pub(crate) struct Account {
    kind: &'static str,
    /// What it is counted by: a hash, so that a PIN which somebody types as a name is not kept.
    hash: String,
    known: Option<(String, NodeId)>,
    /// Whether its secret can be guessed, so that it is blocked after wrong tries from many addresses.
    guessable: bool,
}

impl Account {
    /// A person, by what was typed and who was found. All sign-ins of a person are counted together.
    pub(crate) fn of_user(typed: &str, found: Option<&user::Model>) -> Self {
        let known = found.map(|user| (user.id.to_string(), user.node_id));
        Self { kind: "user", hash: hash("user", typed, known.as_ref()), known, guessable: true }
    }

    /// A program. Nobody guesses 256 random bits, so that wrong tries block the address and never the program, which would
    /// let anybody who knows its public key keep it out.
    pub(crate) fn of_integration(typed: &str, found: Option<&integration::Model>) -> Self {
        let known = found.map(|integration| (integration.id.to_string(), integration.node_id));
        Self { kind: "integration", hash: hash("integration", typed, known.as_ref()), known, guessable: false }
    }

    /// `user` or `integration`.
    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }

    /// The id, if the account exists.
    pub(crate) fn id(&self) -> Option<&str> {
        self.known.as_ref().map(|(id, _)| id.as_str())
    }

    pub(super) fn node_id(&self) -> Option<NodeId> {
        self.known.as_ref().map(|(_, node_id)| *node_id)
    }

    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    pub(super) fn guessable(&self) -> bool {
        self.guessable
    }
}

fn hash(kind: &str, typed: &str, known: Option<&(String, NodeId)>) -> String {
    match known {
        Some((id, _)) => hash_secret(&format!("{kind}:{id}")),
        None => hash_secret(&format!("{kind}:unknown:{}", typed.trim().to_lowercase())),
    }
}
