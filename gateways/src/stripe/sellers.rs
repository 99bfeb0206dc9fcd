//! Stripe as the processor of sellers.
//!
//! Accounts have the Express dashboard, which is what login links lead to. For those Stripe itself collects what it
//! must know and has its terms accepted, on its own pages; it refuses `tos_acceptance` from us. What a seller has given
//! us is filled in there, and when the terms were accepted with us is kept with the account's metadata.

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use stripe_client_core::{RequestBuilder, StripeRequest};
use stripe_connect::{
    account::{
        CreateAccount, CreateAccountBusinessProfile, CreateAccountCapabilities, CreateAccountCapabilitiesCardPayments,
        CreateAccountCapabilitiesTransfers, CreateAccountCompany, CreateAccountCompanyAddress, CreateAccountController,
        CreateAccountControllerFees, CreateAccountControllerFeesPayer, CreateAccountControllerLosses,
        CreateAccountControllerLossesPayments, CreateAccountControllerRequirementCollection,
        CreateAccountControllerStripeDashboard, CreateAccountControllerStripeDashboardType, CreateAccountIndividual,
        CreateAccountIndividualAddress, CreateAccountSettings, CreateAccountSettingsPayouts,
        CreateAccountSettingsPayoutsSchedule, CreateAccountSettingsPayoutsScheduleInterval, DateOfBirthSpecs,
        ListAccount, RetrieveAccount,
    },
    account_link::{CreateAccountLink, CreateAccountLinkType},
    login_link::CreateAccountLoginLink,
};
use stripe_core::payout::{CreatePayout, ListPayout, RetrievePayout};
use stripe_shared::AccountBusinessType;
use url::{Url, form_urlencoded};
use uuid::Uuid;

use super::{
    Stripe,
    amount::{self, Use},
    client::{Call, PAGE, missing},
    is_id, opening, page,
    responses::{self, Link, Listed, referring},
    since,
};
use crate::{Account, Error, PaidOut, Payout, PayoutState, Processor, Seller};

/// Where the money of accounts is settled and paid out.
const CURRENCY: &str = "eur";

#[async_trait::async_trait]
impl Processor for Stripe {
    async fn put_account(&self, seller: &Seller, account: Option<&str>) -> Result<Account, Error> {
        let call = match account {
            None => Call::once(opened(seller), seller.reference),
            Some(id) => {
                let mut request = with_bank_account(details(seller).build(), seller);
                // Updating takes the same fields, at the account's own path.
                request.path = format!("{}/{}", request.path, path_segment(id)?);
                // Details that came later are another request.
                let key = format!("{}-{}", seller.reference, seller.told_at.timestamp_micros());
                Call::once(request, key)
            }
        };
        let account: responses::Account = self.client.send(call).await?;
        Ok(account_of(account))
    }

    async fn find_account(&self, reference: Uuid, asked_at: DateTime<Utc>) -> Result<Option<Account>, Error> {
        let page =
            |after: Option<&str>| Call::new(page!(ListAccount::new().created(since(asked_at)).limit(PAGE), after));
        let ours = |account: &responses::Account| account.reference() == Some(reference);
        Ok(self.client.find(page, ours).await?.map(account_of))
    }

    async fn account(&self, id: &str) -> Result<Account, Error> {
        self.seller(id).await.map(account_of)
    }

    /// Stripe refuses a login link before the account is complete: the link then leads to completing it.
    async fn login_link(&self, id: &str) -> Result<Url, Error> {
        let account = self.seller(id).await?;
        let request = match &self.config.seller_return_url {
            Some(back) if !account.details_submitted => {
                CreateAccountLink::new(id, CreateAccountLinkType::AccountOnboarding)
                    .refresh_url(back.as_str())
                    .return_url(back.as_str())
                    .build()
            }
            _ => CreateAccountLoginLink::new(id).build(),
        };
        let Link { url } = self.client.send(Call::new(request)).await?;
        url.parse().map_err(|_| Error::Unavailable("Stripe's link has no readable URL".to_owned()))
    }

