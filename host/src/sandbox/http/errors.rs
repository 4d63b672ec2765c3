//! What went wrong with a request, in WASI's codes.

use std::error::Error as StdError;
use std::io;

use wasmtime_wasi_http::Error;

use crate::sandbox::http::connect::NotPublic;

/// Says why a request got no answer.
pub(crate) fn of_request(error: &hyper_util::client::legacy::Error) -> Error {
    let causes = || causes_of(error);
    // What our own body said is inside what the client says about it.
    if let Some(Error::HttpRequestBodySize(limit)) = causes().find_map(|cause| cause.downcast_ref()) {
        return Error::HttpRequestBodySize(*limit);
    }
    for cause in causes() {
        // An `io::Error` that wraps another shows that one's source, never itself; TLS wraps twice.
        let mut inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        while let Some(wrapped) = inner.and_then(|inner| inner.downcast_ref::<io::Error>()) {
            inner = wrapped.get_ref();
        }
        if cause.is::<NotPublic>() || inner.is_some_and(|inner| inner.is::<NotPublic>()) {
            return Error::DestinationIpProhibited;
        }
        let tls = cause.downcast_ref::<rustls::Error>();
        let tls = tls.or_else(|| inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()));
        if let Some(tls) = tls {
            return match tls {
                rustls::Error::InvalidCertificate(_) => Error::TlsCertificateError,
                _ => Error::TlsProtocolError,
            };
        }
        if let Some(error) = cause.downcast_ref::<hyper::Error>() {
            return of_hyper(error);
        }
    }
    if !error.is_connect() {
        return Error::ConnectionTerminated;
    }
    if causes().any(|cause| cause.to_string().contains("dns error")) {
        return Error::DnsError { rcode: None, info_code: None };
    }
    let io_kind = causes().find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    match io_kind {
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
            Error::DestinationIpUnroutable
        }
        Some(io::ErrorKind::TimedOut) => Error::ConnectionTimeout,
        _ => Error::ConnectionRefused,
    }
}

/// Says what is wrong with a message or its connection.
pub(crate) fn of_hyper(error: &hyper::Error) -> Error {
    if error.is_parse_too_large() {
        Error::HttpResponseHeaderSectionSize(None)
    } else if error.is_incomplete_message() || error.is_body_write_aborted() || ended_early(error) {
        Error::HttpResponseIncomplete
    } else if error.is_timeout() {
        Error::ConnectionReadTimeout
    } else if error.is_parse() {
        Error::HttpProtocolError
    } else {
        Error::ConnectionTerminated
    }
}

/// Returns true if the connection was closed in the middle of a body, which has no kind of its own.
fn ended_early(error: &hyper::Error) -> bool {
    let is_end = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
    causes_of(error).any(|cause| cause.downcast_ref::<io::Error>().is_some_and(is_end))
}

fn causes_of<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}
