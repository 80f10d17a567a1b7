//! The details of one request: checks, rules, policy, limits and times.

use authorizer::assumed_caller;
use axum::Json;
use axum::extract::{Path, State};
use policy::MethodArn;
use policy::iam::{self, Outcome};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::live::{Decider, Request};
use crate::problem::Problem;
use crate::state::{Shared, State as Console};
use crate::{Live, Source};

/// The checks of a token, in the authorizer's order.
const CHECKS: [&str; 9] =
    ["form", "header", "issuer", "key", "signature", "claims", "revocation", "rules", "limits"];

/// Members of the record line that are times in microseconds.
const TIMES: [(&str, &str); 4] = [
    ("table", "TableTime"),
    ("revocation", "RevocationTime"),
    ("keys", "KeyFetchTime"),
    ("duration", "Duration"),
];

/// `GET /api/requests/{id}`.
pub(crate) async fn show(
    State(state): Shared,
    Path(id): Path<u64>,
) -> Result<Json<Value>, Problem> {
    let found = state.live.as_ref().and_then(|live: &Live| live.get(id));
    let missing = || Problem::missing("this request is no longer listed: only the latest 500 are");
    let request = found.ok_or_else(missing)?;
    Ok(Json(described(&state, &request)))
}

fn described(state: &Console, request: &Request) -> Value {
    let detail = &request.detail;
    let source = state.source(detail.is_rest);
    let context = detail.output.as_ref().and_then(|output| output.get("context"));
    let record = detail.record.as_ref();
    let member = |name: &str| record.and_then(|record| record.get(name)).cloned();
    let checks = checks(request, source);
    let explanation = source.filter(|_| reached_rules(request, &checks));
    let times: Map<String, Value> = TIMES
        .into_iter()
        .filter_map(|(name, metric)| Some((name.to_owned(), member(metric)?)))
        .collect();
    json!({
        "request": request,
        "kind": member("kind"),
        "arn": detail.arn,
        "token": detail.token.as_ref().map(|(header, claims)| json!({
            "header": header, "claims": claims,
        })),
        "decider": detail.decider,
        "checks": checks,
        "explanation": explanation.and_then(|source| self::explanation(source, request)),
        "policy": detail.output.as_ref().and_then(|output| policy(output, &detail.arn)),
        "verdict": detail.output.as_ref().and_then(|output| output.get("isAuthorized")),
        "context": context,
        "subject": context.and_then(|context| context.get("subject")),
        "principal": detail.output.as_ref().and_then(|output| output.get("principalId")),
        "record": record,
        "times": {
            "total": request.took_us,
            "authorizer": detail.authorizer_us,
            "backend": detail.backend_us,
            "inside": times,
        },
        "isCold": record.map(|record| record.get("ColdStarts").is_some()),
        "hasMetrics": record.map(|record| record.get("_aws").is_some()),
    })
}

/// Returns true if this authorizer evaluated its rules for the request, by the record's code. A
/// result that the API had in its cache has no record.
fn reached_rules(request: &Request, checks: &[Check]) -> bool {
    let rules = checks.iter().find(|check| check.name == "rules");
    let is_reached = rules.map(|check| matches!(check.result, "ok" | "failed"));
    request.detail.decider == Decider::Tollgate && is_reached.unwrap_or(request.is_verified)
}

/// One check of the authorizer.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    result: &'static str,
    /// The reason of the one that failed.
    detail: Option<String>,
}

/// The checks of this authorizer in their order, and the one that failed, by the record's code.
fn checks(request: &Request, source: Option<&Source>) -> Vec<Check> {
    if request.detail.decider != Decider::Tollgate {
        return Vec::new();
    }
    let claims = request.detail.token.as_ref().map(|(_, claims)| claims);
    let iss = claims.and_then(|claims| claims.get("iss")).and_then(Value::as_str);
    let is_known = source.is_none_or(|source| {
        let mut identities = source.config.issuers.iter().flat_map(|it| &it.identities);
        identities.any(|it| Some(it.iss.as_str()) == iss)
    });
    let failed = match request.code.as_deref() {
        None => return Vec::new(),
        Some("malformed") => Some("form"),
        Some("header") => Some("header"),
        Some("key" | "signature" | "claim" | "unavailable") if !is_known => Some("issuer"),
        Some("key") => Some("key"),
        Some("signature") => Some("signature"),
        Some("claim") => Some("claims"),
        Some("revoked") => Some("revocation"),
        Some("forbidden" | "long_policy") => Some("rules"),
        Some("throttled" | "no_plan" | "wrong_parents") => Some("limits"),
        Some("allowed") => None,
        // `unavailable`, `config`, `api_key`: the record does not say which check failed.
        Some(_) => return Vec::new(),
    };
    let has_revocation = source.is_some_and(|source| source.config.revocation.is_some());
    let has_limits = source.is_some_and(|source| source.config.throttle.is_some());
    let mut reached = true;
    let check = |name: &'static str| {
        let result = match (failed == Some(name), reached) {
            (true, _) => "failed",
            (false, false) => "not reached",
            (false, true) if name == "revocation" && !has_revocation => "not configured",
            (false, true) if name == "limits" && !has_limits => "not configured",
            (false, true) => "ok",
        };
        reached &= failed != Some(name);
        let detail = request.reason.clone().filter(|_| result == "failed");
        Check { name, result, detail }
    };
    CHECKS.into_iter().map(check).collect()
}