    async fn pay_out(&self, payout: &Payout) -> Result<PaidOut, Error> {
        let account = path_segment(&payout.account)?;
        let minor = amount::minor(&payout.amount, Use::Payout)?;
        let request =
            CreatePayout::new(minor, opening::currency(&payout.amount)).metadata(referring(payout.reference)).build();
        self.client.send(Call::once(request, payout.reference).within(account)).await.map(paid_out)
    }

    async fn look_up_payout(&self, payout: &Payout) -> Result<Option<PaidOut>, Error> {
        let account = path_segment(&payout.account)?;
        let found = match &payout.processor_id {
            Some(id) => {
                let request = RetrievePayout::new(path_segment(id)?).build();
                self.client.retrieve(Call::new(request).within(account)).await?
            }
            None => {
                let page = |after: Option<&str>| {
                    Call::new(page!(ListPayout::new().created(since(payout.asked_at)).limit(PAGE), after))
                        .within(account)
                };
                let ours = |found: &responses::Payout| found.reference() == Some(payout.reference);
                self.client.find(page, ours).await?
            }
        };
        Ok(found.map(paid_out))
    }
}

impl Stripe {
    async fn seller(&self, id: &str) -> Result<responses::Account, Error> {
        let request = RetrieveAccount::new(path_segment(id)?).build();
        self.client.retrieve(Call::new(request)).await?.ok_or_else(|| missing("account"))
    }
}

fn path_segment(id: &str) -> Result<&str, Error> {
    if is_id(id) { Ok(id) } else { Err(missing("id")) }
}

/// What only opening an account says: who is responsible for what, and what the account shall be able to do.
fn opened(seller: &Seller) -> RequestBuilder {
    let mut controller = CreateAccountController::new();
    let mut dashboard = CreateAccountControllerStripeDashboard::new();
    dashboard.type_ = Some(CreateAccountControllerStripeDashboardType::Express);
    controller.stripe_dashboard = Some(dashboard);
    controller.requirement_collection = Some(CreateAccountControllerRequirementCollection::Stripe);
    // Stripe gives the Express dashboard only where the platform bears fees and losses.
    let mut fees = CreateAccountControllerFees::new();
    fees.payer = Some(CreateAccountControllerFeesPayer::Application);
    controller.fees = Some(fees);
    let mut losses = CreateAccountControllerLosses::new();
    losses.payments = Some(CreateAccountControllerLossesPayments::Application);
    controller.losses = Some(losses);

    let mut capabilities = CreateAccountCapabilities::new();
    let mut cards = CreateAccountCapabilitiesCardPayments::new();
    cards.requested = Some(true);
    capabilities.card_payments = Some(cards);
    let mut transfers = CreateAccountCapabilitiesTransfers::new();
    transfers.requested = Some(true);
    capabilities.transfers = Some(transfers);

    // Money leaves the account when the seller asks us for it, not by itself.
    let mut schedule = CreateAccountSettingsPayoutsSchedule::new();
    schedule.interval = Some(CreateAccountSettingsPayoutsScheduleInterval::Manual);
    let mut payouts = CreateAccountSettingsPayouts::new();
    payouts.schedule = Some(schedule);
    let mut settings = CreateAccountSettings::new();
    settings.payouts = Some(payouts);

    let request = details(seller)
        .country(seller.country.as_str())
        .controller(controller)
        .capabilities(capabilities)
        .settings(settings);
    with_bank_account(request.build(), seller)
}

/// The seller's details.
fn details(seller: &Seller) -> CreateAccount {
    let mut metadata = referring(seller.reference);
    metadata.insert("nif".to_owned(), seller.nif.clone());
    if let Some(accepted_at) = seller.tos_accepted_at {
        metadata.insert("tos_accepted_at".to_owned(), accepted_at.to_rfc3339());
    }
    let mut profile = CreateAccountBusinessProfile::new();
    profile.name = Some(seller.business_name.clone());
    let request = CreateAccount::new().email(seller.email.as_str()).business_profile(profile).metadata(metadata);
    if is_company(seller) {
        request.business_type(AccountBusinessType::Company).company(company(seller))
    } else {
        request.business_type(AccountBusinessType::Individual).individual(individual(seller))
    }
}

