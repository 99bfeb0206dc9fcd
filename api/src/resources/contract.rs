//! The contracts whose errors are problems: that of on-chain deals, and what operators use.

use poem::http::Method;

use super::{Tag, payment_token::OF_A_PAYMENT};
use crate::{
    disk::Room,
    edge::{Class, Contract, Part},
};

/// On-chain deals, with what they need: integrations, nodes, reference data, wallets, members, webhooks.
pub(crate) static DEALS: Contract = Contract {
    name: "deals",
    strangers: &[
        (Method::POST, "/api/v1/auth/authenticate", Class::Write),
        (Method::POST, "/api/v1/auth/refresh", Class::Write),
        (Method::GET, "/api/v1/widget/payments/{id}", Class::Cheap),
        (Method::GET, "/api/v1/widget/payments/{id}/qr", Class::Cheap),
        (Method::GET, "/pay/{id}", Class::Cheap),
        (Method::GET, "/pay/assets/pay.css", Class::Cheap),
        (Method::GET, "/pay/assets/pay.js", Class::Cheap),
        (Method::GET, "/pay/assets/wallet.js", Class::Cheap),
        (Method::GET, "/pay/assets/text.js", Class::Cheap),
    ],
    credentials: &[OF_A_PAYMENT],
    fills: &[("/api/v1/payments", Room::Little)],
    // It serves the payer's page on the merchant's own site.
    open: &["/api/v1/widget/payments/{id}"],
    part: Part {
        summary: "On-chain deals, and payments by card or bank transfer beside them",
        groups: &[
            &Tag::Authentication,
            &Tag::Payments,
            &Tag::Widget,
            &Tag::Integrations,
            &Tag::Nodes,
            &Tag::ReferenceData,
            &Tag::Wallets,
            &Tag::Signers,
            &Tag::Webhooks,
            &Tag::EventFeed,
            &Tag::Members,
        ],
        paths: &["/auth/"],
        ..Part::PLAIN
    },
    ..Contract::PLAIN
};

/// Health, queues, dead letters, redrives and reviews.
pub(crate) static OPERATIONS: Contract = Contract {
    name: "operations",
    strangers: &[
        (Method::GET, "/health/live", Class::Watched),
        (Method::GET, "/health/ready", Class::Watched),
        (Method::GET, "/metrics", Class::Watched),
        (Method::GET, "/", Class::Cheap),
        (Method::GET, "/docs", Class::Cheap),
        (Method::GET, "/docs/start.js", Class::Cheap),
        (Method::GET, "/docs/swagger-ui.js", Class::Cheap),
        (Method::GET, "/docs/swagger-ui.css", Class::Cheap),
        (Method::GET, "/openapi.json", Class::Cheap),
    ],
    part: Part {
        summary: "What operators look at and decide",
        groups: &[&Tag::Reviews, &Tag::DeadLetters, &Tag::Queues, &Tag::EventFeed, &Tag::Operations],
        paths: &["/auth/"],
        events_for_operators: true,
        ..Part::PLAIN
    },
    ..Contract::PLAIN
};
