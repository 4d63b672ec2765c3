//! The pool's side of HTTP: which origins are granted, the client, and how one request goes out and its answer comes
//! back.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::capture_connection;
use rustls::RootCertStore;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use crate::limits::Limits;
use crate::origins::{Origin, OriginRules, Ruling};
use crate::sandbox::http::body::{LimitedBody, Way};
use crate::sandbox::http::client::{CONNECT_TIME, PooledClient, client, read_roots};
use crate::sandbox::http::connect::Reach;
use crate::sandbox::http::errors;
use crate::sandbox::http::io_thread::IoThread;
use crate::sandbox::http::lanes::Lanes;
use crate::sandbox::http::loan::{LentBody, Loan};

/// The first byte of an answer may take so long if the guest does not say otherwise.
const FIRST_BYTE_TIME: Duration = Duration::from_secs(600);

/// What a pool has for the HTTP of its guests.
pub(crate) struct HttpDesk {
    rules: OriginRules,
    lanes: Lanes,
    body_bytes: u64,
    /// For origins that are granted by name.
    named: PooledClient,
    /// For all others.
    public: PooledClient,
    io: IoThread,
}

/// A request as it goes out: what the sandbox sees of it.
pub(crate) struct Checked {
    origin: Origin,
    ruling: Ruling,
}

impl HttpDesk {
    /// Opens a desk with its thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn open(rules: OriginRules, extra_roots: &RootCertStore, limits: &Limits) -> io::Result<Self> {
        Ok(HttpDesk {
            rules,
            lanes: Lanes::new(limits),
            body_bytes: limits.http_body_bytes,
            named: client(Reach::Everywhere, extra_roots, limits),
            public: client(Reach::Public, extra_roots, limits),
            io: IoThread::start()?,
        })
    }

    /// Returns no certificates beside the usual ones.
    pub(crate) fn no_roots() -> RootCertStore {
        RootCertStore::empty()
    }

    /// Reads the certificates of a PEM file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read_roots(pem: &[u8]) -> Result<RootCertStore, String> {
        read_roots(pem)
    }

    /// Ends all connections, and the thread that they live on.
    pub(crate) fn stop(&self) {
        self.io.stop();
    }

    /// Says whether a request may go out.
    ///
    /// # Errors
    /// The origin that is not granted.
    pub(crate) fn check(&self, origin: Origin) -> Result<Checked, Origin> {
        match self.rules.ruling(&origin) {
            Ruling::Denied => Err(origin),
            ruling => Ok(Checked { origin, ruling }),
        }
    }

    /// Sends a request that may go out, if `is_awaited` still says so then; its answer comes when its head is there.
    pub(crate) fn send(
        &self,
        checked: Checked,
        request: Request<WasiBody>,
        options: RequestOptions,
        is_awaited: Box<dyn Fn() -> bool + Send + Sync>,
    ) -> impl Future<Output = Result<Response<WasiBody>, Error>> + Send + use<> {
        let body_bytes = self.body_bytes;
        let client = match checked.ruling {
            Ruling::Named => self.named.clone(),
            Ruling::Public | Ruling::Denied => self.public.clone(),
        };
        let (lane, io) = (self.lanes.to(&checked.origin), self.io.handle().clone());
        let loan = Arc::new(Loan::new(is_awaited));
        lane.note(&loan);
        async move {
            if request.body().size_hint().lower() > body_bytes {
                return Err(Error::HttpRequestBodySize(Some(body_bytes)));
            }
            let request =
                request.map(|body| LimitedBody::new(body, Way::ToServer, body_bytes, None).boxed_unsync());
            let sending = loan.clone();
            let sent = io.spawn(async move {
                let permit = lane.enter().await;
                if !sending.is_awaited() {
                    // Its caller has been told meanwhile that it failed: what it would do now nobody expects.
                    return Err(Error::ConnectionTerminated);
                }
                Ok((answer_in_time(&client, request, &options).await?, permit))
            });
            loan.sent_by(sent.abort_handle());
            let (answer, permit) = AbortOnDrop(sent).await?;
            if answer.body().size_hint().lower() > body_bytes {
                return Err(Error::HttpResponseBodySize(Some(body_bytes)));
            }
            let (head, body) = answer.into_parts();
            let body = body.map_err(|error| errors::of_hyper(&error));
            let body = LimitedBody::new(body, Way::ToGuest, body_bytes, options.between_bytes_timeout);
            loan.answered(body.boxed_unsync(), permit);
            Ok(Response::from_parts(head, LentBody(loan).boxed_unsync()))
        }
    }
}

/// Sends a request and waits for the head of its answer: as long as it may for a connection, whether that is made or comes
/// free, and then as long as it may for the first byte.
async fn answer_in_time(
    client: &PooledClient,
    mut request: Request<WasiBody>,
    options: &RequestOptions,
) -> Result<Response<Incoming>, Error> {
    let mut connection = capture_connection(&mut request);
    let connect_time = options.connect_timeout.map_or(CONNECT_TIME, |time| time.min(CONNECT_TIME));
    let first_byte_time = options.first_byte_timeout.unwrap_or(FIRST_BYTE_TIME);
    let time_is_over = async {
        if timeout(connect_time, connection.wait_for_connection_metadata()).await.is_err() {
            return Error::ConnectionTimeout;
        }
        sleep(first_byte_time).await;
        Error::ConnectionReadTimeout
    };
    tokio::select! {
        // What is there in time is never refused, and that no connection can be made is told by the answer.
        biased;
        answer = client.request(request) => answer.map_err(|error| errors::of_request(&error)),
        error = time_is_over => Err(error),
    }
}

/// A task that ends when nobody waits for it any more.
struct AbortOnDrop<T>(JoinHandle<Result<T, Error>>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, Error>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        // The task ends without a word only with the pool, whose guests hear nothing any more.
        std::pin::Pin::new(&mut self.0).poll(cx).map(|sent| sent.unwrap_or(Err(Error::ConnectionTerminated)))
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
