//! The context of a response: the caller's claims and limits, for the backend.

use serde::Serialize;
use serde_json::{Map, Value};

use super::Charged;
use crate::claims::Claims;

/// The context of a response: strings, numbers and booleans only.
///
/// A nested value or null makes API Gateway answer 500, so both are left out. A text with a control
/// character is left out too, because an integration that copies it into a header fails.
#[derive(Default, Serialize)]
#[serde(transparent)]
pub(super) struct Context(Map<String, Value>);

impl Context {
    /// Makes the context from a caller's claims and charge. Missing values are left out.
    pub(super) fn of(claims: &Claims, charged: Option<&Charged>) -> Self {
        let mut context = Self::default();
        for (name, value) in claims.context() {
            context.put(name, Some(value));
        }
        if let Some(Charged { subject, decision }) = charged {
            // A backend that charges requests too finds the same bucket by its subject.
            context.put("subject", Some(subject.as_str()));
            context.put("plan", Some(decision.plan().as_str()));
            // An unlimited plan, or an open one while the table fails, has no limit to show.
            let limited = !decision.standings().is_empty();
            context.put("limit", limited.then(|| decision.limit()));
            context.put("remaining", limited.then(|| decision.remaining()));
            context.put("counted", (!limited && decision.is_allowed()).then_some(true));
            context.put("retryAfter", decision.retry_after_seconds());
            context.put("throttled", (!decision.is_allowed()).then_some(true));
        }
        context
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put(&mut self, name: &str, value: Option<impl Into<Value>>) {
        match value.map(Into::into) {
            Some(Value::String(text)) if text.contains(char::is_control) => {}
            Some(value @ (Value::String(_) | Value::Number(_) | Value::Bool(_))) => {
                self.0.insert(name.to_owned(), value);
            }
            Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => {}
        }
    }
}
