//! Where uploaded files are kept: a folder, or a bucket of an S3-compatible store.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use object_store::{ObjectStore, ObjectStoreExt, aws::AmazonS3Builder, local::LocalFileSystem, path::Path};
use payments::uploads::Allowances;
use secrecy::ExposeSecret;
use tokio::sync::{OnceCell, Semaphore};

use super::ReceiptsConfig;
use crate::{
    edge::Allowance,
    problem::{Code, Problem},
};

/// Memory that files may take while they come in, KiB: three of the largest, or a thousand small ones. What does not fit
/// is answered 503. While a form is taken apart there are two copies more of it, on as many threads as there are
/// processors.
const MEMORY_KIB: usize = 64 << 10;

/// Uploaded files. The store is opened when it is first used, so that a process that never serves it needs none.
pub(crate) struct Uploads {
    config: ReceiptsConfig,
    store: OnceCell<Arc<dyn ObjectStore>>,
    pub(super) memory_kib: Arc<Semaphore>,
    pub(super) per_address: Allowance,
}

impl Uploads {
    pub(crate) fn new(config: &ReceiptsConfig) -> Self {
        Self {
            store: OnceCell::new(),
            memory_kib: Arc::new(Semaphore::new(MEMORY_KIB)),
            per_address: Allowance::per_minute(config.uploads_per_minute),
            config: config.clone(),
        }
    }

    /// Forgets addresses that have not uploaded for a while.
    pub(crate) fn forget_idle(&self) {
        self.per_address.forget_idle();
    }

    /// Keeps the file under this name.
    pub(super) async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), Problem> {
        let store = self.store().await.map_err(broken)?;
        store.put(&Path::from(name), bytes.into()).await.map_err(|error| broken(error.into()))?;
        Ok(())
    }

    /// Takes the file away; that there is none is as good.
    pub(super) async fn remove(&self, name: &str) -> anyhow::Result<()> {
        match self.store().await?.delete(&Path::from(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// What files may take.
    pub(super) fn allowances(&self) -> Allowances {
        let bytes = |mib: u32| i64::from(mib) << 20;
        let (per_address, in_all) = (self.config.upload_mib_per_address, self.config.upload_mib_in_all);
        Allowances { per_address: bytes(per_address), in_all: bytes(in_all) }
    }

    /// The file with this name, if there is one.
    pub(super) async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, Problem> {
        let store = self.store().await.map_err(broken)?;
        let found = match store.get(&Path::from(name)).await {
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        };
        match found {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(broken(error.into())),
        }
    }

    async fn store(&self) -> anyhow::Result<&Arc<dyn ObjectStore>> {
        self.store.get_or_try_init(|| async { open(&self.config).await }).await
    }
}

async fn open(config: &ReceiptsConfig) -> anyhow::Result<Arc<dyn ObjectStore>> {
    let bucket = &config.object_store;
    if bucket.bucket.is_empty() {
        let folder = config.uploads_dir.clone().unwrap_or_else(|| PathBuf::from("quittance-data/uploads"));
        let opened = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&folder).with_context(|| format!("the folder {} for files", folder.display()))?;
            anyhow::Ok(LocalFileSystem::new_with_prefix(&folder)?.with_fsync(true))
        });
        return Ok(Arc::new(opened.await??));
    }
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&bucket.bucket)
        .with_access_key_id(&bucket.access_key_id)
        .with_secret_access_key(bucket.secret_access_key.expose_secret())
        // Not every store that is like S3 takes several names in one request, and one is all that is ever removed.
        .with_disable_bulk_delete(true)
        // Stores on one's own hosts are often reached without TLS.
        .with_allow_http(bucket.endpoint.starts_with("http://"));
    if !bucket.endpoint.is_empty() {
        builder = builder.with_endpoint(&bucket.endpoint);
    }
    if !bucket.region.is_empty() {
        builder = builder.with_region(&bucket.region);
    }
    Ok(Arc::new(builder.build()?))
}

fn broken(error: anyhow::Error) -> Problem {
    tracing::error!("the store of uploaded files: {error:#}");
    Problem::new(Code::Unavailable).retry_after(1)
}
