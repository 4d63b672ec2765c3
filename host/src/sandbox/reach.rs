//! What the imports of one sandbox work with, beside WASI's own context: the same for all sandboxes of a module in a
//! pool, but for what its network remembers and the folders it holds.

use std::sync::Arc;

use crate::grants::{DirGrant, Grants};
use crate::keyvalue::KeyValues;
use crate::net::NetRules;
use crate::sandbox::folders::Folders;
use crate::sandbox::http::desk::HttpDesk;
use crate::sandbox::net::NetGuard;

/// What the imports of a sandbox work with.
pub(crate) struct Reach {
    pub(crate) config: Arc<[(String, String)]>,
    pub(crate) keyvalues: Arc<KeyValues>,
    pub(crate) net: Arc<NetGuard>,
    pub(crate) folders: Folders,
    /// None where no HTTP is granted.
    pub(crate) http: Option<Arc<HttpDesk>>,
}

/// What each sandbox of a module gets its [`Reach`] from.
pub(crate) struct Supply {
    config: Arc<[(String, String)]>,
    keyvalues: Arc<KeyValues>,
    rules: Arc<NetRules>,
    folders: Arc<[Option<String>]>,
    http: Option<Arc<HttpDesk>>,
}

impl Supply {
    /// Supplies what is granted, a store for `wasi:keyvalue`, and who sends HTTP requests.
    ///
    /// # Errors
    /// A grant of the network cannot be read.
    pub(crate) fn of(
        grants: &Grants,
        keyvalues: Arc<KeyValues>,
        http: Option<Arc<HttpDesk>>,
    ) -> Result<Self, String> {
        Ok(Supply {
            config: grants.config_pairs().into(),
            keyvalues,
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
            net: NetGuard::with_rules(self.rules.clone()),
            folders: Folders::granted(self.folders.clone()),
            http: self.http.clone(),
        }
    }
}
