//! Gateway responses that a REST API's definition changes: status, headers and body.
//!
//! Their variables are those of mappings, with the error in the context. A variable that has no value
//! leaves nothing.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

use super::GatewayResponse;
use super::asked::Asked;
use super::authorizer::Grant;
use super::backend::FRAMING;
use super::expression::Values;
use super::responses::{Refusal, unsendable};

/// The changed responses, by the names of their types.
pub(super) type Changes = BTreeMap<String, GatewayResponse>;

/// Changes a response as the definition says.
pub(super) async fn change(
    changes: &Changes,
    refusal: Refusal,
    asked: &Asked<'_>,
    grant: &Grant,
    response: Response<Full<Bytes>>,
) -> Response<Full<Bytes>> {
    let Some(kind) = refusal.response_type() else { return response };
    let default = if response.status().is_client_error() { "DEFAULT_4XX" } else { "DEFAULT_5XX" };
    let Some(change) = changes.get(kind).or_else(|| changes.get(default)) else {
        return response;
    };
    let (mut head, body) = response.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let message = message(&body);
    let error = json!({
        "message": message.as_str(),
        // The same in quotes.
        "messageString": message.to_string(),
        "responseType": kind,
    });
    let nothing = Bytes::new();
    let values = Values::new(asked, &nothing, grant).refused(error);
    // The start names a status that cannot be sent.
    let status = change.status.filter(|status| unsendable(*status).is_none());
    head.status = status.and_then(|own| StatusCode::from_u16(own).ok()).unwrap_or(head.status);
    for (name, expression) in &change.headers {
        let value = expression.value(&values).ok().flatten();
        let header = (HeaderName::try_from(name), value.as_deref().map(HeaderValue::from_str));
        if let (Ok(name), Some(Ok(value))) = header
            && !FRAMING.contains(&name)
        {
            head.headers.insert(name, value);
        }
    }
    // A body that would be too long is left as API Gateway's own.
    let own = change.body.as_ref().and_then(|template| template.fill(&values).ok());
    let body = own.map_or(body, Bytes::from);
    Response::from_parts(head, Full::new(body))
}

/// The text of a default response.
fn message(body: &[u8]) -> Value {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body.get("message").or_else(|| body.get("Message")).cloned().unwrap_or_default()
}

/// The answer to a call of no method with an `Authorization` that is not a signature.
///
/// API Gateway then looks for a signature of AWS, and complains of what it found. The header itself
/// is not repeated, only its digest, as recordings of deployed APIs show.
pub(super) fn no_signature(value: &str) -> Option<String> {
    use base64::Engine as _;
    if value.starts_with("AWS4-") || value.is_empty() {
        return None;
    }
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, value.as_bytes());
    let digest = base64::engine::general_purpose::STANDARD.encode(digest);
    let text = format!(
        "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 \
         and encoded with Base64): '{digest}'."
    );
    Some(json!({ "message": text }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::asked::Origin;
    use crate::gateway::authorizer::tests::grant;
    use crate::gateway::options::tests::options;
    use crate::gateway::responses::RequestId;
    use crate::gateway::wire::Sent;
    use crate::gateway::{Expression, Kind, MAX_BODY};

    /// The response to a refused request for `/a`.
    async fn changed(changes: &Changes, refusal: Refusal, grant: &Grant) -> Response<Full<Bytes>> {
        let options = options(Kind::RestToken);
        let id = RequestId::new(Kind::RestToken);
        let (head, ()) = http::Request::get("/a").body(()).unwrap().into_parts();
        let from = Origin { sent: Sent::default(), peer: [127, 0, 0, 1].into(), id: &id };
        let asked = Asked::refused(&options, head, from);
        change(changes, refusal, &asked, grant, refusal.respond(&id)).await
    }

    #[tokio::test]
    async fn a_response_is_changed_by_its_type_or_else_by_its_class() {
        let change_of = |status, header: &str, body: &str| GatewayResponse {
            status,
            headers: [("X-It", header), ("Content-Length", "'5'"), ("Transfer-Encoding", "'gzip'")]
                .map(|(name, value)| {
                    (name.to_owned(), Expression::of_gateway_response(value).unwrap())
                })
                .to_vec(),
            body: Some(Expression::of_gateway_template(body)),
        };
        let changes = Changes::from([
            (
                "DEFAULT_4XX".to_owned(),
                change_of(None, "'4xx'", r#"{"m":$context.error.messageString,"t":"$context.x."}"#),
            ),
            (
                "ACCESS_DENIED".to_owned(),
                change_of(
                    Some(429),
                    "context.authorizer.plan",
                    "$context.error.responseType: $context.authorizer.plan.",
                ),
            ),
        ]);
        let seen = async |refusal: Refusal| {
            let response = changed(&changes, refusal, &grant()).await;
            let (head, body) = response.into_parts();
            // The server frames the body by itself.
            assert!(FRAMING.iter().all(|name| !head.headers.contains_key(name)));
            let header = head.headers.get("x-it").map(|value| value.to_str().unwrap().to_owned());
            let body = body.collect().await.unwrap().to_bytes();
            (head.status.as_u16(), header, String::from_utf8(body.to_vec()).unwrap())
        };
        let header = |text: &str| Some(text.to_owned());
        let expected = (401, header("4xx"), r#"{"m":"Unauthorized","t":"."}"#.to_owned());
        assert_eq!(seen(Refusal::Unauthorized).await, expected);
        let denied = Refusal::AccessDenied { explicit: true };
        assert_eq!(seen(denied).await, (429, header("free"), "ACCESS_DENIED: free.".to_owned()));
        let failed = seen(Refusal::AuthorizerFailure).await;
        assert_eq!(failed, (500, None, r#"{"message":null}"#.to_owned()));
    }

    #[tokio::test]
    async fn a_body_that_would_be_too_long_is_api_gateways_own() {
        let mut grant = grant();
        grant.context.insert("long".to_owned(), "a".repeat(MAX_BODY / 4).into());
        for (times, is_own) in [(4, true), (5, false)] {
            let template = "$context.authorizer.long".repeat(times);
            let body = Some(Expression::of_gateway_template(&template));
            let change = GatewayResponse { body, ..GatewayResponse::default() };
            let changes = Changes::from([("UNAUTHORIZED".to_owned(), change)]);
            let response = changed(&changes, Refusal::Unauthorized, &grant).await;
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body.len(), if is_own { MAX_BODY } else { 26 });
        }
    }

    #[test]
    fn a_token_in_place_of_a_signature_is_named_by_its_digest() {
        let text = no_signature("Bearer secret").unwrap();
        assert!(text.contains("Invalid key=value pair") && !text.contains("secret"), "{text}");
        assert_eq!(no_signature("AWS4-HMAC-SHA256 Credential=a"), None);
    }
}
