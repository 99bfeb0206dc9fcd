//! The handbook names only what exists.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const HANDBOOK: &str = include_str!("../../../docs/operations.md");

fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_metric_of_an_alert_is_counted_somewhere() {
    let mut text = String::new();
    for part in ["api", "chain", "payments", "queue", "quittance", "webhooks", "worker"] {
        sources(&PathBuf::from(REPOSITORY).join(part).join("src"), &mut text);
    }
    let word = |character: char| character.is_ascii_lowercase() || character == '_';
    let named = HANDBOOK.match_indices("quittance_").map(|(start, _)| {
        let rest = &HANDBOOK[start..];
        &rest[..rest.find(|character| !word(character)).unwrap_or(rest.len())]
    });
    let named: BTreeSet<&str> = named.collect();
    assert!(named.len() > 8, "{named:?}");
    for metric in named {
        // Once where it is described, and once or more where it is counted.
        let counted = ["counter", "gauge", "histogram"].iter().any(|kind| {
            let call = format!("{kind}!(");
            let mut places = text.match_indices(&call).map(|(start, call)| &text[start + call.len()..]);
            places.by_ref().map(str::trim_start).any(|rest| rest.starts_with(&format!("\"{metric}\"")))
        });
        assert!(counted, "{metric} is in the handbook, but nothing counts it");
    }
}

#[test]
fn every_command_of_the_handbook_exists() {
    let mut commands = BTreeSet::new();
    for (start, _) in HANDBOOK.match_indices("quittance ") {
        let mut words = HANDBOOK[start..].split([' ', '`', '\n']).skip(1);
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match first {
            "dead-letters" | "redrives" => drop(commands.insert(vec![first, second])),
            "queues" | "doctor" | "worker" | "payments" => drop(commands.insert(vec![first])),
            _ => {}
        }
    }
    assert!(commands.len() > 8, "{commands:?}");
    for command in commands {
        let helped = Command::new(env!("CARGO_BIN_EXE_quittance")).args(&command).arg("--help").output().unwrap();
        assert!(helped.status.success(), "quittance {} is no command", command.join(" "));
    }
}
