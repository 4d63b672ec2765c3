//! HTTP requests: a client with defaults, requests that are built step by step, answers that may be read in pieces.
//!
//! The host makes the connections, keeps them alive and shares them among all sandboxes, and lets a request pass only to
//! an origin that the operator granted (`--http https://example.org`). So a [`Client`] is cheap: nothing but defaults.
//! Only async tasks can send, and while one waits, others of its sandbox go on.
//!
//! Natively nothing leaves the thread: [`testing::serve_http`](crate::testing::serve_http) plays the server.
//! There are no cookies, no decompression and no proxies; where they are needed they are headers like others.
//!
//! ```
//! use std::time::Duration;
//! use wasmpool_guest::{Error, http::Client, tasks};
//!
//! #[tasks]
//! mod status {
//!     use super::*;
//!
//!     /// What every sandbox keeps.
//!     pub struct Session {
//!         client: Client,
//!     }
//!
//!     #[init]
//!     pub fn open_session(timeout_ms: u32) -> Session {
//!         Session { client: Client::new().timeout(Duration::from_millis(timeout_ms.into())) }
//!     }
//!
//!     /// HTTP status of `url`.
//!     pub async fn get_status(session: &Session, url: String) -> Result<u16, Error> {
//!         Ok(session.client.get(&url).send().await?.status())
//!     }
//! }
//!
//! # fn main() -> Result<(), Error> {
//! use wasmpool_guest::testing::{HttpAnswer, block_on, serve_http};
//!
//! serve_http(|request| HttpAnswer::new(if request.path == "/gone" { 410 } else { 200 }));
//! let session = status::open_session(2_000);
//! let status = block_on(status::get_status(&session, "http://example.org/gone".to_owned()))?;
//! assert_eq!(status, 410);
//! # Ok(())
//! # }
//! ```

mod error;
mod url;
mod headers;
mod redirect;
mod clock;
#[cfg(target_family = "wasm")]
#[path = "wasi.rs"]
mod transport;
#[cfg(not(target_family = "wasm"))]
#[path = "stand_in.rs"]
mod transport;
mod request;
mod response;

use std::time::Duration;

pub use error::{Error, ErrorKind};
pub(crate) use headers::HeaderList;
pub use redirect::Redirects;
pub use request::{Method, RequestBuilder};
pub use response::Response;

/// What all requests of a task, or of a whole sandbox, have in common. Cloning it copies no connection, since it has none.
#[derive(Clone, Debug)]
pub struct Client {
    timeout: Option<Duration>,
    redirects: Redirects,
    headers: HeaderList,
}

impl Default for Client {
    fn default() -> Self {
        Client::new()
    }
}

impl Client {
    /// Starts with no time limit, up to 10 redirects followed, and the header `user-agent: wasmpool-guest/VERSION`.
    #[must_use]
    pub fn new() -> Self {
        let mut headers = HeaderList::default();
        headers.set("user-agent", concat!("wasmpool-guest/", env!("CARGO_PKG_VERSION")));
        Client { timeout: None, redirects: Redirects::default(), headers }
    }

    /// Sets how long a request may take from `send` to the last byte of the answer's body, redirects included.
    ///
    /// Default: no limit but that of the call.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets whether redirects are followed. Default: up to 10.
    #[must_use]
    pub fn redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = redirects;
        self
    }

    /// Sets a header of every request, in place of an earlier value. A request may set it differently.
    ///
    /// A header that cannot be sent is told by `send`.
    #[must_use]
    pub fn default_header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.headers.set(name.as_ref(), value.as_ref());
        self
    }

    /// Begins a GET request.
    pub fn get(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::Get, url)
    }

    /// Begins a HEAD request.
    pub fn head(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::Head, url)
    }

    /// Begins a POST request.
    pub fn post(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::Post, url)
    }

    /// Begins a PUT request.
    pub fn put(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::Put, url)
    }

    /// Begins a DELETE request.
    pub fn delete(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::Delete, url)
    }

    /// Begins a request of any method. Whatever is wrong with `url` is told by `send`.
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> RequestBuilder {
        RequestBuilder::new(method, url.as_ref(), self.headers.clone(), self.timeout, self.redirects)
    }
}
