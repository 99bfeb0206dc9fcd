//! The HTTP side over real databases, without a socket.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod app;

mod access;
mod authentication;
mod bounds;
mod callback_inquiries;
mod checkout;
mod checkout_answers;
mod checkout_list;
mod checkout_pages;
mod checkout_submit;
mod commands;
mod create;
mod dead_letters;
mod document;
mod edge;
mod gateway_callbacks;
mod health;
mod idempotency;
mod integrations;
mod letters;
mod list;
mod marketplace;
mod payment_page;
mod queues;
mod receipts;
mod receipts_customers;
mod receipts_verdicts;
mod redrives;
mod reference_data;
mod reviews;
mod server;
mod staff;
mod tenants;
mod till;
mod till_lightning;
mod till_staff;
mod till_tickets;
mod tokens;
mod uploads;
mod wallets;
mod webhook_deliveries;
mod webhook_events;
mod webhooks;
mod widget;