/// Portugal's tax numbers tell persons, who have those with 1, 2, 3 and 45 in front, from all others.
fn is_company(seller: &Seller) -> bool {
    seller.country == "PT" && !(seller.nif.starts_with(['1', '2', '3']) || seller.nif.starts_with("45"))
}

fn company(seller: &Seller) -> CreateAccountCompany {
    let mut address = CreateAccountCompanyAddress::new();
    address.line1 = Some(seller.address.clone());
    address.city = Some(seller.city.clone());
    address.postal_code = Some(seller.postal_code.clone());
    address.country = Some(seller.country.clone());
    let mut company = CreateAccountCompany::new();
    company.name = Some(seller.business_name.clone());
    company.tax_id = Some(seller.nif.clone());
    company.phone = seller.phone.clone();
    company.address = Some(address);
    company
}

fn individual(seller: &Seller) -> CreateAccountIndividual {
    use chrono::Datelike;

    let mut address = CreateAccountIndividualAddress::new();
    address.line1 = Some(seller.address.clone());
    address.city = Some(seller.city.clone());
    address.postal_code = Some(seller.postal_code.clone());
    address.country = Some(seller.country.clone());
    let (day, month) = (i64::from(seller.dob.day()), i64::from(seller.dob.month()));
    let mut individual = CreateAccountIndividual::new();
    individual.first_name = Some(seller.first_name.clone());
    individual.last_name = Some(seller.last_name.clone());
    individual.email = Some(seller.email.clone());
    individual.phone = seller.phone.clone();
    individual.dob = Some(DateOfBirthSpecs::new(day, month, i64::from(seller.dob.year())));
    individual.id_number = Some(seller.nif.clone());
    individual.address = Some(address);
    individual
}

/// The bank account is a table of its own in the form; the SDK knows only tokens there, which would be another call.
fn with_bank_account(mut request: RequestBuilder, seller: &Seller) -> RequestBuilder {
    let iban: String = seller.iban.expose_secret().chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let iban = iban.to_ascii_uppercase();
    let country: String = iban.chars().take(2).collect();
    let holder = format!("{} {}", seller.first_name, seller.last_name);
    let holder = if is_company(seller) { &seller.business_name } else { &holder };
    let mut form = form_urlencoded::Serializer::new(request.body.unwrap_or_default());
    form.append_pair("external_account[object]", "bank_account")
        .append_pair("external_account[country]", &country)
        .append_pair("external_account[currency]", CURRENCY)
        .append_pair("external_account[account_holder_name]", holder)
        .append_pair("external_account[account_number]", &iban);
    request.body = Some(form.finish());
    request
}

fn account_of(account: responses::Account) -> Account {
    Account {
        id: account.id,
        charges_enabled: account.charges_enabled,
        payouts_enabled: account.payouts_enabled,
        requirements_due: account.requirements.and_then(|due| due.currently_due).unwrap_or_default(),
    }
}

fn paid_out(payout: responses::Payout) -> PaidOut {
    let state = match payout.status.as_str() {
        "paid" => PayoutState::Paid,
        status @ ("failed" | "canceled") => PayoutState::Failed {
            code: payout.failure_code.unwrap_or_else(|| status.to_owned()),
            message: payout.failure_message.unwrap_or_else(|| "The payout did not reach the bank.".to_owned()),
        },
        _ => PayoutState::Pending,
    };
    let arrival_date = payout.arrival_date.and_then(|at| DateTime::from_timestamp(at, 0)).map(|at| at.date_naive());
    PaidOut { id: payout.id, state, arrival_date }
}
