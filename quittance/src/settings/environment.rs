//! Settings from the environment, which is not ours alone: Kubernetes and Docker write into it too.

use std::ffi::OsString;

use super::{known::Known, tree::Node};

/// What the names of our variables start with.
const PREFIX: &str = "QUITTANCE_";

/// Variables, without their prefix, that are options of commands and no settings.
const OF_COMMANDS: [&str; 4] = ["URL", "API_KEY", "API_SECRET", "WEBHOOK_SECRET"];

/// A name with so many letters missing, added, replaced or swapped is a misspelling of another.
const MISSPELLED_MAX: usize = 2;

/// What became of the variables.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Variables with our prefix that nobody knows.
    pub(super) unknown: Vec<String>,
    /// What has to be corrected, a sentence each.
    pub(super) mistakes: Vec<String>,
}

/// Puts the settings among the variables into the tree.
pub(super) fn apply(variables: impl Iterator<Item = (OsString, OsString)>, known: &Known, tree: &mut Node) -> Outcome {
    let mut outcome = Outcome::default();
    for (name, value) in variables {
        let Some(variable) = name.to_str().map(str::to_ascii_uppercase) else { continue };
        let Some(name) = variable.strip_prefix(PREFIX) else { continue };
        if name.starts_with("TEST_") || OF_COMMANDS.contains(&name) {
            continue;
        }
        let path: Vec<String> = name.to_ascii_lowercase().split("__").map(str::to_owned).collect();
        let is_setting = known.settings.contains(&path.iter().map(String::as_str).collect());
        let Some(value) = value.to_str() else {
            if is_setting {
                outcome.mistakes.push(format!("{variable} must be UTF-8"));
            }
            continue;
        };
        if is_setting {
            tree.set(&path, value.to_owned());
        } else if known.sections.contains(&path.iter().map(String::as_str).collect()) {
            outcome.mistakes.push(format!("{variable} is a section: set what is in it, such as {variable}__…"));
        } else if !is_injected(name, value) {
            match meant(name, known) {
                Some(meant) => outcome.mistakes.push(format!("{variable} is no setting; {PREFIX}{meant} is")),
                None => outcome.unknown.push(variable.clone()),
            }
        }
    }
    outcome
}

/// The setting that a misspelled name means.
fn meant(name: &str, known: &Known) -> Option<String> {
    let names = known.settings.iter().map(|path| path.join("__").to_ascii_uppercase());
    let near = names.map(|known| (strsim::damerau_levenshtein(name, &known), known));
    near.filter(|(distance, _)| *distance <= MISSPELLED_MAX).min().map(|(_, known)| known)
}

/// Kubernetes tells each pod of the services of its namespace, and Docker of links, by variables of these shapes. A
/// service called `quittance` makes `QUITTANCE_SERVICE_HOST`, `QUITTANCE_PORT=tcp://…`, `QUITTANCE_PORT_9154_TCP_ADDR`,
/// and so on; one called `quittance-api` has `API_` behind our prefix.
fn is_injected(name: &str, value: &str) -> bool {
    let words: Vec<&str> = name.split('_').collect();
    let is_service = words.windows(2).any(|pair| matches!(pair, ["SERVICE", "HOST" | "PORT"]));
    let is_address = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let is_port = words.last() == Some(&"PORT") && is_address;
    let of_port = words.windows(3).any(|triple| {
        let [port, number, protocol] = triple else { return false };
        *port == "PORT" && number.parse::<u16>().is_ok() && ["TCP", "UDP", "SCTP"].contains(protocol)
    });
    is_service || is_port || of_port
}
