//! A server for native tests: a closure that answers every request of its thread. No socket, no port.

use std::cell::RefCell;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::http::{ErrorKind, HeaderList};

type Handler = Box<dyn FnMut(HttpRequest) -> HttpAnswer>;

thread_local! {
    static HANDLER: RefCell<Option<Handler>> = const { RefCell::new(None) };
}

/// Answers every request of [`http::Client`](crate::http::Client) on this thread from now on, in place of an earlier
/// handler. Without one, requests are denied.
///
/// ```
/// use wasmpool_guest::http::Client;
/// use wasmpool_guest::testing::{HttpAnswer, block_on, serve_http};
///
/// serve_http(|request| match request.path.as_str() {
///     "/hello" => HttpAnswer::new(200).body("Hello!"),
///     _ => HttpAnswer::new(404),
/// });
/// let text = block_on(async {
///     Client::new().get("http://example.org/hello").send().await?.text().await
/// });
/// assert_eq!(text.unwrap(), "Hello!");
/// ```
pub fn serve_http(handler: impl FnMut(HttpRequest) -> HttpAnswer + 'static) {
    HANDLER.set(Some(Box::new(handler)));
}

/// Asks the thread's handler, which may set another one meanwhile.
pub(crate) fn answer(request: HttpRequest) -> Option<HttpAnswer> {
    let mut handler = HANDLER.take()?;
    let answer = handler(request);
    HANDLER.with_borrow_mut(|place| {
        place.get_or_insert(handler);
    });
    Some(answer)
}

/// A request as a test's server sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpRequest {
    /// `GET`.
    pub method: String,
    /// The whole URL: `http://example.org/a?b=c`.
    pub url: String,
    /// Its path without the query: `/a`.
    pub path: String,
    /// The body, empty if there is none.
    pub body: Vec<u8>,
    pub(crate) headers: HeaderList,
}

impl HttpRequest {
    /// Returns the value of a header, whatever the case of its name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// Reads the body as JSON.
    ///
    /// # Panics
    ///
    /// If it is no JSON or does not fit `T`; the test then shows both.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: `{}`", String::from_utf8_lossy(&self.body)))
    }
}

/// What a test's server answers.
#[derive(Clone, Debug)]
pub struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) delay: Duration,
    pub(crate) error: Option<ErrorKind>,
}

impl HttpAnswer {
    /// Answers with `status`, no headers and an empty body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        HttpAnswer { status, headers: Vec::new(), body: Vec::new(), delay: Duration::ZERO, error: None }
    }

    /// Gives no answer but an error of this kind, as when the operator did not grant the origin.
    #[must_use]
    pub fn error(kind: ErrorKind) -> Self {
        HttpAnswer { error: Some(kind), ..HttpAnswer::new(0) }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the body to `value` as JSON.
    ///
    /// # Panics
    ///
    /// If `value` cannot be written as JSON.
    #[must_use]
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        let body = serde_json::to_vec(value).unwrap_or_else(|error| panic!("no JSON: {error}"));
        self.header("content-type", "application/json").body(body)
    }

    /// Lets the client wait for `delay` first.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}
