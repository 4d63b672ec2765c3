//! A request by WASI 0.2. Each wait holds the whole sandbox.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
};
use wasip2::io::streams::StreamError;
use wasmpool_guest::{Error, anyhow};

use crate::fetch::{Ask, Told};

fn told(error: ErrorCode) -> Error {
    anyhow!("{error:?}")
}

fn options(ask: &Ask) -> RequestOptions {
    let options = RequestOptions::new();
    let nanoseconds = |ms: u32| (ms > 0).then(|| u64::from(ms) * 1_000_000);
    let _ = options.set_connect_timeout(nanoseconds(ask.connect_ms));
    let _ = options.set_first_byte_timeout(nanoseconds(ask.timeout_ms));
    let _ = options.set_between_bytes_timeout(nanoseconds(ask.timeout_ms));
    options
}

pub(crate) fn send(ask: Ask) -> Result<Told, Error> {
    let (scheme, authority) = ask.origin.split_once("://").ok_or_else(|| anyhow!("no origin"))?;
    let headers: Vec<_> =
        ask.headers.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
    let request = OutgoingRequest::new(Fields::from_list(&headers).map_err(|error| anyhow!("{error:?}"))?);
    let refused = |()| anyhow!("refused");
    let method = if ask.method == "GET" { Method::Get } else { Method::Other(ask.method.clone()) };
    request.set_method(&method).map_err(refused)?;
    let scheme = if scheme == "http" { Scheme::Http } else { Scheme::Https };
    request.set_scheme(Some(&scheme)).map_err(refused)?;
    request.set_authority(Some(authority)).map_err(refused)?;
    request.set_path_with_query(Some(&ask.path)).map_err(refused)?;
    let options = options(&ask);
    let body = request.body().map_err(refused)?;
    let answer = outgoing_handler::handle(request, Some(options)).map_err(told)?;
    let stream = body.write().map_err(refused)?;
    let mut left = ask.body_bytes as usize;
    while left > 0 {
        let part = left.min(4096);
        // The server's answer says what is wrong.
        if stream.blocking_write_and_flush(&vec![b'x'; part]).is_err() {
            break;
        }
        left -= part;
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
    answer.subscribe().block();
    let response = answer.get().expect("it was waited for").map_err(|()| anyhow!("twice"))?.map_err(told)?;
    let status = response.status();
    let body = response.consume().map_err(refused)?;
    let stream = body.stream().map_err(refused)?;
    let mut body_bytes = 0;
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(part) => body_bytes += part.len() as u64,
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                let code = wasip2::http::types::http_error_code(&error);
                return Err(anyhow!("{code:?} {}", error.to_debug_string()));
            }
        }
    }
    drop(stream);
    IncomingBody::finish(body);
    Ok(Told { status, location: None, body_bytes, body_start: String::new() })
}
