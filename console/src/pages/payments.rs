//! Payments of a node, with filters.

use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    api::with_query,
    browser::Fields,
    layout::Page,
    parts::{cell, choice, filter, status, table, time},
    place::ROOT,
    problem::Failure,
    visit::{Outcome, Visit},
};

/// What the API's list takes; these names stand in our addresses too.
const FILTER: [&str; 8] =
    ["node_id", "status", "payment_method", "external_id", "wallet_id", "network_id", "created_from", "created_to"];
const STATUSES: [&str; 12] = [
    "pending",
    "open",
    "submitted",
    "paid",
    "completed",
    "canceling",
    "canceled",
    "expired",
    "failed",
    "rejected",
    "refunded",
    "needs_review",
];
const METHODS: [&str; 7] = ["web3", "credit_card", "bank_transfer", "cash", "debit_card", "lightning", "mobile_money"];

/// The nodes that can be chosen among.
#[derive(Deserialize)]
struct Nodes {
    items: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    name: String,
}

#[derive(Deserialize)]
pub(super) struct Payments {
    pub(super) items: Vec<Payment>,
    #[serde(default)]
    pub(super) total: u64,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Payment {
    pub(super) id: String,
    pub(super) external_id: String,
    pub(super) status: String,
    pub(super) payment_method: String,
    pub(super) price_text: String,
    pub(super) paid_price_text: String,
    pub(super) created_at: String,
    pub(super) updated_at: String,
}

pub(super) async fn page(visit: &mut Visit) -> Result<Outcome, Failure> {
    let nodes: Nodes = visit.api.get("/api/v1/nodes", &[("per_page", "100")]).await?;
    let chosen = match visit.query.get("node_id") {
        "" => nodes.items.first().map(|node| node.id.clone()).unwrap_or_default(),
        given => given.to_owned(),
    };
    let mut listed = visit.query.only(&FILTER);
    listed.retain(|(name, _)| *name != "node_id");
    listed.extend([("node_id", chosen.as_str()), ("cursor", visit.query.get("cursor")), ("per_page", "50")]);
    let payments: Payments = visit.api.get("/api/v1/payments", &listed).await?;
    let next = payments.next_cursor.as_deref().map(|cursor| {
        listed.retain(|(name, _)| !matches!(*name, "cursor" | "per_page"));
        listed.push(("cursor", cursor));
        with_query(&format!("{ROOT}/payments"), &listed)
    });
    let content = html! {
        h1 { "Payments" }
        (views(&chosen))
        (filters(&visit.query, &nodes.items, &chosen))
        (list("Payments", &payments.items, "payments"))
        @if let Some(next) = next { p { a.button rel="next" href=(next) { "Older payments" } } }
    };
    Ok(Page::new("Payments", content).into())
}

fn views(node: &str) -> Markup {
    let view = |status| with_query(&format!("{ROOT}/payments"), &[("node_id", node), ("status", status)]);
    html! {
        div.buttons {
            a.button href=(view("pending")) { "Pending" }
            a.button href=(view("needs_review")) { "In review" }
            a.button href=(view("failed")) { "Failed" }
            a.button href=(view("")) { "All" }
        }
    }
}

fn filters(query: &Fields, nodes: &[Node], chosen: &str) -> Markup {
    html! {
        form.filters method="get" role="search" {
            label { span { "Node" }
                select name="node_id" {
                    @for node in nodes { option value=(node.id) selected[node.id == chosen] { (node.name) } }
                }
            }
            (filter("external_id", "External id", query.get("external_id")))
            (choice("status", "Status", query.get("status"), &STATUSES))
            (choice("payment_method", "Method", query.get("payment_method"), &METHODS))
            (filter("created_from", "From (UTC)", query.get("created_from")))
            (filter("created_to", "Before (UTC)", query.get("created_to")))
            button type="submit" { "Filter" }
        }
    }
}

/// Payments as a table, each leading to its page in this place.
pub(super) fn list(caption: &str, payments: &[Payment], place: &str) -> Markup {
    let rows: Vec<Markup> = payments.iter().map(|payment| row(payment, place)).collect();
    let columns = ["Payment", "Status", "Price", "Paid price", "Method", "Created", "Changed"];
    table(caption, &columns, &rows, "No payment matches.")
}

fn row(payment: &Payment, place: &str) -> Markup {
    html! {
        th scope="row" { a.row href={ (ROOT) "/" (place) "/" (payment.id) } { (payment.external_id) } }
        (cell("Status", &status(&payment.status)))
        (cell("Price", &html! { span.number { (payment.price_text) } }))
        (cell("Paid price", &html! { span.number { (payment.paid_price_text) } }))
        (cell("Method", &html! { (payment.payment_method.replace('_', " ")) }))
        (cell("Created", &time(&payment.created_at)))
        (cell("Changed", &time(&payment.updated_at)))
    }
}
