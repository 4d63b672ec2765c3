//! Requests, built step by step. Nothing fails before `send`, so that one `?` sees everything.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::clock::{Deadline, within};
use super::headers::HeaderList;
use super::redirect::{self, Redirects};
use super::transport;
use super::url::Url;
use super::{Error, ErrorKind, Response};

/// What a request wants done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// Read.
    Get,
    /// Read no more than status and headers.
    Head,
    /// Hand something over.
    Post,
    /// Put something in place.
    Put,
    /// Change a part.
    Patch,
    /// Remove.
    Delete,
    /// Ask what can be done.
    Options,
    /// Any other, as it stands in the request: `PROPFIND`. Not `CONNECT`, `TRACE` or `TRACK`.
    Other(String),
}

impl Method {
    /// Returns the method as it stands in the request: `GET`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
            Method::Other(name) => name,
        }
    }

    /// Refuses what is no method, and those that are a proxy's business: browsers keep them from pages too.
    fn check(&self) -> Result<(), Error> {
        let name = self.as_str();
        if ["CONNECT", "TRACE", "TRACK"].iter().any(|refused| name.eq_ignore_ascii_case(refused)) {
            return Err(Error::new(ErrorKind::Invalid, format!("`{name}` is not a task's to send")));
        }
        if !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.!".contains(&byte))
        {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Invalid, format!("`{}` is no method", name.escape_debug())))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request as it goes out; one for each hop.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderList,
    pub(super) body: Option<Arc<Vec<u8>>>,
}

impl fmt::Display for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}

/// A request that is being built; [`send`](RequestBuilder::send) sends it.
#[derive(Debug)]
#[must_use = "a request does nothing until `send` is called"]
pub struct RequestBuilder {
    /// The first thing that was wrong, if anything was.
    request: Result<Outgoing, Error>,
    timeout: Option<Duration>,
    redirects: Redirects,
}

impl RequestBuilder {
    pub(super) fn new(
        method: Method,
        url: &str,
        headers: HeaderList,
        timeout: Option<Duration>,
        redirects: Redirects,
    ) -> Self {
        let request = Url::parse(url).map(|url| Outgoing { method, url, headers, body: None });
        RequestBuilder { request, timeout, redirects }
    }

    /// Sets a header, in place of the client's or an earlier value.
    ///
    /// The host sets `host`, `content-length` and what belongs to the connection; a task that sets them, or text that
    /// holds a line break, is answered with [`ErrorKind::Invalid`] by `send`.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        if let Ok(request) = &mut self.request {
            request.headers.set(name.as_ref(), value.as_ref());
        }
        self
    }

    /// Adds `name=value` to the query of the URL, percent-encoded.
    pub fn query(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        if let Ok(request) = &mut self.request {
            request.url.push_query(name.as_ref(), value.as_ref());
        }
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        if let Ok(request) = &mut self.request {
            request.body = Some(Arc::new(body.into()));
        }
        self
    }

    /// Sets the body to `value` as JSON, and `content-type` unless it is set.
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        let Ok(request) = &mut self.request else { return self };
        match serde_json::to_vec(value) {
            Ok(body) => {
                request.body = Some(Arc::new(body));
                if request.headers.get("content-type").is_none() {
                    request.headers.set("content-type", "application/json");
                }
            }
            Err(error) => {
                let refusal = Error::new(ErrorKind::Invalid, "the body cannot be written as JSON");
                self.request = Err(refusal.caused_by(error).during(request));
            }
        }
        self
    }

    /// Sets how long this request may take in all, in place of the client's timeout.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets whether redirects are followed, in place of the client's choice.
    pub fn redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = redirects;
        self
    }

    /// Sends the request and waits for status and headers of the answer, following redirects as chosen.
    ///
    /// # Errors
    ///
    /// Every [`ErrorKind`] but `Status` and `Body`. An answer with status 404 or 500 is an answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the request up; the server may have seen it.
    pub async fn send(self) -> Result<Response, Error> {
        let mut request = self.request?;
        let deadline = self.timeout.and_then(Deadline::after);
        let mut redirects_made = 0;
        loop {
            let checked = request.method.check().and_then(|()| request.headers.check());
            checked.map_err(|error| error.during(&request))?;
            let received = within(deadline, transport::exchange(&request)).await;
            let received = received.map_err(|error| error.during(&request))?;
            let next =
                redirect::next(&request, self.redirects, redirects_made, received.status, &received.headers);
            match next.map_err(|error| error.during(&request))? {
                Some(next) => request = next,
                None => return Ok(Response::new(&request, received, deadline)),
            }
            redirects_made += 1;
        }
    }
}
