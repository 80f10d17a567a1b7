//! Bounds of what is made of a request: texts of mappings and templates.

use std::sync::Arc;

use bytes::Bytes;
use local::gateway::{
    Address, Expression, Integration, IntegrationResponse, Invoke, Kind, Mapping, Payload, Route,
    Templates,
};

use crate::api::{Api, is, policy, seen};

const REST: Kind = Kind::RestToken;
const V2: Kind = Kind::Http(Payload::V2);

async fn api(kind: Kind, integration: Integration) -> Api {
    Api::start_with(kind, Ok(policy(kind, &[("Allow", "*")])), |options| {
        options.integration = integration;
        options.responses = Some(Arc::default());
        options.routes = Route::everything();
    })
    .await
}

/// An integration's templates: that of the request, and that of the response.
fn templates(request: &str, response: &str) -> Templates {
    let json = |text| vec![("application/json".to_owned(), Expression::of_template(text).unwrap())];
    let response = IntegrationResponse {
        status: Some(200),
        bodies: json(response),
        ..IntegrationResponse::default()
    };
    Templates { requests: json(request), responses: vec![response], ..Templates::default() }
}

/// The status of the answer to a body of 400 KB.
async fn status(api: &Api, character: &str) -> u16 {
    let body = character.repeat(400_000 / character.len());
    api.request("POST /a").bearer_auth("t").body(body).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_filled_request_template_has_10_mb_at_most() {
    for (filled, character, expected) in [
        ("$input.body".repeat(26), "a", 200),
        ("$input.body".repeat(27), "a", 413),
        // Each makes three bytes of one, the second five of three.
        ("$util.urlEncode($input.body)".repeat(8), "=", 200),
        ("$util.urlEncode($input.body)".repeat(9), "=", 413),
        ("$util.urlEncode($util.urlEncode($input.body))".repeat(6), "=", 413),
    ] {
        let request = format!(r#"{{"statusCode": 200}} {filled}"#);
        let api = api(REST, Integration::Mock(templates(&request, "{}"))).await;
        assert_eq!(status(&api, character).await, expected, "{}", filled.len());
    }
}

#[tokio::test]
async fn a_template_reads_256_mb_at_most() {
    // Nothing is left of what is not base64. It is read twice: as the body, and to be decoded.
    for (times, expected) in [(14, 200), (15, 413)] {
        let request = format!(r#"{{"statusCode": 200}} {}"#, DECODED.repeat(times));
        let api = api(REST, Integration::Mock(templates(&request, "{}"))).await;
        let request = api.request("POST /a").bearer_auth("t").body("!".repeat(9 * 1024 * 1024));
        assert_eq!(request.send().await.unwrap().status(), expected, "{times}");
    }
}

const DECODED: &str = "$util.base64Decode($input.body)";

#[tokio::test]
async fn a_member_of_a_large_body_is_found_and_one_that_is_too_large_is_not() {
    let body = format!(r#"{{"a": ["b"], "c": [{}0]}}"#, r#"{"":0},"#.repeat(120_000));
    for (path, expected) in [("$.a", 200), ("$.c[1]", 200), ("$.c", 413), ("$", 413)] {
        let request = format!(r#"{{"statusCode": 200, "a": $input.json('{path}')}}"#);
        let api = api(REST, Integration::Mock(templates(&request, "{}"))).await;
        let request = api.request("POST /a").bearer_auth("t").body(body.clone());
        assert_eq!(request.send().await.unwrap().status(), expected, "{path}");
    }
}

#[tokio::test]
async fn a_filled_response_has_10_mb_at_most() {
    let repeating: Invoke = Arc::new(|_, event: Bytes| Box::pin(std::future::ready(Ok(event))));
    for (times, expected) in [(26, 200), (27, 500)] {
        let templates = templates("\"$input.body\"", &"$input.body".repeat(times));
        let api = api(REST, Integration::Custom(Arc::clone(&repeating), templates)).await;
        assert_eq!(status(&api, "a").await, expected, "{times}");
    }
}

#[tokio::test]
async fn a_mapped_value_has_10_mb_at_most() {
    for to in ["append:header.x", "append:querystring.x", "overwrite:path"] {
        let mapping = Mapping::of_http(to, &"${request.body}".repeat(27)).unwrap();
        let text = "http://127.0.0.1:1/in".to_owned();
        let address = Address { text, mappings: vec![mapping], ..Address::default() };
        let api = api(V2, Integration::Address(address)).await;
        let request = api.request("POST /a").bearer_auth("t").body("a".repeat(400_000));
        let expected = is(500, r#"{"message":"Internal Server Error"}"#);
        assert_eq!(seen(request.send().await.unwrap()).await, expected, "{to}");
    }
}
