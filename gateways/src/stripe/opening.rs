//! What is asked of Stripe when a payment is opened. Asked again under the same key it must be the same to the letter.

use rust_decimal::Decimal;
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionLineItems, CreateCheckoutSessionLineItemsPriceData,
    CreateCheckoutSessionPaymentIntentData, ProductData,
};
use stripe_client_core::{RequestBuilder, StripeRequest};
use stripe_core::payment_intent::{
    CreatePaymentIntent, CreatePaymentIntentAutomaticPaymentMethods, CreatePaymentIntentTransferData,
};
use stripe_shared::{CheckoutSessionLocale, CheckoutSessionMode};
use stripe_types::Currency;

use super::{
    amount::{self, Use},
    is_id,
    responses::referring,
};
use crate::{Error, Money, OnBehalf, Order};

/// Longest name of a product and description of a payment, characters.
const DESCRIPTION_MAX: usize = 250;

/// A page of Stripe's on which the total is paid.
pub(super) fn session(order: &Order) -> Result<RequestBuilder, Error> {
    let returns = order.returns.as_ref().ok_or_else(|| Error::Declined {
        code: "return_urls_required".to_owned(),
        message: "Stripe's page needs to know where the browser goes afterwards".to_owned(),
    })?;
    let mut price = CreateCheckoutSessionLineItemsPriceData::new(currency(&order.amount));
    price.product_data = Some(ProductData::new(description(order)));
    price.unit_amount = Some(amount::minor(&order.amount, Use::Charge)?);
    let mut item = CreateCheckoutSessionLineItems::new();
    item.price_data = Some(price);
    item.quantity = Some(1);
    // The session's own metadata do not reach the payment, whose callbacks and charge are to name us too.
    let mut payment = CreateCheckoutSessionPaymentIntentData::new();
    payment.description = Some(description(order));
    payment.metadata = Some(referring(order.reference));
    let mut request = CreateCheckoutSession::new()
        .mode(CheckoutSessionMode::Payment)
        .line_items([item])
        .payment_intent_data(payment)
        .client_reference_id(order.reference.to_string())
        .metadata(referring(order.reference))
        .success_url(returns.success.as_str())
        .cancel_url(returns.cancel.as_str())
        .locale(locale(order.locale.as_deref()));
    if let Some(email) = &order.payer.email {
        request = request.customer_email(email.as_str());
    }
    Ok(request.build())
}

/// A payment that a storefront's widget completes; all but the fee goes to the seller.
pub(super) fn intent(order: &Order, on_behalf: &OnBehalf) -> Result<RequestBuilder, Error> {
    if !is_id(&on_behalf.account) {
        return Err(super::missing("account"));
    }
    let mut request = CreatePaymentIntent::new(amount::minor(&order.amount, Use::Charge)?, currency(&order.amount))
        .automatic_payment_methods(CreatePaymentIntentAutomaticPaymentMethods::new(true))
        .transfer_data(CreatePaymentIntentTransferData::new(on_behalf.account.as_str()))
        .description(description(order))
        .metadata(referring(order.reference));
    // Stripe knows no fee of nothing.
    if on_behalf.fee > Decimal::ZERO {
        let fee = Money { value: on_behalf.fee, ..order.amount.clone() };
        request = request.application_fee_amount(amount::minor(&fee, Use::Charge)?);
    }
    Ok(request.build())
}

fn description(order: &Order) -> String {
    let description: String = order.description.trim().chars().take(DESCRIPTION_MAX).collect();
    if description.is_empty() { order.reference.to_string() } else { description }
}

pub(super) fn currency(money: &Money) -> Currency {
    // It cannot fail: what the SDK does not know is passed on as it is.
    money.currency.to_ascii_lowercase().parse().unwrap_or_else(|never| match never {})
}

/// The nearest language of Stripe's pages, else the browser's.
fn locale(tag: Option<&str>) -> CheckoutSessionLocale {
    let known = |tag: &str| match tag.parse() {
        Ok(CheckoutSessionLocale::Unknown(_)) | Err(_) => None,
        Ok(locale) => Some(locale),
    };
    tag.and_then(|tag| known(tag).or_else(|| known(tag.split(['-', '_']).next()?)))
        .unwrap_or(CheckoutSessionLocale::Auto)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_speak_the_nearest_language() {
        for (tag, spoken) in [
            (Some("fr-KM"), "fr"),
            (Some("fr-CA"), "fr-CA"),
            (Some("pt-BR"), "pt-BR"),
            (Some("pt_PT"), "pt"),
            (Some("sw"), "auto"),
            (Some(""), "auto"),
            (None, "auto"),
        ] {
            assert_eq!(locale(tag).as_str(), spoken, "{tag:?}");
        }
    }
}
