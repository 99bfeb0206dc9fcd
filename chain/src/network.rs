//! What an agent has to know of a network.

use secrecy::SecretString;
use uuid::Uuid;

/// An EVM network and how to reach it.
#[derive(Clone, Debug)]
pub struct Network {
    /// Our own id of the network.
    pub id: Uuid,
    /// The network's numeric id (EIP-155), which every signature covers.
    pub chain_id: u64,
    /// JSON-RPC endpoints over HTTP, the preferred one first. Secret, because hosted nodes carry their key in the URL.
    pub rpc_urls: Vec<SecretString>,
    /// Blocks, the one with the event included, after which it counts as final; 1 means final as soon as it is in the
    /// head block.
    pub confirmations: u32,
}
