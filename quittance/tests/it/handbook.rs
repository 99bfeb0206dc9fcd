//! The handbook, and what else tells people what to do, name only what exists.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const HANDBOOK: &str = include_str!("../../../docs/operations.md");
const DOCUMENTS: [(&str, &str); 3] = [
    ("operations.md", HANDBOOK),
    ("webhooks.md", include_str!("../../../docs/webhooks.md")),
    ("README.md", include_str!("../../../README.md")),
];

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
    for part in ["api", "chain", "gateways", "meters", "payments", "queue", "quittance", "webhooks", "worker"] {
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

/// What stands in backticks or is typed, as far as it is words of a command: `quittance payments list` and the like.
fn commands(text: &str) -> BTreeSet<Vec<&str>> {
    let begins = ["`quittance ", "$ quittance ", "\nquittance "];
    let typed =
        begins.iter().flat_map(|begin| text.match_indices(begin).map(|(start, begin)| &text[start + begin.len()..]));
    let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    typed
        .map(|rest| rest.split([' ', '`', '\n']).take(2).take_while(|word| is_word(word) && !word.starts_with('-')))
        .map(Iterator::collect)
        .filter(|words: &Vec<_>| !words.is_empty())
        .collect()
}

#[test]
fn every_command_of_the_documents_exists_and_does_something() {
    let named: BTreeSet<Vec<&str>> = DOCUMENTS.iter().flat_map(|(_, text)| commands(text)).collect();
    assert!(named.len() > 20, "{named:?}");
    for command in named {
        let help = |words: &[&str]| {
            let output = Command::new(env!("CARGO_BIN_EXE_quittance")).args(words).arg("--help").output().unwrap();
            assert!(output.status.success(), "quittance {} is no command", words.join(" "));
            String::from_utf8(output.stdout).unwrap()
        };
        // A second word belongs to the command only where it has commands of its own; without one it does nothing then.
        if help(&command[..1]).contains("<COMMAND>") {
            assert!(command.len() > 1, "`quittance {}` alone does nothing", command[0]);
            help(&command);
        }
    }
}

#[test]
fn every_route_of_the_documents_is_served() {
    let document = Command::new(env!("CARGO_BIN_EXE_quittance")).arg("openapi").output().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&document.stdout).unwrap();
    let shape = |path: &str| {
        let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
        parts.collect::<Vec<_>>().join("/")
    };
    let served: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| format!("{} {}", method.to_uppercase(), shape(path)))
        })
        .collect();
    let mut named = 0;
    for (name, text) in DOCUMENTS {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            for (start, begin) in text.match_indices(&format!("{method} /")) {
                let path = &text[start + begin.len() - 1..];
                let path = path.split([' ', '`', '\n', '?', ',', ';', ')']).next().unwrap_or_default();
                // Where the text says so, paths go on from `/api/v1`.
                let is_served = ["", "/api/v1"]
                    .iter()
                    .any(|base| served.contains(&format!("{method} {}", shape(&format!("{base}{path}")))));
                assert!(is_served, "{name} names {method} {path}, which is not served");
                named += 1;
            }
        }
    }
    assert!(named > 10, "{named}");
}
