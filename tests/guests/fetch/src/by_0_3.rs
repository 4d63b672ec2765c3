//! A request by WASI 0.3.

use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, RequestOptions, Response, Scheme};
use wasip3::{wit_bindgen, wit_future, wit_stream};
use wasmpool_guest::{Error, anyhow};

use crate::fetch::{Ask, Told};

fn told(error: ErrorCode) -> Error {
    anyhow!("{error:?}")
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "POST" => Method::Post,
        other => Method::Other(other.to_owned()),
    }
}

fn scheme(name: &str) -> Scheme {
    match name {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    }
}

fn options(ask: &Ask) -> Option<RequestOptions> {
    if (ask.timeout_ms, ask.connect_ms) == (0, 0) {
        return None;
    }
    let options = RequestOptions::new();
    let nanoseconds = |ms: u32| (ms > 0).then(|| u64::from(ms) * 1_000_000);
    let _ = options.set_connect_timeout(nanoseconds(ask.connect_ms));
    let _ = options.set_first_byte_timeout(nanoseconds(ask.timeout_ms));
    let _ = options.set_between_bytes_timeout(nanoseconds(ask.timeout_ms));
    Some(options)
}

pub(crate) async fn send(ask: Ask) -> Result<Told, Error> {
    let (scheme, authority) = ask.origin.split_once("://").ok_or_else(|| anyhow!("no origin"))?;
    let headers: Vec<_> =
        ask.headers.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
    let headers = Fields::from_list(&headers).map_err(|error| anyhow!("{error:?}"))?;
    let options = options(&ask);
    let body = (ask.body_bytes > 0).then(|| {
        let (mut writer, reader) = wit_stream::new();
        wit_bindgen::spawn_local(async move {
            let mut left = ask.body_bytes as usize;
            while left > 0 {
                let part = left.min(64 << 10);
                if !writer.write_all(vec![b'x'; part]).await.is_empty() {
                    return;
                }
                left -= part;
            }
        });
        reader
    });
    let (_trailers, no_trailers) = wit_future::new(|| Ok(None));
    drop(_trailers);
    let (request, _sent) = Request::new(headers, body, no_trailers, options);
    let refused = |what: &'static str| move |()| anyhow!("refused {what}");
    request.set_method(&method(&ask.method)).map_err(refused("method"))?;
    request.set_scheme(Some(&self::scheme(scheme))).map_err(refused("scheme"))?;
    request.set_authority(Some(authority)).map_err(refused("authority"))?;
    request.set_path_with_query(Some(&ask.path)).map_err(refused("path"))?;
    let response = client::send(request).await.map_err(told)?;
    let status = response.get_status_code();
    let location = response.get_headers().get("location").into_iter().next();
    let location = location.map(|value| String::from_utf8_lossy(&value).into_owned());
    let (_done, result) = wit_future::new(|| Ok(()));
    drop(_done);
    let (mut body, trailers) = Response::consume_body(response, result);
    let (mut body_bytes, mut start) = (0, Vec::new());
    loop {
        let (read, part) = body.read(Vec::with_capacity(64 << 10)).await;
        body_bytes += part.len() as u64;
        start.extend(part.iter().take(100 - start.len().min(100)));
        if !matches!(read, wit_bindgen::StreamResult::Complete(_)) {
            break;
        }
    }
    trailers.await.map_err(told)?;
    Ok(Told { status, location, body_bytes, body_start: String::from_utf8_lossy(&start).into_owned() })
}
