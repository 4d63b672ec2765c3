//! The sandbox's side: WASI HTTP 0.3. Bodies go both ways at once, since a server may answer before it has
//! read everything; whatever is dropped here ends on the host's side too.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use wasip3::http::client;
use wasip3::http::types::{self, ErrorCode, Fields, HeaderError, Request, Scheme as WasiScheme};
use wasip3::{wit_future, wit_stream};
use wit_bindgen::{FutureReader, FutureWriter, StreamReader, StreamResult, StreamWriter};

use super::headers::HeaderList;
use super::request::{Method, Outgoing};
use super::response::Received;
use super::url::Scheme;
use super::{Error, ErrorKind};

/// What is read or written at once.
const PIECE_BYTES: usize = 64 << 10;

/// Request body on its way; a server that answers early may still be reading it.
type Upload = Option<Pin<Box<dyn Future<Output = ()>>>>;

type Trailers = Result<Option<Fields>, ErrorCode>;

/// An answer's body as it arrives.
pub(super) struct Body {
    pieces: StreamReader<u8>,
    /// Whether the body arrived whole; `None` once that was told.
    end: Option<FutureReader<Trailers>>,
    upload: Upload,
    /// What we thought of the answer. Kept until the body is dropped, and then says that all is well.
    _verdict: FutureWriter<Result<(), ErrorCode>>,
    origin: String,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

impl Body {
    pub(super) async fn chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        while self.end.is_some() {
            let (result, piece) = {
                let mut read = pin!(self.pieces.read(Vec::with_capacity(PIECE_BYTES)));
                let upload = &mut self.upload;
                poll_fn(|context| {
                    push(upload, context);
                    read.as_mut().poll(context)
                })
                .await
            };
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
            if !matches!(result, StreamResult::Complete(_)) {
                break;
            }
        }
        let Some(end) = self.end.take() else { return Ok(None) };
        end.await.map(|_trailers| None).map_err(|code| told(code, &self.origin))
    }
}

/// Sends one request and waits for status and headers of the answer.
pub(super) async fn exchange(request: &Outgoing) -> Result<Received, Error> {
    let (outgoing, mut upload) = lower(request)?;
    let mut send = pin!(client::send(outgoing));
    let answer = poll_fn(|context| {
        push(&mut upload, context);
        send.as_mut().poll(context)
    })
    .await;
    let origin = request.url.origin();
    let answer = answer.map_err(|code| told(code, &origin))?;
    let mut headers = HeaderList::default();
    for (name, value) in answer.get_headers().copy_all() {
        headers.push(&name, &String::from_utf8_lossy(&value));
    }
    let status = answer.get_status_code();
    let (verdict, verdict_reader) = wit_future::new(|| Ok(()));
    let (pieces, end) = types::Response::consume_body(answer, verdict_reader);
    let body = Body { pieces, end: Some(end), upload, _verdict: verdict, origin };
    Ok(Received { status, headers, body })
}

/// Makes the host's request, and what remains to be done for its body.
fn lower(request: &Outgoing) -> Result<(Request, Upload), Error> {
    let mut entries: Vec<(String, Vec<u8>)> =
        request.headers.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    if let Some(body) = &request.body {
        entries.push(("content-length".to_owned(), body.len().to_string().into()));
    }
    let headers = Fields::from_list(&entries).map_err(refused_header)?;
    let (trailers, trailers_reader) = wit_future::new(|| Ok(None));
    let (contents, upload): (_, Upload) = match &request.body {
        None => (None, None),
        Some(body) => {
            let (writer, reader) = wit_stream::new();
            (Some(reader), Some(Box::pin(write(Arc::clone(body), writer, trailers))))
        }
    };
    // Whether all was sent is known by whether there is an answer.
    let (outgoing, _sent) = Request::new(headers, contents, trailers_reader, None);
    let method = match &request.method {
        Method::Get => types::Method::Get,
        Method::Head => types::Method::Head,
        Method::Post => types::Method::Post,
        Method::Put => types::Method::Put,
        Method::Patch => types::Method::Patch,
        Method::Delete => types::Method::Delete,
        Method::Options => types::Method::Options,
        Method::Other(name) => types::Method::Other(name.clone()),
    };
    let scheme = match request.url.scheme {
        Scheme::Http => WasiScheme::Http,
        Scheme::Https => WasiScheme::Https,
    };
    outgoing
        .set_method(&method)
        .and_then(|()| outgoing.set_scheme(Some(&scheme)))
        .and_then(|()| outgoing.set_authority(Some(&request.url.authority)))
        .and_then(|()| outgoing.set_path_with_query(Some(&request.url.path)))
        .map_err(|()| Error::new(ErrorKind::Invalid, "the host refuses its method or URL"))?;
    Ok((outgoing, upload))
}

