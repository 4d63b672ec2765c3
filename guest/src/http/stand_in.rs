//! The native side: what `testing::serve_http` answers, in pieces as from a network.

use std::time::Duration;

use super::headers::HeaderList;
use super::request::Outgoing;
use super::response::Received;
use super::{Error, ErrorKind};
use crate::testing::http::{self, HttpRequest};
use crate::time;

/// Small, so that tests with bodies of some kilobytes see pieces.
const PIECE_BYTES: usize = 4 << 10;

/// What is left of a body.
#[derive(Debug)]
pub(super) struct Body(std::vec::IntoIter<u8>);

impl Body {
    #[expect(clippy::unused_async, reason = "a sandbox waits here")]
    pub(super) async fn chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let piece: Vec<u8> = self.0.by_ref().take(PIECE_BYTES).collect();
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }
}

/// Asks the thread's handler.
pub(super) async fn exchange(request: &Outgoing) -> Result<Received, Error> {
    let asked = HttpRequest {
        method: request.method.to_string(),
        url: request.url.to_string(),
        path: request.url.path.split('?').next().unwrap_or_default().to_owned(),
        headers: request.headers.clone(),
        body: request.body.as_deref().cloned().unwrap_or_default(),
    };
    let Some(answer) = http::answer(asked) else {
        let message = "nobody serves HTTP on this thread; a test says who does by `testing::serve_http`";
        return Err(Error::new(ErrorKind::Denied, message));
    };
    if answer.delay > Duration::ZERO {
        time::sleep(answer.delay).await;
    }
    match answer.error {
        Some(kind) => Err(Error::new(kind, "the test's server answers so")),
        None => {
            let mut headers = HeaderList::default();
            answer.headers.iter().for_each(|(name, value)| headers.push(name, value));
            Ok(Received { status: answer.status, headers, body: Body(answer.body.into_iter()) })
        }
    }
}
