//! How connections are made: names are looked up here, and where a guest may go anywhere in the public internet, what
//! they lead to is looked at before anything is dialled. A name that leads elsewhere the next time is looked at again.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

use crate::addresses::is_public;

/// Looks names up.
#[derive(Clone)]
pub(crate) struct Resolver {
    resolver: GaiResolver,
    reach: Reach,
}

/// Where names may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Wherever they lead.
    Everywhere,
    /// Only to the public internet.
    Public,
}

/// A name led to no address of the public internet.
#[derive(Debug, thiserror::Error)]
#[error("`{host}` leads to no public address")]
pub(crate) struct NotPublic {
    host: String,
}

impl Resolver {
    pub(crate) fn new(reach: Reach) -> Self {
        Resolver { resolver: GaiResolver::new(), reach }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.resolver.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (host, reach) = (name.to_string(), self.reach);
        let looked_up = self.resolver.call(name);
        async move {
            let found = looked_up.await?;
            let allowed: Vec<_> =
                found.filter(|address| reach == Reach::Everywhere || is_public(address.ip())).collect();
            if allowed.is_empty() {
                return Err(io::Error::other(NotPublic { host }));
            }
            Ok(allowed.into_iter())
        }
        .boxed()
    }
}