/// Writes a request's body. A server that has heard enough ends it early.
async fn write(body: Arc<Vec<u8>>, mut writer: StreamWriter<u8>, trailers: FutureWriter<Trailers>) {
    for piece in body.chunks(PIECE_BYTES) {
        if !writer.write_all(piece.to_vec()).await.is_empty() {
            break;
        }
    }
    // The host waits for the end of the stream before it looks for trailers.
    drop(writer);
    drop(trailers);
}

/// Moves the upload on, as far as the host takes it now.
fn push(upload: &mut Upload, context: &mut Context<'_>) {
    if upload.as_mut().is_some_and(|upload| upload.as_mut().poll(context) == Poll::Ready(())) {
        *upload = None;
    }
}

fn refused_header(error: HeaderError) -> Error {
    match error {
        HeaderError::SizeExceeded => {
            Error::new(ErrorKind::TooLarge, "the headers are larger than the host sends")
        }
        error => Error::new(ErrorKind::Invalid, format!("the host refuses a header: {error}")),
    }
}

/// Turns the host's code into what one can do about it.
fn told(code: ErrorCode, origin: &str) -> Error {
    use ErrorCode as Code;
    let kind = match &code {
        Code::HttpRequestDenied | Code::DestinationIpProhibited => {
            let message = format!("not granted; the operator grants it with `--http {origin}`");
            return Error::new(ErrorKind::Denied, message);
        }
        Code::InternalError(Some(text)) => return Error::new(ErrorKind::Other, text.clone()),
        Code::DnsTimeout | Code::DnsError(_) => ErrorKind::Dns,
        Code::DestinationNotFound
        | Code::DestinationUnavailable
        | Code::DestinationIpUnroutable
        | Code::ConnectionRefused
        | Code::ConnectionTerminated
        | Code::ConnectionLimitReached => ErrorKind::Connect,
        Code::ConnectionTimeout
        | Code::ConnectionReadTimeout
        | Code::ConnectionWriteTimeout
        | Code::HttpResponseTimeout => ErrorKind::Timeout,
        Code::TlsProtocolError | Code::TlsCertificateError | Code::TlsAlertReceived(_) => ErrorKind::Tls,
        Code::HttpRequestBodySize(_)
        | Code::HttpRequestUriTooLong
        | Code::HttpRequestHeaderSectionSize(_)
        | Code::HttpRequestHeaderSize(_)
        | Code::HttpResponseHeaderSectionSize(_)
        | Code::HttpResponseHeaderSize(_)
        | Code::HttpResponseBodySize(_) => ErrorKind::TooLarge,
        Code::HttpRequestMethodInvalid | Code::HttpRequestUriInvalid => ErrorKind::Invalid,
        _ => ErrorKind::Other,
    };
    Error::new(kind, sentence(&code))
}

/// Words for a code: its name, and what it carries.
fn sentence(code: &ErrorCode) -> String {
    match code {
        ErrorCode::DnsTimeout | ErrorCode::DnsError(_) => "the name of the server was not found".to_owned(),
        ErrorCode::ConnectionRefused => "the server refused the connection".to_owned(),
        ErrorCode::ConnectionTerminated => "the connection was cut".to_owned(),
        ErrorCode::ConnectionTimeout => "no connection in time".to_owned(),
        ErrorCode::HttpResponseBodySize(Some(limit)) => {
            format!("the answer's body is larger than {limit} bytes")
        }
        ErrorCode::HttpProtocolError => "the answer is no HTTP, or was cut short".to_owned(),
        ErrorCode::HttpResponseIncomplete => "the answer was cut short".to_owned(),
        other => format!("{other:?}"),
    }
}
