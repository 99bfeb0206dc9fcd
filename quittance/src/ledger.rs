//! `quittance ledger`: what sellers have, and whether the ledger holds together.

use std::{collections::HashMap, fmt::Write as _};

use anyhow::ensure;
use clap::Args;
use entities::{NodeId, node, seller_balance};
use payments::ledger::{self, Check};
use sea_orm::{EntityTrait, QueryOrder, QuerySelect};
use serde_json::{Value, json};

use crate::{operator::terminal, output::print_line, process, settings::Settings};

/// Sellers that are shown, those who owe most first.
const SHOWN: u64 = 1_000;

/// What sellers have, and whether every entry sums to zero and every balance to its entries
///
/// Reads the database itself. AVAILABLE may be paid out; below zero it is owed, and settled by the next sales. IN TRANSIT is on
/// its way to the bank. Amounts are in the currency's smallest unit. Ends with an error when anything does not add up.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  quittance ledger
  quittance ledger --json | jq '.balances[] | select(.available < 0)'")]
pub(crate) struct Options {
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(settings: &Settings, options: &Options) -> anyhow::Result<()> {
    let settings = settings.clone().complete()?;
    let (db, _) = process::connect(&settings).await?;
    let check = ledger::check(&db).await?;
    let by_debt = seller_balance::Entity::find().order_by_asc(seller_balance::Column::Available);
    let balances = by_debt.order_by_asc(seller_balance::Column::NodeId).limit(SHOWN).all(&*db).await?;
    let nodes: Vec<(NodeId, String)> = node::Entity::find()
        .select_only()
        .columns([node::Column::Id, node::Column::Name])
        .into_tuple()
        .all(&*db)
        .await?;
    let names: HashMap<NodeId, String> = nodes.into_iter().collect();
    print_line(&if options.json {
        terminal::json(&whole(&check, &balances))
    } else {
        table(&check, &balances, &names)
    });
    ensure!(check.is_clean(), "the ledger does not add up");
    Ok(())
}

fn whole(check: &Check, balances: &[seller_balance::Model]) -> Value {
    let balance = |row: &seller_balance::Model| {
        json!({
            "node_id": row.node_id, "currency": row.currency, "available": row.available, "in_transit": row.in_transit,
        })
    };
    json!({
        "clean": check.is_clean(),
        "balances": balances.iter().map(balance).collect::<Vec<_>>(),
        "check": check,
    })
}

fn table(check: &Check, balances: &[seller_balance::Model], names: &HashMap<NodeId, String>) -> String {
    let mut rendered =
        format!("{:<36} {:<24} {:<8} {:>14} {:>14}", "NODE", "NAME", "CURRENCY", "AVAILABLE", "IN TRANSIT");
    for row in balances {
        let name = names.get(&row.node_id).map_or("", String::as_str);
        // Writing into a String cannot fail.
        let _ = write!(
            rendered,
            "\n{:<36} {:<24} {:<8} {:>14} {:>14}",
            row.node_id.to_string(),
            name,
            row.currency,
            row.available,
            row.in_transit
        );
    }
    for id in &check.unbalanced {
        let _ = write!(rendered, "\nentry {id} does not sum to zero");
    }
    for wrong in &check.differences {
        let _ = write!(
            rendered,
            "\nthe balance of node {} in {} is {} and {} on its way, but its entries say {} and {}",
            wrong.node_id,
            wrong.currency,
            wrong.available,
            wrong.in_transit,
            wrong.available_posted,
            wrong.in_transit_posted
        );
    }
    for id in &check.captures {
        let _ = write!(rendered, "\nthe capture of session {id} and its refunds disagree");
    }
    let verdict = if check.is_clean() { "All of it adds up" } else { "It does not add up" };
    let _ = write!(rendered, "\n{verdict}: {} entries.", check.entries);
    rendered
}
