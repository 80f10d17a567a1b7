//! The body of a response from which amounts are read while it passes.

use std::fmt::{self, Debug};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::settling::{Open, Settling};

/// A part of a response's body, for a reader of
/// [`Limits::body_meter`](super::Limits::body_meter).
///
/// A reader of gRPC's trailers:
///
/// ```
/// # use tollgate_throttle::layer::Part;
/// # let _ =
/// |part: Part<'_>| match part {
///     Part::Trailers(trailers) => trailers.get("x-tokens")?.to_str().ok()?.parse::<u64>().ok(),
///     _ => None,
/// }
/// # ;
/// ```
///
/// A response with a status of 4xx takes nothing:
///
/// ```
/// # use tollgate_throttle::layer::{Part, json_amount};
/// # let reader =
/// |response: &http::response::Parts| {
///     let failed = response.status.is_client_error();
///     let mut read = json_amount(response, |json| json.pointer("/usage/total_tokens")?.as_u64());
///     move |part: Part<'_>| if failed { Some(0) } else { read(part) }
/// }
/// # ;
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Part<'a> {
    /// Data. A line or a number may be split over several parts.
    Data(&'a [u8]),
    /// Trailers, such as those of gRPC.
    Trailers(&'a HeaderMap),
    /// The end, once: the body has ended, has failed, or was dropped before its end.
    End,
}

pin_project! {
    /// The service's body, read while it passes. Its end settles the request.
    ///
    /// Frames pass unchanged, one by one; only the last waits until the settlement is written.
    pub struct MeteredBody<B>
    where
        B: Body,
    {
        #[pin]
        body: B,
        open: Open,
        // The end, an error or trailers, until the settlement is written.
        last: Option<Result<Frame<Bytes>, B::Error>>,
    }
}

impl<B: Body> MeteredBody<B> {
    /// Without a settlement, frames pass unread.
    pub(super) fn new(body: B, settling: Option<Settling>) -> Self {
        Self { body, open: Open::from(settling), last: None }
    }
}

impl<B: Body<Data = Bytes>> Body for MeteredBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if !this.open.is_writing() {
            let next = ready!(this.body.poll_frame(cx));
            if let Some(Ok(frame)) = &next
                && let Some(data) = frame.data_ref()
            {
                this.open.read(Part::Data(data));
                return Poll::Ready(next);
            }
            if let Some(Ok(frame)) = &next
                && let Some(trailers) = frame.trailers_ref()
            {
                this.open.read(Part::Trailers(trailers));
            }
            this.open.end();
            *this.last = next;
        }
        ready!(this.open.poll_written(cx));
        Poll::Ready(this.last.take())
    }

    /// A body that is over is still polled once, so that its end is settled.
    fn is_end_stream(&self) -> bool {
        self.open.is_settled() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A refusal's body, for a layer around another layer that reads bodies.
impl<B: Body + From<String>> From<String> for MeteredBody<B> {
    fn from(text: String) -> Self {
        Self::new(text.into(), None)
    }
}

impl<B: Body> Debug for MeteredBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeteredBody").field("open", &self.open).finish_non_exhaustive()
    }
}
