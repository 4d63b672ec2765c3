//! Where the requests of one sandbox come by, whichever WASI they are of. What happens here is noted for the call that
//! asked: that its request was denied, or that it may have had an effect.

use std::future::{Future, ready};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use http::{Method, Request, Response};
use wasmtime_wasi_http::p2::bindings::http::types as p2;
use wasmtime_wasi_http::p3::bindings::http::types as p3;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::call::AttemptId;
use crate::failure::Denial;
use crate::origins::Origin;
use crate::reply::Witness;
use crate::sandbox::http::desk::HttpDesk;

/// Where the requests of one sandbox come by.
pub(crate) struct SandboxHooks {
    desk: Option<Arc<HttpDesk>>,
    /// Whose guest code sends the request that comes by next.
    pub(crate) caller: HttpCaller,
    notes: Arc<Notes>,
}

/// What has happened to requests since the last time that somebody looked.
#[derive(Default)]
struct Notes {
    list: Mutex<Vec<HttpNote>>,
    /// Read first, because it is asked for after every call, and hardly ever so.
    are_there: AtomicBool,
}

/// Whose guest code sends a request.
#[derive(Clone)]
pub(crate) enum HttpCaller {
    /// It is unknown which.
    Anybody,
    /// What an answered call left running, or an initializer.
    Nobody,
    /// That of a call.
    Call(AttemptId, Witness),
}

impl HttpCaller {
    /// Returns true unless the call is known, and nobody awaits it any more.
    pub(crate) fn is_awaited(&self) -> bool {
        match self {
            HttpCaller::Anybody | HttpCaller::Nobody => true,
            HttpCaller::Call(_, witness) => witness.is_awaited(),
        }
    }
}

/// Something about a call's request.
pub(crate) struct HttpNote {
    pub(crate) caller: HttpCaller,
    pub(crate) what: WhatHappened,
}

/// What happened to a request.
pub(crate) enum WhatHappened {
    Denied(Denial),
    /// It went out, and may change something.
    HadEffect,
}

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Box<dyn Future<Output = Result<(Response<WasiBody>, Io), Error>> + Send>;

impl SandboxHooks {
    /// Makes the hooks of a sandbox; without a desk nothing is granted.
    pub(crate) fn new(desk: Option<Arc<HttpDesk>>) -> Self {
        SandboxHooks { desk, caller: HttpCaller::Nobody, notes: Arc::default() }
    }

    /// Returns what has happened since the last time.
    pub(crate) fn take_notes(&self) -> Vec<HttpNote> {
        self.notes.take()
    }

    fn note(&self, what: WhatHappened) {
        self.notes.add(HttpNote { caller: self.caller.clone(), what });
    }

    fn deny(&self, origin: &Origin) -> Sent {
        self.note(WhatHappened::Denied(denial(origin)));
        Box::new(ready(Err(Error::HttpRequestDenied)))
    }
}

fn denial(origin: &Origin) -> Denial {
    Denial::of(format!("HTTP requests to {origin}"), format!("--http {origin}"))
}

impl Notes {
    fn add(&self, note: HttpNote) {
        let mut list = self.list();
        list.push(note);
        self.are_there.store(true, Ordering::Release);
    }

    fn take(&self) -> Vec<HttpNote> {
        if !self.are_there.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut list = self.list();
        self.are_there.store(false, Ordering::Release);
        std::mem::take(&mut *list)
    }

    fn list(&self) -> MutexGuard<'_, Vec<HttpNote>> {
        self.list.lock().expect("no holder of this lock panics")
    }
}

/// Returns true if a request of this method is meant to change nothing.
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

impl WasiHttpHooks for SandboxHooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Sent {
        if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
            // A tunnel would lead past all that is checked here, and an echo shows what others have put into a request.
            return Box::new(ready(Err(Error::HttpRequestMethodInvalid)));
        }
        let Some(origin) = Origin::of(request.uri()) else {
            return Box::new(ready(Err(Error::HttpRequestUriInvalid)));
        };
        let Some(desk) = &self.desk else { return self.deny(&origin) };
        let checked = match desk.check(origin.clone()) {
            Ok(checked) => checked,
            Err(origin) => return self.deny(&origin),
        };
        if !is_safe(request.method()) {
            self.note(WhatHappened::HadEffect);
        }
        let (notes, caller) = (self.notes.clone(), self.caller.clone());
        let witness = caller.clone();
        let is_awaited = Box::new(move || witness.is_awaited());
        let sent = desk.send(checked, request, options.unwrap_or_default(), is_awaited);
        Box::new(async move {
            let sent = sent.await;
            if matches!(sent, Err(Error::DestinationIpProhibited)) {
                let what = WhatHappened::Denied(denial(&origin));
                notes.add(HttpNote { caller, what });
            }
            let io: Io = Box::new(ready(Ok(())));
            match sent {
                Ok(answer) => Ok((answer, io)),
                Err(Error::DestinationIpProhibited) => Err(Error::HttpRequestDenied),
                Err(error) => Err(error),
            }
        })
    }

    fn p2_error_from_hyper(&mut self, error: &hyper::Error) -> p2::ErrorCode {
        match () {
            () if error.is_incomplete_message() => p2::ErrorCode::HttpResponseIncomplete,
            () if error.is_timeout() => p2::ErrorCode::ConnectionReadTimeout,
            () => p2::ErrorCode::HttpProtocolError,
        }
    }

    fn p3_error_from_hyper(&mut self, error: &hyper::Error) -> p3::ErrorCode {
        match () {
            () if error.is_incomplete_message() => p3::ErrorCode::HttpResponseIncomplete,
            () if error.is_timeout() => p3::ErrorCode::ConnectionReadTimeout,
            () => p3::ErrorCode::HttpProtocolError,
        }
    }
}
