//! One file per resource of the deals and of operators: its types and its operations.

pub(crate) mod audit_log;
pub(crate) mod authentication;
pub(crate) mod chain_queries;
pub(crate) mod chains;
mod contract;
pub(crate) mod currencies;
pub(crate) mod dead_letters;
pub(crate) mod documentation;
pub(crate) mod event_feed;
pub(crate) mod events;
pub(crate) mod exchange_rates;
pub(crate) mod health;
pub(crate) mod integrations;
pub(crate) mod members;
pub(crate) mod networks;
pub(crate) mod nodes;
pub(crate) mod pay_page;
mod payment_token;
pub(crate) mod payments;
pub(crate) mod queues;
pub(crate) mod redrives;
pub(crate) mod reviews;
pub(crate) mod signers;
mod tag;
pub(crate) mod wallets;
pub(crate) mod webhook_deliveries;
pub(crate) mod webhook_recoveries;
pub(crate) mod webhooks;
pub(crate) mod widget;

use crate::state::State;
pub(crate) use contract::{DEALS, OPERATIONS};
pub(crate) use tag::Tag;

/// What operators look at and decide; one of the tuple's places, which are no more than sixteen.
type ForOperators =
    (reviews::Reviews, queues::Queues, dead_letters::DeadLetters, redrives::Redrives, audit_log::AuditLog);

/// Every resource.
pub(crate) type Api = (
    authentication::Authentication,
    payments::Payments,
    ForOperators,
    (widget::Widget, pay_page::PayPage),
    integrations::Integrations,
    nodes::Nodes,
    chains::Chains,
    networks::Networks,
    (currencies::Currencies, exchange_rates::ExchangeRates),
    (wallets::Wallets, signers::Signers),
    members::Members,
    (
        webhooks::Webhooks,
        webhook_deliveries::WebhookDeliveries,
        webhook_recoveries::WebhookRecoveries,
        event_feed::EventFeed,
    ),
    (health::Health, documentation::Documentation),
);

/// Builds it.
pub(crate) fn api(state: &State) -> Api {
    let state = || state.clone();
    (
        authentication::Authentication(state()),
        payments::Payments(state()),
        (
            reviews::Reviews(state()),
            queues::Queues(state()),
            dead_letters::DeadLetters(state()),
            redrives::Redrives(state()),
            audit_log::AuditLog(state()),
        ),
        (widget::Widget(state()), pay_page::PayPage),
        integrations::Integrations(state()),
        nodes::Nodes(state()),
        chains::Chains(state()),
        networks::Networks(state()),
        (currencies::Currencies(state()), exchange_rates::ExchangeRates(state())),
        (wallets::Wallets(state()), signers::Signers(state())),
        members::Members(state()),
        (
            webhooks::Webhooks(state()),
            webhook_deliveries::WebhookDeliveries(state()),
            webhook_recoveries::WebhookRecoveries(state()),
            event_feed::EventFeed::new(state()),
        ),
        (health::Health(state()), documentation::Documentation),
    )
}
