//! What the imports of one sandbox work with, beside WASI's own context: the same for all sandboxes of a module in a
//! pool, but for what its network remembers and the folders it holds.

use std::sync::Arc;

use crate::event::Teller;
use crate::grants::{DirGrant, Grants};
use crate::keyvalue::KeyValues;
use crate::limits::Limits;
use crate::net::NetRules;
use crate::queues::Queues;
use crate::sandbox::folders::Folders;
use crate::sandbox::http::desk::HttpDesk;
use crate::sandbox::net::NetGuard;

/// What the imports of a sandbox work with.
pub(crate) struct Reach {
    pub(crate) config: Arc<[(String, String)]>,
    pub(crate) keyvalues: Arc<KeyValues>,
    pub(crate) queues: Arc<Queues>,
    pub(crate) net: Arc<NetGuard>,
    pub(crate) folders: Folders,
    /// None where no HTTP is granted.
    pub(crate) http: Option<Arc<HttpDesk>>,
}

/// What all sandboxes of a pool share.
#[derive(Clone)]
pub(crate) struct Shared {
    /// What they keep with `wasi:keyvalue`.
    pub(crate) keyvalues: Arc<KeyValues>,
    /// What they and the embedder pass to each other.
    pub(crate) queues: Arc<Queues>,
    /// Who sends HTTP requests, if any are granted.
    pub(crate) http: Option<Arc<HttpDesk>>,
}

impl Shared {
    /// An empty store and no queues within the limits, and nobody who sends requests.
    pub(crate) fn within(limits: &Limits, teller: &Teller) -> Self {
        Shared {
            keyvalues: Arc::new(KeyValues::with_most_bytes(limits.keyvalue_bytes)),
            queues: Arc::new(Queues::with_most_bytes(limits.queue_bytes, teller.clone())),
            http: None,
        }
    }
}

/// What each sandbox of a module gets its [`Reach`] from.
pub(crate) struct Supply {
    config: Arc<[(String, String)]>,
    keyvalues: Arc<KeyValues>,
    queues: Arc<Queues>,
    rules: Arc<NetRules>,
    folders: Arc<[Option<String>]>,
    http: Option<Arc<HttpDesk>>,
}

impl Supply {
    /// Supplies what is granted, and what the pool provides.
    ///
    /// # Errors
    /// A grant of the network cannot be read.
    pub(crate) fn of(grants: &Grants, Shared { keyvalues, queues, http }: Shared) -> Result<Self, String> {
        Ok(Supply {
            config: grants.config_pairs().into(),
            keyvalues,
            queues,
            rules: Arc::new(grants.net_rules()?),
            folders: grants.dirs().iter().map(DirGrant::writable_flag).collect(),
            http,
        })
    }

    /// Returns what one more sandbox has.
    pub(crate) fn reach(&self) -> Reach {
        Reach {
            config: self.config.clone(),
            keyvalues: self.keyvalues.clone(),
            queues: self.queues.clone(),
            net: NetGuard::with_rules(self.rules.clone()),
            folders: Folders::granted(self.folders.clone()),
            http: self.http.clone(),
        }
    }
}