/// The rules' part, as `policy` explains it for these claims.
fn explanation(source: &Source, request: &Request) -> Option<Value> {
    let (_, claims) = request.detail.token.as_ref()?;
    let arn = MethodArn::parse(&request.detail.arn).ok()?;
    let caller = assumed_caller(claims, &source.config.issuers).ok()?;
    let explanation = source.config.rules.explain(&caller, &arn);
    let rules = explanation.rules.iter();
    let rules = rules.map(|said| {
        let reason = serde_json::to_value(&said.reason).unwrap_or_default();
        json!({
            "rule": said.rule,
            "text": said.reason.to_string(),
            "reason": reason.get("reason"),
        })
    });
    Some(json!({
        "request": explanation.request,
        "verdict": explanation.verdict.to_string(),
        "isAllowed": explanation.verdict.is_authorized(),
        "rules": rules.collect::<Vec<_>>(),
    }))
}

/// The policy's resources, each with whether it matches the request.
fn policy(output: &Value, arn: &str) -> Option<Value> {
    let document = output.get("policyDocument")?;
    let statements = match document.get("Statement")? {
        Value::Array(statements) => statements.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut resources = Vec::new();
    for statement in statements {
        for field in ["Resource", "NotResource"] {
            let all = match statement.get(field) {
                Some(Value::Array(all)) => all.as_slice(),
                Some(one) => std::slice::from_ref(one),
                None => continue,
            };
            for resource in all {
                resources.push(json!({
                    "effect": statement.get("Effect"),
                    "field": field,
                    "resource": resource,
                    "condition": statement.get("Condition"),
                    "isMatch": matches(document, statement, field, resource, arn),
                }));
            }
        }
    }
    Some(json!({"resources": resources, "bytes": document.to_string().len()}))
}

/// Returns true if a policy with only this resource would decide the request.
fn matches(document: &Value, statement: &Value, field: &str, resource: &Value, arn: &str) -> bool {
    let mut alone = statement.clone();
    let Some(members) = alone.as_object_mut() else { return false };
    members.insert(field.to_owned(), resource.clone());
    // Only the resource is compared here; the gateway evaluates the condition.
    members.remove("Condition");
    let alone = json!({"Version": document.get("Version"), "Statement": [alone]});
    let Ok(policy) = serde_json::from_value::<iam::Policy>(alone) else { return false };
    policy.evaluate(&iam::Request::new(arn)) != Outcome::ImplicitDeny
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Detail;

    #[test]
    fn rules_are_shown_only_where_this_authorizer_reached_them() {
        let reached = |decider, code: Option<&str>, is_verified| {
            let detail = Detail { decider, ..Detail::default() };
            let code = code.map(str::to_owned);
            let request = Request { code, is_verified, detail, ..Request::default() };
            reached_rules(&request, &checks(&request, None))
        };
        for code in ["allowed", "forbidden", "long_policy", "throttled", "no_plan", "wrong_parents"]
        {
            assert!(reached(Decider::Tollgate, Some(code), true), "{code}");
            // Another authorizer's log line can look like a record.
            for other in [Decider::Other, Decider::Gateway, Decider::Nobody] {
                assert!(!reached(other, Some(code), true), "{other:?}: {code}");
            }
        }
        for code in ["malformed", "key", "signature", "claim", "revoked", "unavailable", "config"] {
            assert!(!reached(Decider::Tollgate, Some(code), false), "{code}");
        }
        // A result from the API's cache has no record.
        assert!(reached(Decider::Tollgate, None, true));
        assert!(!reached(Decider::Tollgate, None, false));
    }
}
