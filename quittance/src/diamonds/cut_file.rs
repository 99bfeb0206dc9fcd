//! A cut as people write it down.

use std::path::Path;

use alloy::{
    json_abi::Function,
    primitives::{Bytes, FixedBytes},
};
use anyhow::{Context, ensure};
use chain::{Cut, CutAction, FacetChange};
use serde::Deserialize;

use super::address;

pub(super) const HELP: &str = r#"The file, for example:
  {
    "facets": [
      { "facet": "0x…", "action": "add", "functions": ["sweepAll(address[],address)", "0x1f931c1c"] },
      { "action": "remove", "functions": ["oldFunction()"] }
    ],
    "init": "0x…",
    "calldata": "0x…"
  }
Actions are add, replace and remove; functions are signatures or selectors. `init` is a contract that the diamond
delegate-calls afterwards with `calldata`; both can be left out."#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    facets: Vec<Change>,
    init: Option<String>,
    #[serde(default)]
    calldata: Bytes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    facet: Option<String>,
    action: Action,
    functions: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Add,
    Replace,
    Remove,
}

pub(super) fn read(file: &Path) -> anyhow::Result<Cut> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    parse(&text).with_context(|| format!("{} is no cut", file.display()))
}

fn parse(text: &str) -> anyhow::Result<Cut> {
    let File { facets, init, calldata } = serde_json::from_str(text)?;
    ensure!(!facets.is_empty(), "it changes nothing: `facets` is empty");
    let init = init.as_deref().map(place).transpose().context("init")?.unwrap_or_default();
    ensure!(!init.is_zero() || calldata.is_empty(), "`calldata` is for `init`, which it does not name");
    let facets = facets.into_iter().enumerate();
    let facets = facets.map(|(index, change)| change.read().with_context(|| format!("facets[{index}]")));
    Ok(Cut { facets: facets.collect::<anyhow::Result<_>>()?, init, calldata })
}

impl Change {
    fn read(self) -> anyhow::Result<FacetChange> {
        let facet = self.facet.as_deref().map(place).transpose().context("facet")?.unwrap_or_default();
        ensure!(!self.functions.is_empty(), "it names no functions");
        ensure!(facet.is_zero() == (self.action == Action::Remove), "`facet` is for add and replace, and needed there");
        let action = match self.action {
            Action::Add => CutAction::Add,
            Action::Replace => CutAction::Replace,
            Action::Remove => CutAction::Remove,
        };
        let selectors = self.functions.iter().map(|name| selector(name)).collect::<anyhow::Result<_>>()?;
        Ok(FacetChange { facet, action, selectors })
    }
}

fn place(text: &str) -> anyhow::Result<alloy::primitives::Address> {
    address(text).map_err(|wrong| anyhow::anyhow!("{text} {wrong}"))
}

fn selector(name: &str) -> anyhow::Result<FixedBytes<4>> {
    if name.starts_with("0x") {
        return name.parse().with_context(|| format!("{name} is no selector of four bytes"));
    }
    Ok(Function::parse(name).with_context(|| format!("{name} is no function's signature"))?.selector())
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;

    use super::*;

    #[test]
    fn functions_are_signatures_or_selectors() {
        let text = r#"{"facets": [
            {"facet": "0x00000000000000000000000000000000000000aa", "action": "add",
             "functions": ["transfer(address,uint256)", "0x01020304"]},
            {"action": "remove", "functions": ["owner()"]}
        ]}"#;
        let cut = parse(text).expect("a cut");
        let selectors: Vec<_> = cut.facets.iter().flat_map(|change| change.selectors.clone()).collect();
        let expected = [[0xa9, 0x05, 0x9c, 0xbb], [1, 2, 3, 4], [0x8d, 0xa5, 0xcb, 0x5b]].map(FixedBytes);
        assert_eq!(selectors, expected);
        assert_eq!(cut.facets[1].facet, Address::ZERO);
        assert_eq!(cut.facets[1].action, CutAction::Remove);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let facet = r#""facet": "0x00000000000000000000000000000000000000aa""#;
        for (wrong, why) in [
            (r#"{"facets": []}"#.to_owned(), "changes nothing"),
            (r#"{"facets": [{"action": "add", "functions": ["a()"]}]}"#.to_owned(), "needed there"),
            (format!(r#"{{"facets": [{{{facet}, "action": "remove", "functions": ["a()"]}}]}}"#), "needed there"),
            (format!(r#"{{"facets": [{{{facet}, "action": "add", "functions": []}}]}}"#), "no functions"),
            (format!(r#"{{"facets": [{{{facet}, "action": "add", "functions": ["0x01"]}}]}}"#), "four bytes"),
            (format!(r#"{{"facets": [{{{facet}, "action": "add", "functions": ["a b"]}}]}}"#), "signature"),
            (
                format!(r#"{{"facets": [{{{facet}, "action": "add", "functions": ["a()"]}}], "calldata": "0x01"}}"#),
                "does not name",
            ),
        ] {
            let error = format!("{:#}", parse(&wrong).expect_err(&wrong));
            assert!(error.contains(why), "{wrong}: {error}");
        }
    }
}
