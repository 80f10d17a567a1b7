//! The routes of a WebSocket API, and the one that a message takes.

use std::time::Duration;

use super::super::Integration;
use super::Selection;

pub(super) const CONNECT: &str = "$connect";
pub(super) const DISCONNECT: &str = "$disconnect";
const DEFAULT: &str = "$default";
/// The custom route of an API without a definition.
const ECHO: &str = "echo";

/// The routes of a WebSocket API.
#[derive(Clone, Debug)]
pub struct SocketRoutes {
    /// The expression that names a message's route.
    pub selection: Selection,
    /// The routes.
    pub routes: Vec<SocketRoute>,
}

/// A route of a WebSocket API.
#[derive(Clone, Debug)]
pub struct SocketRoute {
    /// `$connect`, `$disconnect`, `$default` or a name.
    pub key: String,
    /// The target of its messages.
    pub integration: Integration,
    /// True if the integration's answer goes back to the client: the route has a route response.
    ///
    /// An echo always goes back.
    pub responds: bool,
    /// The integration's time-out.
    pub timeout: Duration,
}

impl SocketRoute {
    /// A route with the integration's usual time-out, whose answers go back.
    #[must_use]
    pub fn new(key: &str, integration: Integration) -> Self {
        let timeout = Duration::from_secs(29);
        Self { key: key.to_owned(), integration, responds: true, timeout }
    }
}

impl Default for SocketRoutes {
    /// An echo: `$connect`, `echo` and `$default`.
    fn default() -> Self {
        let echo = |key: &&str| SocketRoute::new(key, Integration::Echo);
        let routes = [CONNECT, DEFAULT, ECHO].iter().map(echo).collect();
        Self { selection: Selection::default(), routes }
    }
}

impl SocketRoutes {
    /// The route of this key.
    pub(super) fn get(&self, key: &str) -> Option<&SocketRoute> {
        self.routes.iter().find(|route| route.key == key)
    }

    /// The route that a message takes, if there is one.
    ///
    /// No message takes `$connect` or `$disconnect`, whatever it names.
    pub(super) fn of_message(&self, message: &str) -> Option<&SocketRoute> {
        let named = self.selection.evaluate(message);
        let named = named.filter(|name| !name.starts_with('$'));
        named.and_then(|name| self.get(&name)).or_else(|| self.get(DEFAULT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(routes: &SocketRoutes, message: &str) -> Option<String> {
        routes.of_message(message).map(|route| route.key.clone())
    }

    #[test]
    fn only_json_with_a_known_action_takes_a_route_of_its_own() {
        let routes = SocketRoutes::default();
        let echo = key_of(&routes, r#"{"action": "echo", "more": 1}"#);
        assert_eq!(echo.as_deref(), Some("echo"));
        for other in ["", "echo", r#"{"action":"$connect"}"#, r#"{"action":1}"#, r#"["action"]"#] {
            assert_eq!(key_of(&routes, other).as_deref(), Some("$default"), "{other}");
        }
    }

    #[test]
    fn what_no_route_takes_has_none() {
        let mut routes = SocketRoutes::default();
        routes.routes.retain(|route| route.key != DEFAULT);
        for message in ["text", r#"{"action": "send"}"#, r#"{"action": "$connect"}"#] {
            assert_eq!(key_of(&routes, message), None, "{message}");
        }
    }
}
