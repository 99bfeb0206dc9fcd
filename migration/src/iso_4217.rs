//! The rows of ISO 4217's currencies and of bitcoin.

use iso_currency::{Currency, IntoEnumIterator};
use sea_orm_migration::sea_orm::DbBackend;

/// What stands for bitcoin in ids, behind the last three-digit number of ISO 4217.
const BITCOIN: u16 = 0xb7c;

/// Numbers of the codes that stand for no money: none at all, and tests.
const NONE: [u16; 2] = [999, 963];

/// Statements that insert each currency which nobody has made already. Ids come of the currency's number, so that all
/// installations have the same, and a later migration may insert newer ones the same way.
pub(crate) fn statements(backend: DbBackend) -> String {
    let iso = Currency::iter().filter(|currency| !NONE.contains(&currency.numeric())).map(|currency| {
        let number = u16::from_str_radix(&currency.numeric().to_string(), 16).unwrap_or_default();
        statement(backend, number, currency.code(), currency.name(), currency.exponent().unwrap_or(0))
    });
    iso.chain([statement(backend, BITCOIN, "BTC", "Bitcoin", 8)]).collect::<Vec<_>>().join("\n")
}

fn statement(backend: DbBackend, number: u16, code: &str, name: &str, decimals: u16) -> String {
    let id = match backend {
        DbBackend::Sqlite => format!("X'000000000000700080000000C0000{number:03X}'"),
        _ => format!("'00000000-0000-7000-8000-0000c0000{number:03x}'"),
    };
    let (name, at) = (name.replace('\'', "''"), "2026-01-01T00:00:00+00:00");
    format!(
        "INSERT INTO currencies (id, network_id, symbol, name, address, decimals, created_at, updated_at, deleted_at) \
         SELECT {id}, NULL, '{code}', '{name}', NULL, {decimals}, '{at}', '{at}', NULL WHERE NOT EXISTS (SELECT 1 FROM \
         currencies WHERE symbol = '{code}' AND network_id IS NULL AND deleted_at IS NULL);"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_currency_has_an_id_of_its_own() {
        for backend in [DbBackend::Sqlite, DbBackend::Postgres] {
            let statements = statements(backend);
            let ids: BTreeSet<&str> =
                statements.lines().filter_map(|line| line.split("SELECT ").nth(1)?.split(',').next()).collect();
            assert_eq!(ids.len(), statements.lines().count());
            assert!(ids.len() > 170);
            assert!(
                statements.contains("'EUR', 'Euro', NULL, 2") && statements.contains("'JPY', 'Japanese yen', NULL, 0")
            );
        }
    }
}
