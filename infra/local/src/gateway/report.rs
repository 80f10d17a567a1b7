//! The report of a request, for the log.

use console::Decider;
use http::Request;
use hyper::body::Incoming;
use serde_json::Value;

use super::authorizer::Grant;
use super::responses::Refusal;
use super::{Kind, Options};
use crate::log::{Caller, Report, Usage, caller_name, caller_token, key_name};

/// The principal of an authorizer's answer to a caller that it did not verify.
const NOBODY: &str = "anonymous";

/// Begins the report of a request with what the request says. Empty where none is printed.
pub(super) fn begin(options: &Options, request: &Request<Incoming>) -> Report {
    let mut trace = options.log.trace();
    if trace.is_none() && !options.log.has_reports() {
        return Report::default();
    }
    if let Some(trace) = &mut trace {
        trace.is_rest = options.kind.is_rest();
        trace.api = match options.kind {
            Kind::WebSocket => "WebSocket API",
            kind if kind.is_http() => "HTTP API",
            _ => "REST API",
        };
        trace.at = options.now.millis();
        trace.token = caller_token(request.headers(), request.uri().query());
    }
    let (method, path) = match options.kind {
        Kind::WebSocket => ("WS".to_owned(), "$connect".to_owned()),
        _ => (request.method().to_string(), request.uri().path().to_owned()),
    };
    let caller = caller_name(request.headers(), request.uri().query());
    Report {
        method,
        path,
        caller: caller.map(|name| Caller { name, verified: false }),
        stage: options.stage().to_owned(),
        api: options.kind.is_http().then_some("HTTP API"),
        trace,
        ..Report::default()
    }
}

/// Adds that the route is open. A guard that cannot be served here answers 501 in its place.
pub(super) fn open(options: &Options, report: &mut Report) {
    if let Some(trace) = &mut report.trace
        && options.authorizer.is_none()
    {
        trace.decider = Decider::Nobody;
    }
}

/// Adds that an authorizer decides.
pub(super) fn asked(options: &Options, report: &mut Report) {
    if let Some(trace) = &mut report.trace {
        trace.decider = if options.explains { Decider::Tollgate } else { Decider::Other };
    }
}

/// Adds what the authorizer answered.
pub(super) fn grant(report: &mut Report, grant: &Grant) {
    let text = |name: &str| grant.context.get(name).and_then(Value::as_str);
    let principal = grant.principal_id.as_deref().filter(|principal| *principal != NOBODY);
    if let Some(id) = text("keyId") {
        // A token that came with the key was not verified.
        report.caller = Some(Caller { name: key_name(id), verified: true });
    } else if !grant.context.is_empty() || principal.is_some() {
        match &mut report.caller {
            Some(caller) => caller.verified = true,
            None => {
                let name = principal.map(str::to_owned);
                report.caller = name.map(|name| Caller { name, verified: true });
            }
        }
    }
    let number = |name: &str| {
        let value = grant.context.get(name)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    };
    report.usage = text("plan").map(|plan| Usage {
        plan: plan.to_owned(),
        left: number("remaining").zip(number("limit")),
        of: text("limitOf").map(str::to_owned),
        retry_after: grant.retry_after(),
        throttled: grant.is_throttled(),
    });
}

/// Adds the reason of a refusal, unless a better one is there.
pub(super) fn refuse(options: &Options, report: &mut Report, refusal: Refusal) {
    report.forbidden = options.explains && matches!(refusal, Refusal::AccessDenied { .. });
    if report.reason.is_none() {
        let reason = match refusal {
            // Another authorizer has no rules.
            Refusal::AccessDenied { explicit: true } if !options.explains => {
                Some("the authorizer denies it")
            }
            Refusal::AccessDenied { explicit: false } if !options.explains => {
                Some("the authorizer does not allow it")
            }
            other => other.reason(),
        };
        report.reason = reason.map(str::to_owned);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::gateway::authorizer::{Outcome, outcome};

    /// The caller of a request with a token that names `maria`, after this context.
    fn caller(context: &Value) -> Option<(String, bool)> {
        let output = json!({ "isAuthorized": true, "context": context }).to_string();
        let kind = Kind::Http(crate::gateway::Payload::Simple);
        let Outcome::Grant(granted) = outcome(kind, Ok(Bytes::from(output))) else { return None };
        let caller = Some(Caller { name: "maria".to_owned(), verified: false });
        let mut report = Report { caller, ..Report::default() };
        grant(&mut report, &granted);
        report.caller.map(|caller| (caller.name, caller.verified))
    }

    #[test]
    fn a_token_beside_the_key_that_was_verified_names_nobody() {
        let is = |name: &str, verified| Some((name.to_owned(), verified));
        assert_eq!(caller(&json!({})), is("maria", false));
        assert_eq!(caller(&json!({"sub": "1"})), is("maria", true));
        let key = json!({"keyId": "19c975b6ffff", "subject": "joe"});
        assert_eq!(caller(&key), is("key 19c975b6", true));
    }
}
