//! The events of a connection, and the members that they share.
//!
//! Their members are those of recordings that users published of deployed APIs, and of a README of
//! AWS's serverless patterns. `integrationLatency` and `clientCert` are not among them here.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::super::asked::Asked;
use super::super::authorizer::Grant;
use super::super::event;
use super::super::responses::RequestId;
use super::super::{Kind, Options};
use super::end::End;
use super::routes::{CONNECT, DISCONNECT};
use super::targets::Event;
use crate::clock::Now;

/// The parts that all events of a connection have.
pub(super) struct Session {
    pub(super) id: String,
    pub(super) api: String,
    pub(super) stage: String,
    /// The host of the handshake, with its port: the address of the management API.
    pub(super) domain: String,
    pub(super) peer: IpAddr,
    pub(super) identity: Value,
    /// `None` for a route without an authorizer.
    pub(super) authorizer: Option<Map<String, Value>>,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) connected_at: u64,
    pub(super) now: Now,
}

impl Session {
    pub(super) fn new(asked: &Asked<'_>, grant: &Grant) -> Self {
        let Options { now, .. } = asked.options;
        let mut authorizer = grant.context.clone();
        authorizer.insert("principalId".to_owned(), json!(grant.principal_id));
        Self {
            id: asked.id.connection(),
            api: asked.options.api_id().to_owned(),
            stage: asked.options.stage().to_owned(),
            domain: asked.domain(),
            peer: asked.peer,
            identity: event::caller(asked),
            authorizer: (!grant.is_open()).then_some(authorizer),
            variables: asked.stage_variables().clone(),
            connected_at: now.millis(),
            now: now.clone(),
        }
    }

    /// The event of `$connect`'s integration: the authorizer's event, and what it answered.
    pub(super) fn connect(&self, asked: &Asked<'_>) -> Event {
        let event = event::event(asked, &[]);
        let mut event: Map<String, Value> = serde_json::from_slice(&event).unwrap_or_default();
        let context = self.context(asked.id, (CONNECT, "CONNECT"));
        event.retain(|name, value| {
            let is_empty = value.as_object().is_some_and(Map::is_empty);
            !is_empty && !["type", "methodArn"].contains(&name.as_str())
        });
        event.insert("requestContext".to_owned(), context.into());
        event.insert("isBase64Encoded".to_owned(), false.into());
        Event::of_handshake(event, &asked.head)
    }

    /// The event of a message.
    pub(super) fn message(&self, id: &RequestId, route: &str, body: String) -> Event {
        let mut context = self.context(id, (route, "MESSAGE"));
        context.insert("messageId".to_owned(), id.connection().into());
        let event = json!({"requestContext": context, "body": body, "isBase64Encoded": false});
        Event::new(self.event(event), body.into())
    }

    /// The event of `$disconnect`'s integration.
    pub(super) fn disconnect(&self, end: &End) -> Event {
        let id = RequestId::new(Kind::WebSocket);
        let mut context = self.context(&id, (DISCONNECT, "DISCONNECT"));
        context.insert("disconnectStatusCode".to_owned(), end.code.into());
        context.insert("disconnectReason".to_owned(), end.reason.as_str().into());
        let headers = BTreeMap::from([
            ("Host", self.domain.as_str()),
            ("x-api-key", ""),
            ("X-Forwarded-For", ""),
            ("x-restapi", ""),
        ]);
        let multi: BTreeMap<&str, [&str; 1]> =
            headers.iter().map(|(name, value)| (*name, [*value])).collect();
        let event = self.event(json!({
            "headers": headers,
            "multiValueHeaders": multi,
            "requestContext": context,
            "isBase64Encoded": false,
        }));
        Event::new(event, Bytes::new())
    }

    /// The text of API Gateway's own messages on a connection.
    pub(super) fn own_message(&self, id: &RequestId, text: &str) -> String {
        format!(
            r#"{{"message": {}, "connectionId":{}, "requestId":{}}}"#,
            json!(text),
            json!(self.id),
            json!(id.as_str())
        )
    }

    fn event(&self, mut event: Value) -> Value {
        if let Some(event) = event.as_object_mut().filter(|_| !self.variables.is_empty()) {
            event.insert("stageVariables".to_owned(), json!(self.variables));
        }
        event
    }

    fn context(&self, id: &RequestId, (route, kind): (&str, &str)) -> Map<String, Value> {
        let now_ms = self.now.millis();
        let context = json!({
            "routeKey": route,
            "eventType": kind,
            "extendedRequestId": id.extended(),
            "requestTime": event::time(now_ms),
            "messageDirection": "IN",
            "stage": self.stage,
            "connectedAt": self.connected_at,
            "requestTimeEpoch": now_ms,
            "identity": self.identity,
            "requestId": id.as_str(),
            "domainName": self.domain,
            "connectionId": self.id,
            "apiId": self.api,
        });
        let Value::Object(mut context) = context else { return Map::new() };
        if let Some(authorizer) = &self.authorizer {
            context.insert("authorizer".to_owned(), json!(authorizer));
        }
        context
    }
}
