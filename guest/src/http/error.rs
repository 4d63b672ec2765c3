//! Why a request has no answer, sorted by what one can do about it.

use std::fmt;
use std::time::Duration;

/// What went wrong, by what one can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request cannot be sent as it is: its URL, a header, its method or its JSON. Another attempt would end the same.
    Invalid,
    /// The operator did not grant this origin, or the address behind its name. Another attempt would end the same.
    Denied,
    /// It took longer than the request's timeout, or than the host waits for a connection.
    Timeout,
    /// The name of the server was not found.
    Dns,
    /// No connection came about, or it was cut.
    Connect,
    /// The server could not be trusted or does not speak TLS as we do.
    Tls,
    /// The request or its answer is larger than the host lets pass.
    TooLarge,
    /// There were more redirects than [`Redirects::Follow`](super::Redirects::Follow) allows.
    TooManyRedirects,
    /// The server answered with a status from 400 to 599, and
    /// [`error_for_status`](super::Response::error_for_status) was asked.
    Status,
    /// The body is not the text or JSON that it should be.
    Body,
    /// Anything else, such as an answer that is no HTTP.
    Other,
}

/// Why a request has no answer, or an answer no body.
///
/// `?` turns it into [`wasmpool_guest::Error`](crate::Error). The host then learns that [`ErrorKind::Invalid`] and
/// [`ErrorKind::Denied`] are permanent, and when a server wants to be asked again (`retry-after`).
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    /// What was asked, for a person: `GET http://example.org/`.
    request: String,
    message: String,
    status: Option<u16>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error {
            kind,
            request: String::new(),
            message: message.into(),
            status: None,
            retry_after: None,
            source: None,
        }
    }

    pub(crate) fn of_status(status: u16, retry_after: Option<Duration>) -> Self {
        let status_text = format!("the server answered with status {status}");
        Error { status: Some(status), retry_after, ..Error::new(ErrorKind::Status, status_text) }
    }

    pub(super) fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Names the request, unless it is named already.
    pub(super) fn during(mut self, request: impl fmt::Display) -> Self {
        if self.request.is_empty() {
            self.request = request.to_string();
        }
        self
    }

    /// Returns what went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the status of the answer, for [`ErrorKind::Status`].
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// Returns how long the server wants to be left alone, if it answered so (`retry-after`, in seconds).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns true if another attempt would end the same.
    pub(crate) fn is_permanent(&self) -> bool {
        matches!(self.kind, ErrorKind::Invalid | ErrorKind::Denied)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.request.is_empty() {
            write!(f, "{}: ", self.request)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
