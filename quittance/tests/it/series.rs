//! Every series that is used is described, and every series that an alert or the dashboard names is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use meters::{Kind, Meter, Values};

use crate::{merchant::http, world::World};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const HANDBOOK: &str = include_str!("../../../docs/operations.md");
const RULES: &str = include_str!("../../../ops/prometheus/rules.yml");
const RULE_TESTS: &str = include_str!("../../../ops/prometheus/tests.yml");
const DASHBOARD: &str = include_str!("../../../ops/grafana/quittance.json");

/// Every crate that measures, and its table.
const TABLES: [(&str, &[Meter]); 8] = [
    ("meters", meters::PROCESS),
    ("api", api::METERS),
    ("chain", chain::METERS),
    ("gateways", gateways::METERS),
    ("payments", payments::METERS),
    ("queue", queue::METERS),
    ("webhooks", webhooks::METERS),
    ("worker", worker::METERS),
];

fn all_meters() -> BTreeMap<&'static str, &'static Meter> {
    TABLES.iter().flat_map(|(_, table)| table.iter()).map(|meter| (meter.name, meter)).collect()
}

/// What the sources of a folder measure: the macro and the name.
fn used(folder: &Path, found: &mut BTreeSet<(&'static str, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            used(&path, found);
            continue;
        }
        // Registers what the tables name.
        if path.ends_with("meters/src/lib.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for kind in ["counter", "gauge", "histogram"] {
            for (start, call) in text.match_indices(&format!("{kind}!(")) {
                let rest = text[start + call.len()..].trim_start();
                let name = rest.strip_prefix('"').and_then(|rest| rest.split('"').next());
                found.insert((
                    kind,
                    name.unwrap_or_else(|| panic!("{}: {kind}!({rest:.40}", path.display())).to_owned(),
                ));
            }
        }
    }
}

#[test]
fn every_metric_has_a_row_in_its_crates_table_and_every_row_is_measured() {
    for (name, table) in TABLES {
        let mut found = BTreeSet::new();
        used(&Path::new(REPOSITORY).join(name).join("src"), &mut found);
        let macro_of = |kind| match kind {
            Kind::Counter => "counter",
            Kind::Gauge | Kind::Sampled => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let described: BTreeSet<_> = table.iter().map(|meter| (macro_of(meter.kind), meter.name.to_owned())).collect();
        assert_eq!(found, described, "{name}");
        for meter in table {
            assert!(meter.name.starts_with("quittance_") && meter.help.len() > 10, "{meter:?}");
            assert_eq!(meter.name.ends_with("_total"), meter.kind == Kind::Counter, "{meter:?}");
        }
    }
    // The other programs of the workspace measure nothing.
    let mut found = BTreeSet::new();
    for other in ["entities", "quittance"] {
        used(&Path::new(REPOSITORY).join(other).join("src"), &mut found);
    }
    assert_eq!(found, BTreeSet::new());
}

/// The series that a text names.
fn named(text: &str) -> BTreeSet<&str> {
    let is_part = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_';
    let names = text.match_indices("quittance_").map(|(start, _)| {
        let rest = &text[start..];
        &rest[..rest.find(|character| !is_part(character)).unwrap_or(rest.len())]
    });
    names.collect()
}

#[test]
fn alerts_and_the_dashboard_name_series_that_exist() {
    let known = all_meters();
    for (file, text) in [("rules", RULES), ("tests", RULE_TESTS), ("dashboard", DASHBOARD)] {
        let series = named(text);
        assert!(series.len() > 25, "{file}: {series:?}");
        for name in series {
            let is_histogram = |base: &str| matches!(known.get(base).map(|meter| meter.kind), Some(Kind::Histogram(_)));
            let parts = ["_bucket", "_sum", "_count"];
            let exists = match parts.iter().find_map(|part| name.strip_suffix(part)) {
                Some(base) => is_histogram(base),
                None => known.contains_key(name) && !is_histogram(name),
            };
            assert!(exists, "{file} names {name}, which no process has");
        }
    }
}

#[test]
fn every_alert_has_a_severity_a_summary_a_heading_in_the_handbook_and_tests() {
    let headings: BTreeSet<String> =
        HANDBOOK.lines().filter_map(|line| line.strip_prefix("#### ")).map(str::to_lowercase).collect();
    let alerts: Vec<&str> = RULES.split("- alert: ").skip(1).collect();
    assert!(alerts.len() > 30, "{}", alerts.len());
    for alert in &alerts {
        let name = alert.lines().next().unwrap();
        assert!(alert.contains("severity: critical }") || alert.contains("severity: warning }"), "{name}");
        assert!(alert.contains("summary: "), "{name}");
        assert!(alert.contains(&format!("runbook: docs/operations.md#{}\n", name.to_lowercase())), "{name}");
        assert!(headings.contains(&name.to_lowercase()), "the handbook has no heading {name}");
        assert!(RULE_TESTS.contains(&format!("- {{ alertname: {name}, ")), "{name} is not tried where all is well");
        assert!(RULE_TESTS.contains(&format!("- alertname: {name}\n")), "{name} never fires");
    }
    assert_eq!(headings.len(), alerts.len(), "the handbook has headings of alerts that do not exist");
}

/// The series of a metric that a process shows, with their values.
fn shown<'text>(text: &'text str, name: &str) -> Vec<(&'text str, &'text str)> {
    let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    samples.filter(|(series, _)| series.split('{').next() == Some(name)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_series_is_there_from_the_start_and_described() {
    let world = World::embedded().await;
    let answer = http().get(format!("{}/metrics", world.base_url)).send().await.unwrap();
    let text = answer.text().await.unwrap();
    for meter in all_meters().values() {
        let is_known = meter.labels.iter().all(|(_, values)| !matches!(values, Values::Later));
        if is_known && meter.kind != Kind::Sampled {
            let name = match meter.kind {
                Kind::Histogram(_) => format!("{}_bucket", meter.name),
                Kind::Counter | Kind::Gauge | Kind::Sampled => meter.name.to_owned(),
            };
            assert!(!shown(&text, &name).is_empty(), "{name} is not there");
        }
    }
    for name in ["quittance_jobs_total", "quittance_dead_letters_total"] {
        let series = shown(&text, name);
        for queue in payments::jobs::QUEUES {
            assert!(series.iter().any(|(labels, _)| labels.contains(&format!("queue=\"{queue}\""))), "{name}: {queue}");
        }
    }
    assert!(
        shown(&text, "quittance_jobs_total").iter().any(|(labels, value)| labels.contains("dead") && *value == "0")
    );
    for name in
        ["quittance_process_memory_bytes", "quittance_process_open_files", "quittance_process_start_time_seconds"]
    {
        assert!(shown(&text, name)[0].1.parse::<f64>().unwrap() > 1.0, "{name}");
    }
    let described: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        assert!(described.contains(name) && name.starts_with("quittance_"), "{line}");
        assert_ne!(kind, "summary", "{line}");
    }
}
