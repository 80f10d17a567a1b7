use http_body_util::BodyExt;

use super::*;
use crate::gateway::Payload;

const REST: Kind = Kind::RestToken;
const HTTP: Kind = Kind::Http(Payload::V2);

async fn seen(kind: Kind, refusal: Refusal) -> (u16, String, String) {
    let response = refusal.respond(&RequestId::new(kind));
    let error_type = response
        .headers()
        .get("x-amzn-errortype")
        .map_or(String::new(), |value| value.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, error_type, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn every_refusal_looks_like_api_gateways() {
    let none = Refusal::InvalidApiKey { retry_after: None };
    let denied = Refusal::AccessDenied { explicit: false };
    let table = [
        (
            REST,
            Refusal::Unauthorized,
            401,
            "UnauthorizedException",
            "{\"message\":\"Unauthorized\"}",
        ),
        (
            REST,
            denied,
            403,
            "AccessDeniedException",
            "{\"Message\":\"User is not authorized to access this resource\"}",
        ),
        (REST, none, 429, "ForbiddenException", "{\"message\":\"Too Many Requests\"}"),
        (REST, Refusal::Forbidden, 403, "ForbiddenException", "{\"message\":\"Forbidden\"}"),
        (
            REST,
            Refusal::Throttled,
            429,
            "TooManyRequestsException",
            "{\"message\":\"Too Many Requests\"}",
        ),
        (
            REST,
            Refusal::QuotaExceeded,
            429,
            "LimitExceededException",
            "{\"message\":\"Limit Exceeded\"}",
        ),
        (
            REST,
            Refusal::AuthorizerConfiguration,
            500,
            "AuthorizerConfigurationException",
            "{\"message\":null}",
        ),
        (
            REST,
            Refusal::IntegrationTimeout,
            504,
            "InternalServerErrorException",
            "{\"message\": \"Endpoint request timed out\"}",
        ),
        (REST, Refusal::BodyTooLarge, 413, "", "HTTP content length exceeded 10485760 bytes."),
        // A public recording: koki-develop/lgtm-generator, issue 10.
        (
            REST,
            Refusal::EventTooLarge,
            413,
            "BadRequestException",
            "{\"message\": \"Request Too Long\"}",
        ),
        (HTTP, Refusal::Unauthorized, 401, "", "{\"message\":\"Unauthorized\"}"),
        (HTTP, denied, 403, "", "{\"message\":\"Forbidden\"}"),
        (HTTP, Refusal::AuthorizerFailure, 500, "", "{\"message\":\"Internal Server Error\"}"),
        (HTTP, Refusal::NoRoute, 404, "", "{\"message\":\"Not Found\"}"),
        (HTTP, Refusal::IntegrationTimeout, 503, "", "{\"message\":\"Service Unavailable\"}"),
    ];
    for (kind, refusal, status, error_type, body) in table {
        assert_eq!(
            seen(kind, refusal).await,
            (status, error_type.to_owned(), body.to_owned()),
            "{kind:?}"
        );
    }
    let (status, _, body) = seen(Kind::WebSocket, none).await;
    assert_eq!(status, 403, "a WebSocket API has no gateway response to map");
    assert!(body.starts_with("{\"message\":\"Forbidden\",\"connectionId\":\""), "{body}");
}

#[test]
fn ids_have_api_gateways_form_and_differ() {
    let (one, other) = (RequestId::new(REST), RequestId::new(REST));
    let first = Refusal::Unauthorized.respond(&one);
    let headers = first.headers();
    assert_eq!(headers["x-amzn-requestid"], one.as_str());
    let extended = headers["x-amz-apigw-id"].to_str().unwrap();
    assert_eq!((extended.len(), extended.ends_with('=')), (16, true));
    assert_eq!(headers[header::CONTENT_TYPE], "application/json");
    assert_ne!(one.as_str(), other.as_str());

    let http = RequestId::new(HTTP);
    let response = Refusal::Unauthorized.respond(&http);
    assert_eq!(response.headers()["apigw-requestid"], http.as_str());
    assert!(!response.headers().contains_key("x-amzn-requestid"));
    let socket = RequestId::new(Kind::WebSocket);
    assert_ne!(socket.connection(), socket.as_str());
    assert_eq!(socket.connection().len(), 16);
}

#[test]
fn a_retry_after_is_whole_seconds() {
    let respond = |retry_after| {
        let refusal = Refusal::InvalidApiKey { retry_after };
        refusal.respond(&RequestId::new(REST)).into_parts().0.headers
    };
    assert_eq!(respond(Some(3))[header::RETRY_AFTER], "3");
    assert!(!respond(None).contains_key(header::RETRY_AFTER));
}
