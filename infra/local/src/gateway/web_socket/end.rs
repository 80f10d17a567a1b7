//! The ends of a connection, as the route `$disconnect` is told of them.

use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// The end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) code: u16,
    pub(super) reason: String,
    /// True if the client ended it.
    pub(super) is_theirs: bool,
}

impl End {
    /// An end that the API decides on.
    pub(super) fn ours(code: CloseCode) -> Self {
        // The texts for 1000 and 1001 are those of recordings.
        let reason = match code {
            CloseCode::Normal => "Connection Closed Normally",
            CloseCode::Away => "Going away",
            CloseCode::Size => "Message too long",
            CloseCode::Unsupported => "Binary frames are not supported",
            _ => "Protocol error",
        };
        Self { code: code.into(), reason: reason.to_owned(), is_theirs: false }
    }

    /// An end by the client's close frame.
    pub(super) fn theirs(frame: Option<CloseFrame>) -> Self {
        let (code, reason) = match frame {
            Some(frame) => (frame.code.into(), frame.reason.as_str().to_owned()),
            None => (1005, "Client-side close frame status not set".to_owned()),
        };
        Self { code, reason, is_theirs: true }
    }

    /// An end without a close frame.
    pub(super) fn lost() -> Self {
        Self { code: 1006, reason: "Connection closed abnormally".to_owned(), is_theirs: true }
    }

    /// The end of a connection whose bytes are not as they should be.
    pub(super) fn broken(error: &ProtocolError) -> Self {
        match error {
            ProtocolError::ResetWithoutClosingHandshake => Self::lost(),
            _ => Self::ours(CloseCode::Protocol),
        }
    }
}
