//! What is said about acts of an owner.

use alloy::primitives::{Address, B256};
use chain::{Cut, CutAction, DiamondReport, Edition, OwnerAct};
use chrono::{DateTime, SecondsFormat, Utc};

/// What the transaction does, for whoever is to sign it.
pub(super) fn effect(act: &OwnerAct, diamond: Address, report: &DiamondReport) -> String {
    let delay = match report.delay_s {
        0 => "at once".to_owned(),
        seconds => format!("{} after this is mined", span(seconds)),
    };
    match (act, report.edition) {
        (OwnerAct::AddOperator(operator), _) => format!(
            "Appoints {operator} an operator of diamond {diamond}, at once: it may open, release and cancel deals there, and \
             nothing else."
        ),
        (OwnerAct::RemoveOperator(operator), _) => format!(
            "Dismisses {operator} as an operator of diamond {diamond}, at once: it can open, release and cancel nothing there \
             any more."
        ),
        (OwnerAct::TransferOwnership(to), Edition::Second) if to.is_zero() => {
            format!("Takes back the offer of diamond {diamond}; it stays {}'s.", report.owner)
        }
        (OwnerAct::TransferOwnership(to), Edition::Second) => format!(
            "Offers diamond {diamond} to {to}, who may accept it {delay}. Payers can see the offer; until \
             it is accepted, {} stays the owner.",
            report.owner
        ),
        (OwnerAct::TransferOwnership(to), Edition::First) => format!(
            "Hands diamond {diamond} over to {to} at once and for good. The first edition asks nobody and has no way back: \
             check the address twice. {} then operates it only if it was appointed an operator.",
            report.owner
        ),
        (OwnerAct::AcceptOwnership, _) => format!(
            "Takes diamond {diamond} over from {}. What the previous owner had announced is void; operators stay.",
            report.owner
        ),
        (OwnerAct::AnnounceCut(cut), _) => format!(
            "Announces a cut of diamond {diamond} ({}), which may be made {delay}, in the place of whatever \
             was announced before. Payers can see it. {}",
            cut.hash(),
            changes(cut)
        ),
        (OwnerAct::ExecuteCut(cut), Edition::Second) => {
            format!("Makes the announced cut {} of diamond {diamond}. {}", cut.hash(), changes(cut))
        }
        (OwnerAct::ExecuteCut(cut), Edition::First) => format!(
            "Cuts diamond {diamond} at once: the first edition announces nothing. {} Functions that hold deposits can be \
             replaced, too.",
            changes(cut)
        ),
        (OwnerAct::CancelCut, _) => format!("Takes back the cut that is announced of diamond {diamond}."),
        (OwnerAct::Sweep { token, to }, _) if token.is_zero() => {
            format!(
                "Sends {to} what diamond {diamond} holds of the network's own coin beyond what it owes, no deposit of it."
            )
        }
        (OwnerAct::Sweep { token, to }, _) => {
            format!("Sends {to} what diamond {diamond} holds of token {token} beyond what it owes, no deposit of it.")
        }
    }
}

/// What to do where the first edition lacks the function.
pub(super) fn instead(act: &OwnerAct) -> &'static str {
    match act {
        OwnerAct::AcceptOwnership => "it has no second step, and transfer-ownership hands it over at once",
        OwnerAct::AnnounceCut(_) => {
            "it announces nothing; execute-cut cuts it at once, so tell its payers yourself before"
        }
        OwnerAct::CancelCut => "it announces nothing that could be taken back",
        OwnerAct::Sweep { .. } => {
            "it cannot tell a deposit from what was sent by mistake; use a diamond of the second edition for new payments (see \
             docs/operations.md, From an old diamond to a new one)"
        }
        OwnerAct::AddOperator(_)
        | OwnerAct::RemoveOperator(_)
        | OwnerAct::TransferOwnership(_)
        | OwnerAct::ExecuteCut(_) => "its contract lacks the function",
    }
}

/// The name in front of the batch, short.
pub(super) fn title(act: &OwnerAct) -> &'static str {
    match act {
        OwnerAct::AddOperator(_) => "Appoint an operator",
        OwnerAct::RemoveOperator(_) => "Dismiss an operator",
        OwnerAct::TransferOwnership(_) => "Transfer the ownership",
        OwnerAct::AcceptOwnership => "Accept the ownership",
        OwnerAct::AnnounceCut(_) => "Announce a cut",
        OwnerAct::ExecuteCut(_) => "Make a cut",
        OwnerAct::CancelCut => "Take a cut back",
        OwnerAct::Sweep { .. } => "Sweep what belongs to no deal",
    }
}

fn changes(cut: &Cut) -> String {
    let mut told = Vec::new();
    for change in &cut.facets {
        let names: Vec<String> = change.selectors.iter().map(ToString::to_string).collect();
        let names = names.join(", ");
        told.push(match change.action {
            CutAction::Add => format!("Adds {names} of facet {}.", change.facet),
            CutAction::Replace => format!("Replaces {names} by those of facet {}.", change.facet),
            CutAction::Remove => format!("Removes {names}."),
        });
    }
    if !cut.init.is_zero() {
        told.push(format!("Then runs {} with the rights of the diamond.", cut.init));
    }
    told.join(" ")
}

/// Why it cannot happen yet, where only the time is missing.
pub(super) fn not_before(act: &OwnerAct, report: &DiamondReport) -> Option<String> {
    let from = match act {
        OwnerAct::AcceptOwnership => report.pending_owner.map(|offer| offer.from),
        OwnerAct::ExecuteCut(cut) => report.pending_cut.filter(|known| known.what == cut.hash()).map(|cut| cut.from),
        _ => None,
    };
    from.map(|from| format!("It may happen from {} on.", time(from)))
}

/// A cut that is announced, for lists.
pub(super) fn cut(hash: B256, from: u64) -> String {
    format!("{hash}, may be made from {} on", time(from))
}

pub(super) fn edition(edition: Edition) -> &'static str {
    match edition {
        Edition::First => "first edition",
        Edition::Second => "second edition",
    }
}

/// Seconds since 1970 as people read them.
pub(super) fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| DateTime::<Utc>::from_timestamp(seconds, 0));
    time.map_or_else(|| format!("second {seconds} since 1970"), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// A delay as people say it.
pub(super) fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0 => return "none".to_owned(),
        seconds if seconds % 86_400 == 0 => (seconds / 86_400, "day"),
        seconds if seconds % 3_600 == 0 => (seconds / 3_600, "hour"),
        seconds if seconds % 60 == 0 => (seconds / 60, "minute"),
        seconds => (seconds, "second"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_told_in_the_largest_unit_that_fits() {
        let told = [0, 1, 90, 60, 7_200, 172_800].map(span);
        assert_eq!(told, ["none", "1 second", "90 seconds", "1 minute", "2 hours", "2 days"]);
    }
}
