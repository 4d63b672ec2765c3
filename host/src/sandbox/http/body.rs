//! Bodies with limits: how many bytes there may be in all, and how long the next may take.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};
use wasmtime_wasi_http::Error;

/// Which way a body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToServer,
    ToGuest,
}

/// A body with limits.
pub(crate) struct LimitedBody<B> {
    inner: B,
    way: Way,
    limit_bytes: u64,
    left_bytes: u64,
    between_bytes: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<B> LimitedBody<B> {
    pub(crate) fn new(inner: B, way: Way, limit_bytes: u64, between_bytes: Option<Duration>) -> Self {
        LimitedBody { inner, way, limit_bytes, left_bytes: limit_bytes, between_bytes, timer: None }
    }

    fn too_large(&self) -> Error {
        match self.way {
            Way::ToServer => Error::HttpRequestBodySize(Some(self.limit_bytes)),
            Way::ToGuest => Error::HttpResponseBodySize(Some(self.limit_bytes)),
        }
    }

    /// Begins to wait for the next bytes, or goes on to; returns true when they have taken too long.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(limit) = self.between_bytes else { return false };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        timer.as_mut().poll(cx).is_ready()
    }

    fn restart_timer(&mut self) {
        if let (Some(timer), Some(limit)) = (&mut self.timer, self.between_bytes) {
            timer.as_mut().reset(Instant::now() + limit);
        }
    }
}

impl<B> Body for LimitedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Error>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let frame = match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending if this.is_late(cx) => {
                return Poll::Ready(Some(Err(Error::ConnectionReadTimeout)));
            }
            Poll::Pending => return Poll::Pending,
        };
        this.restart_timer();
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        match this.left_bytes.checked_sub(bytes) {
            Some(left) => {
                this.left_bytes = left;
                Poll::Ready(Some(Ok(frame)))
            }
            None => Poll::Ready(Some(Err(this.too_large()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    type Frames = Vec<Result<Frame<Bytes>, Infallible>>;

    fn frames(sizes: &[usize]) -> Frames {
        sizes.iter().map(|size| Ok(Frame::data(Bytes::from(vec![0; *size])))).collect()
    }

    #[tokio::test]
    async fn a_body_may_be_as_large_as_its_limit_and_no_larger() {
        let limited = |sizes: &[usize], way| {
            LimitedBody::new(StreamBody::new(stream::iter(frames(sizes))), way, 10, None)
        };
        assert_eq!(limited(&[4, 6], Way::ToGuest).collect().await.unwrap().to_bytes().len(), 10);
        let error = limited(&[4, 7], Way::ToGuest).collect().await.unwrap_err();
        assert!(matches!(error, Error::HttpResponseBodySize(Some(10))), "{error}");
        let error = limited(&[11], Way::ToServer).collect().await.unwrap_err();
        assert!(matches!(error, Error::HttpRequestBodySize(Some(10))), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_do_not_come_are_a_read_timeout() {
        let some_then_none = stream::StreamExt::chain(stream::iter(frames(&[1])), stream::pending());
        let body =
            LimitedBody::new(StreamBody::new(some_then_none), Way::ToGuest, 10, Some(Duration::from_secs(1)));
        let error = body.collect().await.unwrap_err();
        assert!(matches!(error, Error::ConnectionReadTimeout), "{error}");
    }
}
