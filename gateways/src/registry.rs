//! Which gateways are there, and whom they serve.

use std::{collections::BTreeMap, sync::Arc};

use uuid::Uuid;

use crate::{
    Config, Gateway, Processor, Source, Stripe, measured::Measured, mobile_money::MobileMoney, paypal::PayPal,
};

/// The gateways of an installation. A clone shares them.
#[derive(Clone, Default)]
pub struct Gateways {
    entries: Arc<BTreeMap<Source, Entry>>,
    processor: Option<Arc<dyn Processor>>,
}

#[derive(Clone)]
struct Entry {
    gateway: Arc<dyn Gateway>,
    /// Those that are served, with all below them; all are when this is empty.
    nodes: Vec<Uuid>,
}

/// The gateways cannot be reached from this system at all.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client for the gateways can be built: {0}")]
pub struct BuildError(#[from] reqwest::Error);

impl Gateways {
    /// Those that have settings. The sandbox is not among them: what stands for the sources without a gateway of their
    /// own is [inserted](Self::insert) by the caller that decides so.
    ///
    /// # Errors
    /// The system has no certificates of authorities; the process cannot start.
    pub fn new(config: &Config) -> Result<Self, BuildError> {
        let mut gateways = Self::default();
        if let Some(config) = &config.stripe {
            let stripe = Arc::new(Stripe::new(config)?);
            gateways.set_processor(Arc::<Stripe>::clone(&stripe));
            gateways.insert(Source::Stripe, stripe, config.nodes.clone());
        }
        if let Some(paypal) = &config.paypal {
            gateways.insert(Source::PayPal, Arc::new(PayPal::new(paypal)?), paypal.nodes.clone());
        }
        for (_, profile, operator) in config.mobile_money.operators() {
            let gateway = MobileMoney::new(profile, operator)?;
            gateways.insert(profile.source, Arc::new(gateway), operator.nodes.clone());
        }
        Ok(gateways)
    }

    /// Adds a gateway for these nodes and all below them, for all nodes if there are none. One that was there for the
    /// same source is replaced.
    pub fn insert(&mut self, source: Source, gateway: Arc<dyn Gateway>, nodes: Vec<Uuid>) {
        let gateway = Arc::new(Measured::new(gateway, source));
        Arc::make_mut(&mut self.entries).insert(source, Entry { gateway, nodes });
    }

    /// Sets what sellers have their accounts at.
    pub fn set_processor(&mut self, processor: Arc<dyn Processor>) {
        self.processor = Some(processor);
    }

    #[must_use]
    pub fn get(&self, source: Source) -> Option<&Arc<dyn Gateway>> {
        self.entries.get(&source).map(|entry| &entry.gateway)
    }

    /// What sellers have their accounts at.
    #[must_use]
    pub fn processor(&self) -> Option<&Arc<dyn Processor>> {
        self.processor.as_ref()
    }

    /// What payers of a node may choose from, in the order in which they are shown it. The path is the node and all
    /// above it.
    #[must_use]
    pub fn offered(&self, path: &[Uuid]) -> Vec<Source> {
        let serves = |entry: &Entry| entry.nodes.is_empty() || entry.nodes.iter().any(|node| path.contains(node));
        self.entries.iter().filter(|(_, entry)| serves(entry)).map(|(source, _)| *source).collect()
    }
}
