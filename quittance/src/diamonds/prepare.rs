//! `quittance diamonds prepare`: one act of an owner, as what has to be signed.

use std::path::Path;

use alloy::primitives::Address;
use anyhow::{Context, bail};
use chain::{DiamondReport, OwnerAct, OwnerCall, Refusal};
use chrono::Utc;
use clap::Args;
use queue::Database;
use serde_json::{Value, json};

use super::{
    act::{Act, Target},
    places::{self, Place},
    safe::Batch,
    words,
};
use crate::{
    operator::terminal,
    output::{hand_over, print_line},
};

/// Say what the owner of a diamond has to sign for an act, and whether it would succeed now
///
/// Prints what the transaction does, who signs it, and its `to`, `value` and `data`. It is tried at the latest block first,
/// without being sent; one that would revert is printed all the same, with the contract's reason.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  quittance diamonds prepare add-operator 0x… --diamond 0x…
  quittance diamonds prepare remove-operator 0x… --diamond 0x… --safe batch.json
  quittance diamonds prepare transfer-ownership 0x… --diamond 0x…
  quittance diamonds prepare accept-ownership --diamond 0x…
  quittance diamonds prepare announce-cut cut.json --diamond 0x…
  quittance diamonds prepare sweep 0x… 0x… --diamond 0x… --json | jq -r .data")]
pub(super) struct Prepare {
    #[command(subcommand)]
    act: Act,
}

/// An act, ready to be signed.
struct Prepared {
    place: Place,
    diamond: Address,
    from: Address,
    title: &'static str,
    effect: String,
    call: OwnerCall,
    refusal: Option<Refusal>,
    not_before: Option<String>,
}

pub(super) async fn run(db: &Database, options: Prepare) -> anyhow::Result<()> {
    let (act, target) = options.act.read()?;
    let prepared = prepare(db, &act, &target).await?;
    match &target.safe {
        Some(file) => prepared.write_safe(file)?,
        None if target.json => print_line(&terminal::json(&prepared.json())),
        None => print_line(&prepared.text()),
    }
    Ok(())
}

async fn prepare(db: &Database, act: &OwnerAct, target: &Target) -> anyhow::Result<Prepared> {
    let diamond = target.diamond;
    let place = places::find(db, diamond, target.network.as_deref()).await?;
    let report = chain::inspect_diamond(&place.nodes, diamond, &[]).await?;
    let report = report.with_context(|| {
        format!("{diamond} on network {} is no diamond that Quittance has deployed", place.network.name)
    })?;
    let Some(call) = act.call(report.edition) else {
        bail!("{diamond} is a diamond of the first edition: {}", words::instead(act));
    };
    let from = signer(act, diamond, &report)?;
    let refusal = chain::try_call(&place.nodes, from, diamond, &call.data).await?;
    let not_before = refusal.as_ref().and_then(|_| words::not_before(act, &report));
    let effect = words::effect(act, diamond, &report);
    Ok(Prepared { place, diamond, from, title: words::title(act), effect, call, refusal, not_before })
}

/// Who has to sign it.
fn signer(act: &OwnerAct, diamond: Address, report: &DiamondReport) -> anyhow::Result<Address> {
    match (act, report.pending_owner) {
        (OwnerAct::AcceptOwnership, Some(offer)) => Ok(offer.what),
        (OwnerAct::AcceptOwnership, None) => {
            bail!("nobody was offered {diamond}: its owner {} begins with transfer-ownership", report.owner)
        }
        _ => Ok(report.owner),
    }
}

impl Prepared {
    fn text(&self) -> String {
        let Self { diamond, from, effect, call, .. } = self;
        let (network, chain_id) = (terminal::clean(&self.place.network.name), self.place.nodes.chain_id);
        format!(
            "{effect}\n\nnetwork  {network} (chain {chain_id})\nfrom     {from}\nto       {diamond}\nvalue    0\ndata     {}\n\n{}",
            call.data,
            self.trial()
        )
    }

    /// What trying it has shown.
    fn trial(&self) -> String {
        let Some(refusal) = &self.refusal else {
            return format!("Tried from {} at the latest block: it would succeed.", self.from);
        };
        let time = self.not_before.as_deref().map(|time| format!(" {time}")).unwrap_or_default();
        let reason = terminal::clean(&refusal.message);
        format!("Tried from {} at the latest block: it WOULD REVERT now with {reason}.{time}", self.from)
    }

    fn json(&self) -> Value {
        json!({
            "effect": self.effect,
            "network_id": self.place.network.id,
            "chain_id": self.place.nodes.chain_id,
            "from": self.from.to_checksum(None),
            "to": self.diamond.to_checksum(None),
            "value": "0",
            "data": self.call.data.to_string(),
            "would_revert": self.refusal.as_ref().map(|refusal| json!({ "code": refusal.code, "message": refusal.message })),
        })
    }

    fn write_safe(&self, file: &Path) -> anyhow::Result<()> {
        let batch = Batch {
            chain_id: self.place.nodes.chain_id,
            created_at_ms: Utc::now().timestamp_millis(),
            name: self.title,
            description: &self.effect,
            from: self.from,
            to: self.diamond,
            call: &self.call,
        };
        let text = terminal::json(&batch.json());
        if file == Path::new("-") {
            hand_over(&text)?;
            if self.refusal.is_some() {
                crate::output::print_aside(&self.trial());
            }
            return Ok(());
        }
        std::fs::write(file, text + "\n").with_context(|| format!("{} cannot be written", file.display()))?;
        let written = format!("{} is for the Transaction Builder of {}.", file.display(), self.from);
        print_line(&format!("{}\n\n{}", self.text(), written));
        Ok(())
    }
}
