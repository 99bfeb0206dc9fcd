//! What strangers may spend on the public routes: one layer before all of them, with a budget for each address, for each
//! thing that is requested, and for all strangers together.
//!
//! A request costs points by its route's [`Class`], so that reading is cheap and what hashes, writes or calls a gateway is
//! dear. A caller who has signed in spends the allowance of callers instead, and no storm of strangers slows them. Customers
//! do not count as signed in: anybody can become one.

mod classes;

pub(crate) use classes::Class;

use poem::Request;
use serde::Deserialize;

use super::{Allowance, ClientAddress};
use crate::{access, edge::EdgeState, problem::Problem};

/// What strangers may take, in points: reading costs 1, writing 5, and what is dear (signing in, registering, uploading,
/// placing an order, making an intent) 20. Each is what a budget gives in a minute, and how much it can save up; what all
/// share saves up a sixth of it, because it says what the machine can do at a time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StrangersConfig {
    /// Points a minute of one address (IPv6: one /64).
    pub per_address: u32,
    /// Points a minute of one site: an IPv6 /48, which has 65,536 of the former.
    pub per_site: u32,
    /// Points a minute that are spent on one order, payment or the like, from wherever.
    pub per_subject: u32,
    /// Points a minute of all strangers together, for each class of routes on its own.
    pub in_all: u32,
}

impl Default for StrangersConfig {
    fn default() -> Self {
        Self { per_address: 6_000, per_site: 24_000, per_subject: 600, in_all: 30_000 }
    }
}

impl StrangersConfig {
    pub(crate) fn mistakes(&self) -> impl Iterator<Item = String> {
        let budgets = [
            ("per_address", self.per_address),
            ("per_site", self.per_site),
            ("per_subject", self.per_subject),
            ("in_all", self.in_all),
        ];
        let zero = budgets.into_iter().filter(|(_, points)| *points == 0);
        zero.map(|(name, _)| format!("strangers.{name} must be above 0"))
    }
}

/// The budgets of this process.
pub(crate) struct Strangers {
    per_address: Allowance,
    per_site: Allowance,
    per_subject: Allowance,
    in_all: Allowance,
}

impl Strangers {
    pub(crate) fn new(config: &StrangersConfig) -> Self {
        Self {
            per_address: Allowance::per_minute(config.per_address),
            per_site: Allowance::per_minute(config.per_site),
            per_subject: Allowance::per_minute(config.per_subject),
            in_all: Allowance::per_minute_evenly(config.in_all),
        }
    }

    /// Spends what a request of this class costs. The address pays first: what is refused there takes nothing from
    /// what all share.
    fn spend(&self, address: &ClientAddress, class: Class) -> Result<(), Problem> {
        let points = class.points();
        counted("address", self.per_address.spend(&address.network(), points))?;
        if let Some(site) = address.site() {
            counted("site", self.per_site.spend(&site, points))?;
        }
        counted("all", self.in_all.spend(class.word(), points))
    }

    /// Forgets whose budgets are whole again.
    pub(crate) fn forget_idle(&self) {
        for budget in [&self.per_address, &self.per_site, &self.per_subject, &self.in_all] {
            budget.forget_idle();
        }
    }
}

impl EdgeState {
    /// Spends on one thing what a stranger's request about it costs, from wherever it comes; `kind` and `id` name the
    /// thing, such as an order.
    ///
    /// # Errors
    /// 429 with `Retry-After`.
    pub(crate) fn spend_on_subject(&self, kind: &str, id: &str, class: Class) -> Result<(), Problem> {
        counted("subject", self.strangers().per_subject.spend(&format!("{kind}:{id}"), class.points()))
    }
}

/// Admits a request to a route of this class.
///
/// # Errors
/// 429 with `Retry-After`.
pub(crate) fn admit(request: &Request, class: Class) -> Result<(), Problem> {
    let Some(state) = request.data::<EdgeState>() else { return Ok(()) };
    if class.points() == 0 {
        return Ok(());
    }
    if let Some(caller) = access::signed_in(state, request) {
        return state.allowances().per_caller.take(&caller);
    }
    let unknown = || ClientAddress::of(request, 0);
    let address = request.data::<ClientAddress>().cloned().unwrap_or_else(unknown);
    state.strangers().spend(&address, class)
}

fn counted(limit: &'static str, spent: Result<(), Problem>) -> Result<(), Problem> {
    if spent.is_err() {
        metrics::counter!("quittance_strangers_refused_total", "limit" => limit).increment(1);
    }
    spent
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> ClientAddress {
        ClientAddress::from(std::net::SocketAddr::new(address.parse().unwrap(), 1))
    }

    fn budgets(per_address: u32, per_site: u32, in_all: u32) -> Strangers {
        Strangers::new(&StrangersConfig { per_address, per_site, in_all, ..StrangersConfig::default() })
    }

    #[test]
    fn one_address_spends_its_own_and_not_what_all_share() {
        let strangers = budgets(40, 1_000, 360);
        for _ in 0..2 {
            strangers.spend(&from("192.0.2.1"), Class::Dear).unwrap();
        }
        for _ in 0..100 {
            assert!(strangers.spend(&from("::ffff:192.0.2.1"), Class::Dear).is_err(), "its budget is spent");
        }
        strangers.spend(&from("192.0.2.2"), Class::Dear).unwrap();
        assert!(strangers.spend(&from("192.0.2.3"), Class::Dear).is_err(), "what all share is spent");
        strangers.spend(&from("192.0.2.3"), Class::Cheap).unwrap();
    }

    #[test]
    fn a_site_has_a_budget_however_many_networks_it_has() {
        let strangers = budgets(20, 60, 1_000);
        for network in 0..3 {
            strangers.spend(&from(&format!("2001:db8:1:{network}::1")), Class::Dear).unwrap();
        }
        assert!(strangers.spend(&from("2001:db8:1:3::1"), Class::Dear).is_err());
        strangers.spend(&from("2001:db8:2::1"), Class::Dear).unwrap();
    }
}
