//! The parts that only WebSocket APIs have.

use super::*;

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
fn a_route_answers_with_an_expression_and_a_response() {
    let selects = "RouteResponseSelectionExpression: $default";
    let response = "P: {Type: AWS::ApiGatewayV2::RouteResponse, Properties: {ApiId: !Ref A, \
                    RouteId: !Ref R, RouteResponseKey: $default}}";
    for (route, more, responds, lack) in [
        ("", "", false, None),
        (selects, response, true, None),
        (selects, "", false, Some("the route lacks `AWS::ApiGatewayV2::RouteResponse`")),
        ("", response, false, Some("the route lacks `RouteResponseSelectionExpression: $default`")),
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
