//! The HTTP side over real databases, without a socket.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod app;

mod access;
mod authentication;
mod commands;
mod create;
mod document;
mod edge;
mod health;
mod idempotency;
mod integrations;
mod list;
mod payment_page;
mod reference_data;
mod staff;
mod wallets;
mod widget;
