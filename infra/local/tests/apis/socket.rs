//! A WebSocket client.

use futures_util::{SinkExt, StreamExt};
use http::{HeaderName, HeaderValue, Response};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    pub(crate) handshake: Response<Option<Vec<u8>>>,
}

/// The answer to a handshake that was refused.
pub(crate) type Refused = (u16, String);

impl Socket {
    /// Connects to `ws://…` or `http://…`, with these headers.
    pub(crate) async fn connect(url: &str, headers: &[(&str, &str)]) -> Result<Self, Refused> {
        let url = url.replacen("http://", "ws://", 1);
        let mut request = url.as_str().into_client_request().unwrap();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
        let address = request.uri().authority().unwrap().to_string();
        let stream = TcpStream::connect(address).await.unwrap();
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((stream, handshake)) => Ok(Self { stream, handshake }),
            Err(Error::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                Err((response.status().as_u16(), String::from_utf8(body).unwrap()))
            }
            Err(other) => panic!("{other}"),
        }
    }

    pub(crate) async fn send(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    /// Sends a text and gives the answer.
    pub(crate) async fn ask(&mut self, text: &str) -> Value {
        self.send(Message::text(text)).await;
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// Waits for the next text.
    pub(crate) async fn text(&mut self) -> String {
        match self.stream.next().await.unwrap().unwrap() {
            Message::Text(text) => text.as_str().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    /// The byte stream, which then has no frames.
    pub(crate) fn into_bytes(self) -> TcpStream {
        self.stream.into_inner()
    }

    /// Waits for the other side to end it, and gives the code.
    pub(crate) async fn ended(mut self) -> u16 {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Close(frame))) => return frame.unwrap().code.into(),
                Some(Ok(_)) => {}
                other => panic!("no close frame: {other:?}"),
            }
        }
    }

    /// Ends it from this side, and waits for the other to agree.
    pub(crate) async fn close(self) {
        self.close_with(None).await;
    }

    /// The same with a code and a reason.
    pub(crate) async fn close_with(mut self, frame: Option<CloseFrame>) {
        self.stream.close(frame).await.unwrap();
        match self.stream.next().await {
            Some(Ok(Message::Close(_))) => {}
            other => panic!("the other side does not agree: {other:?}"),
        }
        assert!(self.stream.next().await.is_none(), "and then the connection is closed");
    }

    /// Waits until the other side is gone, with or without a word.
    pub(crate) async fn gone(mut self) {
        while let Some(Ok(_)) = self.stream.next().await {}
    }
}
