//! The parts that only WebSocket APIs have.

use super::*;
use crate::gateway::{Address, Passthrough};

/// The API of this expression, with one route whose members these are, and the notes.
fn api(expression: &str, route: &str, more: &str) -> (Api, String) {
    let text = format!(
        "
Resources:
  A: {{Type: AWS::ApiGatewayV2::Api, Properties: {{ProtocolType: WEBSOCKET, {expression}}}}}
  S: {{Type: AWS::ApiGatewayV2::Stage, Properties: {{ApiId: !Ref A, StageName: v1}}}}
  R: {{Type: AWS::ApiGatewayV2::Route, Properties: {{ApiId: !Ref A, RouteKey: send, {route}}}}}
  {more}
"
    );
    let mut template = read_text(&text, &[]).unwrap();
    (template.apis.remove(0), template.notes.join("\n"))
}

#[test]
fn the_expression_of_routes_is_read_or_named() {
    let (found, notes) = api("RouteSelectionExpression: $request.body.a.b", "", "");
    assert_eq!(found.selection.message("send"), Some(json!({"a": {"b": "send"}})));
    assert_eq!((found.stage.as_str(), notes.as_str()), ("v1", ""));
    let (found, _) = api("", "", "");
    assert_eq!(found.selection.message("send"), Some(json!({"action": "send"})));
    let (_, notes) = api("RouteSelectionExpression: $request.header.a", "", "");
    let expected = "A: the `RouteSelectionExpression` `$request.header.a` is not evaluated here";
    assert!(notes.starts_with(expected), "{notes}");
    assert!(notes.ends_with("every message takes `$default`"), "{notes}");
}

#[test]
fn a_route_with_a_response_answers() {
    let selects = "RouteResponseSelectionExpression: $default";
    let response = "P: {Type: AWS::ApiGatewayV2::RouteResponse, Properties: {ApiId: !Ref A, \
                    RouteId: !Ref R, RouteResponseKey: $default}}";
    for (route, more, responds, lack) in [
        ("", "", false, None),
        (selects, response, true, None),
        (selects, "", false, Some("the route lacks `AWS::ApiGatewayV2::RouteResponse`")),
        ("", response, true, None),
    ] {
        let (found, notes) = api("", route, more);
        assert_eq!(found.routes[0].responds, responds, "{route} {more}");
        match lack {
            Some(lack) => assert!(notes.contains(lack), "{notes}"),
            None => assert_eq!(notes, ""),
        }
    }
}

#[test]
fn a_route_may_have_no_target_and_not_one_that_is_elsewhere() {
    let (found, _) = api("", "", "");
    assert_eq!(found.routes[0].integration, Integration::Nothing);
    let (found, _) = api("", "Target: integrations/abc", "");
    assert!(matches!(found.routes[0].integration, Integration::Unserved(_)));
}

/// The integration of the only route, with these settings and these integration responses.
fn integration(settings: &str, responses: &[&str]) -> Integration {
    let mut more = format!(
        "I: {{Type: AWS::ApiGatewayV2::Integration, Properties: {{ApiId: !Ref A, {settings}}}}}"
    );
    for (at, settings) in responses.iter().enumerate() {
        more.push_str(&format!(
            "\n  P{at}: {{Type: AWS::ApiGatewayV2::IntegrationResponse, Properties: {{ApiId: !Ref A, \
             IntegrationId: !Ref I, {settings}}}}}"
        ));
    }
    let (mut found, _) = api("", "Target: !Sub 'integrations/${I}'", &more);
    found.routes.remove(0).integration
}

#[test]
fn integrations_have_mappings_templates_and_responses() {
    let of = |text: &str| Expression::of_template(text).unwrap();
    let found = integration(
        "IntegrationType: HTTP, IntegrationMethod: PUT, IntegrationUri: 'http://a.example/{id}', \
         PassthroughBehavior: NEVER, TemplateSelectionExpression: '${request.body.kind}', \
         RequestParameters: {integration.request.path.id: context.connectionId}, \
         RequestTemplates: {join: '$input.body', $default: '{}'}",
        &[
            "IntegrationResponseKey: '/4\\d\\d/', ResponseTemplates: {$default: 'no'}",
            "IntegrationResponseKey: 4.0",
            "IntegrationResponseKey: $default, ResponseTemplates: {'200': 'yes'}, \
             TemplateSelectionExpression: '${integration.response.statuscode}'",
        ],
    );
    let response = |pattern: Option<&str>, bodies: &[(&str, &str)]| IntegrationResponse {
        pattern: pattern.map(|text| text.parse().unwrap()),
        bodies: bodies.iter().map(|(key, text)| ((*key).to_owned(), of(text))).collect(),
        ..IntegrationResponse::default()
    };
    let last = IntegrationResponse {
        selection: Some(Expression::of_selection("$integration.response.statuscode").unwrap()),
        ..response(None, &[("200", "yes")])
    };
    let address = Address {
        text: "http://a.example/{id}".to_owned(),
        method: Some(http::Method::PUT),
        mappings: vec![
            Mapping::of_socket("integration.request.path.id", "context.connectionId").unwrap(),
        ],
        templates: Some(Templates {
            requests: vec![
                ("$default".to_owned(), of("{}")),
                ("join".to_owned(), of("$input.body")),
            ],
            selection: Some(Expression::of_selection("$request.body.kind").unwrap()),
            passthrough: Passthrough::Never,
            responses: vec![
                response(Some("4\\d\\d"), &[("$default", "no")]),
                // Text without slashes is not a pattern.
                response(Some("4\\.0"), &[]),
                last,
            ],
        }),
    };
    assert_eq!(found, Integration::Http(address));
    let uri = "IntegrationUri: 'arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/\
               arn:aws:lambda:us-east-1:123456789012:function:F/invocations'";
    let custom = integration(&format!("IntegrationType: AWS, {uri}"), &[]);
    assert_eq!(custom, Integration::Custom("F".to_owned(), Templates::default()));
    assert!(custom.lacks_response());
    let answered = integration("IntegrationType: MOCK", &["IntegrationResponseKey: $default"]);
    assert!(!answered.lacks_response());
}

#[test]
fn what_is_not_served_of_an_integration_is_the_reason() {
    let http = "IntegrationUri: 'http://a.example', RequestParameters: ";
    for (settings, responses, expected) in [
        (
            "IntegrationType: MOCK, TemplateSelectionExpression: $context.routeKey".to_owned(),
            &[][..],
            "the template selection expression `$context.routeKey`",
        ),
        (
            "IntegrationType: MOCK".to_owned(),
            &["IntegrationResponseKey: /(/"],
            "the pattern `(` cannot be matched here: found open group without closing ')'",
        ),
        (
            format!(
                "IntegrationType: HTTP_PROXY, {http}{{integration.request.header.a: \
                     method.request.header.b}}"
            ),
            &[],
            "the mapping `method.request.header.b`",
        ),
        (
            "IntegrationType: HTTP_PROXY, IntegrationUri: 'http://a.example/{id}'".to_owned(),
            &[],
            "`{id}` of the integration's address needs the mapping `integration.request.path.id`",
        ),
        (
            "IntegrationType: AWS, IntegrationUri: 'arn:aws:apigateway:x:sqs:path/q'".to_owned(),
            &[],
            "the service integration `sqs:path/q` needs AWS",
        ),
    ] {
        assert_eq!(integration(&settings, responses), Integration::Unserved(expected.to_owned()));
    }
}
