//! Method responses that integration responses need.

use super::*;

/// The notes of a method with these responses and this integration.
fn notes(responses: &str, integration: &str) -> Vec<String> {
    let text = format!(
        r##"{{"openapi": "3.0.1",
        "components": {{"responses": {{"Cors": {{"headers": {{"X-A": {{}}}}}}}}}},
        "paths": {{"/x": {{"get": {{"responses": {responses},
        "x-amazon-apigateway-integration": {integration}}}}}}}}}"##
    );
    read_text(&text, &[]).unwrap().notes
}

const REFUSED: &str = "GET /x: API Gateway refuses this method: its responses must declare ";

#[test]
fn a_status_or_header_that_a_method_does_not_declare_is_named() {
    let mock = r#"{"type": "MOCK", "responses": {"default": {"statusCode": 200,
        "responseParameters": {"method.response.header.X-A": "'a'"}}}}"#;
    for (responses, missing) in [
        ("{}", Some("the status 200")),
        (r#"{"200": {"description": "ok"}}"#, Some("the header `X-A` of 200")),
        (r#"{"200": {"headers": {"X-B": {}}}}"#, Some("the header `X-A` of 200")),
        (r#"{"200": {"headers": {"x-a": {}}}}"#, None),
        (r##"{"200": {"$ref": "#/components/responses/Cors"}}"##, None),
        (r##"{"200": {"$ref": "other.yaml#/Cors"}}"##, None),
        (r#"{"default": {"headers": {"X-A": {}}}}"#, None),
    ] {
        let expected = missing.map(|missing| format!("OpenAPI: {REFUSED}{missing}"));
        assert_eq!(notes(responses, mock), expected.into_iter().collect::<Vec<_>>(), "{responses}");
    }
    // A proxy's response passes as it is.
    assert!(notes("{}", &mock.replace("MOCK", "http_proxy")).is_empty());
}

#[test]
fn a_method_of_cloudformation_declares_its_responses_too() {
    let of = |declared: &str| {
        let text = format!(
            "
Resources:
  A: {{Type: AWS::ApiGateway::RestApi}}
  R: {{Type: AWS::ApiGateway::Resource, Properties: {{RestApiId: !Ref A, PathPart: x,
    ParentId: !GetAtt A.RootResourceId}}}}
  M: {{Type: AWS::ApiGateway::Method, Properties: {{RestApiId: !Ref A, ResourceId: !Ref R,
    HttpMethod: GET, MethodResponses: [{declared}], Integration: {{Type: MOCK,
    IntegrationResponses: [{{StatusCode: 204,
    ResponseParameters: {{method.response.header.X-A: \"'a'\"}}}}]}}}}}}
"
        );
        read_text(&text, &[]).unwrap().notes
    };
    assert_eq!(of(""), [format!("A: {REFUSED}the status 204")]);
    assert_eq!(of("{StatusCode: 204}"), [format!("A: {REFUSED}the header `X-A` of 204")]);
    let declared = "{StatusCode: 204, ResponseParameters: {method.response.header.X-A: true}}";
    assert!(of(declared).is_empty());
}
