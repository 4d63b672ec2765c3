//! Answers: status and headers are there at once, the body is read whole or in pieces.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::clock::{Deadline, within};
use super::headers::HeaderList;
use super::request::Outgoing;
use super::transport::Body;
use super::{Error, ErrorKind};

/// What the other side of the transport hands over.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) status: u16,
    pub(super) headers: HeaderList,
    pub(super) body: Body,
}

/// An answer whose body is still to be read. Dropping it before its end is fine: the rest is not fetched.
#[derive(Debug)]
pub struct Response {
    request: String,
    url: String,
    deadline: Option<Deadline>,
    received: Received,
}

impl Response {
    pub(super) fn new(request: &Outgoing, received: Received, deadline: Option<Deadline>) -> Self {
        Response { request: request.to_string(), url: request.url.to_string(), deadline, received }
    }

    /// Returns the status: 200, 404.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.received.status
    }

    /// Returns the URL that answered: the last one, where redirects were followed.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the first value of a header, whatever the case of its name. Bytes that are no UTF-8 are replaced by `�`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.received.headers.get(name)
    }

    /// Returns names, in lower case, and values of all headers.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.received.headers.iter()
    }

    /// Turns an answer with a status from 400 to 599 into an error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Status`]; the host waits before another attempt as long as the header `retry-after` asks, if that
    /// counts seconds.
    pub fn error_for_status(self) -> Result<Self, Error> {
        if !(400..600).contains(&self.status()) {
            return Ok(self);
        }
        let seconds = self.header("retry-after").and_then(|value| value.trim().parse().ok());
        Err(Error::of_status(self.status(), seconds.map(Duration::from_secs)).during(&self.request))
    }

    /// Waits for the next piece of the body, as it comes from the server; `None` is the end. So a body of any size is
    /// read in constant memory.
    ///
    /// # Errors
    ///
    /// The connection was cut, the body is larger than the host lets pass, or the request's time is over.
    ///
    /// # Cancel safety
    ///
    /// A piece that was arriving is lost: read on only after a call that ended.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let chunk = within(self.deadline, self.received.body.chunk()).await;
        chunk.map_err(|error| error.during(&self.request))
    }

    /// Waits for the whole body.
    ///
    /// # Errors
    ///
    /// Those of [`chunk`](Response::chunk).
    pub async fn bytes(mut self) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if all.is_empty() {
                all = chunk;
            } else {
                all.extend_from_slice(&chunk);
            }
        }
        Ok(all)
    }

    /// Waits for the whole body, which is UTF-8.
    ///
    /// # Errors
    ///
    /// Those of [`chunk`](Response::chunk), and [`ErrorKind::Body`] if it is not UTF-8.
    pub async fn text(self) -> Result<String, Error> {
        let request = self.request.clone();
        String::from_utf8(self.bytes().await?).map_err(|error| {
            let message = "the body is not UTF-8; `bytes` has it as it is";
            Error::new(ErrorKind::Body, message).caused_by(error.utf8_error()).during(request)
        })
    }

    /// Waits for the whole body, which is JSON.
    ///
    /// # Errors
    ///
    /// Those of [`chunk`](Response::chunk), and [`ErrorKind::Body`] if it is no JSON or does not fit `T`.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        let request = self.request.clone();
        serde_json::from_slice(&self.bytes().await?).map_err(|error| {
            let message = "the body is not the JSON that it should be";
            Error::new(ErrorKind::Body, message).caused_by(error).during(request)
        })
    }
}
