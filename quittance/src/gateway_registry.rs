//! Which gateways an installation has: those that are configured, and the sandbox for all others where it is wanted.

use anyhow::Context;
use gateways::{Gateways, PhoenixdConfig, Sandbox, SandboxProcessor, Source};
use secrecy::SecretString;

use crate::settings::Settings;

/// The gateways, and what signs requests to the sandbox where it is served.
pub(crate) fn open(settings: &Settings, public_url: &str) -> anyhow::Result<(Gateways, Option<SecretString>)> {
    let mut gateways = Gateways::new(&settings.gateways)?;
    if !settings.runs_sandbox() {
        return Ok((gateways, None));
    }
    let mut config = settings.gateways.sandbox.clone();
    if config.base_url.is_empty() {
        public_url.clone_into(&mut config.base_url);
    }
    for source in Source::ALL.iter().copied() {
        if gateways.get(source).is_none() {
            let sandbox = Sandbox::new(&config, source).context("the sandbox")?;
            gateways.insert(source, std::sync::Arc::new(sandbox), Vec::new());
        }
    }
    if gateways.processor().is_none() {
        gateways.set_processor(std::sync::Arc::new(SandboxProcessor::new(&config).context("the sandbox")?));
    }
    Ok((gateways, Some(config.secret)))
}

/// The Lightning node: the one that is configured, or else the sandbox's where that is served.
pub(crate) fn lightning(settings: &Settings, public_url: &str) -> Option<PhoenixdConfig> {
    let configured = settings.gateways.lightning.phoenixd.clone();
    let sandbox = &settings.gateways.sandbox;
    let ours = if sandbox.base_url.is_empty() { public_url } else { &sandbox.base_url };
    configured.or_else(|| settings.runs_sandbox().then(|| PhoenixdConfig::sandbox(ours, &sandbox.secret)))
}
