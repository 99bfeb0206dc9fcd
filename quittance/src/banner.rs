//! What a person sees who has just started everything: where it is, and how to make the first payment.

use chrono::{SecondsFormat, TimeDelta, Utc};

use crate::{bootstrap, embedded::Devnet, output::print_line, safety, settings::Settings};

/// Secrets are shown at the first start alone: later ones may stand in a log.
pub(crate) fn print(settings: &Settings, base_url: &str, node: Option<&Devnet>, is_first: bool) -> anyhow::Result<()> {
    print_line(&format!("Quittance {} is listening at {base_url}\n", env!("CARGO_PKG_VERSION")));
    print_line(&format!("  mode               {}", safety::assess(settings).mode));
    print_line(&format!("  API documents      {base_url}/docs"));
    print_line(&format!("  data folder        {}", settings.data_dir.display()));
    let Some(node) = node else { return Ok(()) };
    print_line(&format!("  development chain  {} (chain {})", node.rpc_url, settings.devchain.chain_id));
    let file = bootstrap::file(settings);
    if !is_first {
        print_line(&format!(
            "  admin, API key     were shown at the first start, and are kept in {}\n",
            file.display()
        ));
        print_line("See a payment through to the end: quittance demo");
        return Ok(());
    }
    let first = bootstrap::read(settings)?;
    print_line(&format!("  admin              {} with PIN {}", first.admin.name, first.admin.pin));
    print_line(&format!("  API key            {}", first.integration.api_key));
    print_line(&format!("  secret             {}", first.integration.secret_key));
    print_line(&format!("  all of these       are shown only now, and kept in {}\n", file.display()));
    print_line(&format!("The first payment, to be pasted as it is:\n\n{}\n", first_payment(&first, base_url)));
    print_line(&format!(
        "Its payer's page, with the answer's id and access_token:\n\n{base_url}/pay/ID#ACCESS_TOKEN\n"
    ));
    print_line("See it through to the end: quittance demo");
    Ok(())
}

/// A `curl` that signs in and creates a payment.
fn first_payment(first: &bootstrap::Bootstrap, base_url: &str) -> String {
    let expires_at = (Utc::now() + TimeDelta::days(1)).to_rfc3339_opts(SecondsFormat::Secs, true);
    let payer = first.devchain.as_ref().map(|devchain| devchain.payer.address.as_str()).unwrap_or_default();
    let currency = first.currencies.get("USDT").map(ToString::to_string).unwrap_or_default();
    let network = first.network_id.map(|id| id.to_string()).unwrap_or_default();
    let (key, secret) = (&first.integration.api_key, &first.integration.secret_key);
    format!(
        r#"curl -s {base_url}/api/v1/payments \
  -H "Authorization: Bearer $(curl -s -X POST {base_url}/api/v1/auth/authenticate \
        -H 'Api-Key: {key}' -H 'Api-Secret: {secret}' \
        | sed 's/.*"access_token":"\([^"]*\)".*/\1/')" \
  -H 'Content-Type: application/json' \
  -d '{{"external_id":"first-'$(date +%s)'","node_id":"{node}","network_id":"{network}","currency_id":"{currency}","price":10.5,"paid_price":10.5,"payment_method":"web3","payment_group":"product","payment_address":"{payer}","expires_at":"{expires_at}"}}'"#,
        node = first.node_id,
    )
}
