//! `quittance diamonds list`.

use std::{collections::BTreeMap, fmt::Write as _};

use alloy::primitives::Address;
use anyhow::ensure;
use chain::{DiamondReport, Edition};
use queue::Database;
use serde_json::{Value, json};

use super::{
    places::{self, Place},
    words,
};
use crate::{operator::terminal, output::print_line, settings::Settings};

/// A diamond with what it says of itself, or why it says nothing. One of somebody else's is not asked.
struct Row<'a> {
    place: &'a Place,
    diamond: Address,
    known: BTreeMap<Address, String>,
    found: Result<Option<DiamondReport>, String>,
}

pub(super) async fn run(settings: &Settings, db: &Database, as_json: bool) -> anyhow::Result<()> {
    let (networks, diamonds) = (places::networks(db).await?, places::diamonds(db).await?);
    let mut rows = Vec::new();
    for deployed in &diamonds {
        let Some(place) = networks.iter().find(|place| place.network.id == deployed.network_id) else { continue };
        let known = places::signers(settings, db, &place.network).await?;
        let accounts: Vec<Address> = known.keys().copied().collect();
        let own =
            !settings.chain.dialects.iter().any(|dialect| {
                dialect.chain_id == place.nodes.chain_id && dialect.diamonds.contains(&deployed.address)
            });
        if !own {
            rows.push(Row { place, diamond: deployed.address, known: BTreeMap::new(), found: Ok(None) });
            continue;
        }
        let found = match chain::inspect_diamond(&place.nodes, deployed.address, &accounts).await {
            Ok(Some(report)) => Ok(Some(report)),
            Ok(None) => Err("no diamond that Quittance has deployed stands there; was the chain reset?".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        rows.push(Row { place, diamond: deployed.address, known, found });
    }
    if as_json {
        print_line(&terminal::json(&Value::Array(rows.iter().map(Row::json).collect())));
    } else if rows.is_empty() {
        print_line("There is no diamond yet: POST /api/v1/wallets/{id}/deploy deploys one.");
    } else {
        print_line(&rows.iter().map(Row::text).collect::<Vec<_>>().join("\n\n"));
    }
    let silent = rows.iter().filter(|row| row.found.is_err()).count();
    ensure!(silent == 0, "{silent} of {} diamonds could not be asked", rows.len());
    Ok(())
}

impl Row<'_> {
    fn named(&self, address: Address) -> String {
        match self.known.get(&address) {
            Some(name) => format!("{address} ({})", terminal::clean(name)),
            None => address.to_string(),
        }
    }

    fn text(&self) -> String {
        let (network, chain_id) = (terminal::clean(&self.place.network.name), self.place.nodes.chain_id);
        let mut told = format!("{} on {network} (chain {chain_id})", self.diamond);
        let report = match &self.found {
            Ok(Some(report)) => report,
            Ok(None) => return format!("{told}, somebody else's, driven as chain.dialects says"),
            Err(why) => return format!("{told}\n  {}", terminal::clean(why)),
        };
        // Writing into a String cannot fail.
        let _ = write!(told, ", {}\n  owner        {}", words::edition(report.edition), self.named(report.owner));
        if self.known.contains_key(&report.owner) {
            told.push_str(": its key is in use here; a cold owner is safer");
        }
        if let Some(offer) = report.pending_owner {
            let from = words::time(offer.from);
            let _ = write!(told, "\n  offered to   {}, who may accept from {from} on", self.named(offer.what));
        }
        let _ = write!(told, "\n  delay        {}", words::span(report.delay_s));
        for (account, is_operator) in &report.operators {
            // In the first edition an owner operates, appointed or not.
            let operates = *is_operator || report.edition == Edition::First && *account == report.owner;
            let label = if operates { "operator     " } else { "no operator  " };
            let _ = write!(told, "\n  {label}{}", self.named(*account));
        }
        if let Some(cut) = report.pending_cut {
            let _ = write!(told, "\n  cut          {}", words::cut(cut.what, cut.from));
        }
        told
    }

    fn json(&self) -> Value {
        let mut row = json!({
            "network_id": self.place.network.id,
            "network": self.place.network.name,
            "chain_id": self.place.nodes.chain_id,
            "address": self.diamond.to_checksum(None),
        });
        match &self.found {
            Err(why) => row["error"] = json!(why),
            Ok(None) => row["edition"] = Value::Null,
            Ok(Some(report)) => {
                let offer = report
                    .pending_owner
                    .map(|offer| json!({ "address": offer.what.to_checksum(None), "from": words::time(offer.from) }));
                let cut = report.pending_cut.map(|cut| json!({ "hash": cut.what, "from": words::time(cut.from) }));
                let operators = report.operators.iter().map(|(account, is_operator)| {
                    json!({
                        "address": account.to_checksum(None),
                        "name": self.known.get(account),
                        "is_operator": is_operator,
                    })
                });
                row["edition"] = json!(match report.edition {
                    Edition::First => "first",
                    Edition::Second => "second",
                });
                row["owner"] = json!(report.owner.to_checksum(None));
                row["pending_owner"] = json!(offer);
                row["pending_cut"] = json!(cut);
                row["delay_s"] = json!(report.delay_s);
                row["signers"] = json!(operators.collect::<Vec<_>>());
            }
        }
        row
    }
}
