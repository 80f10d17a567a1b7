//! Open routes beside guarded ones, which must not take their requests.

use super::*;

#[test]
fn of_a_route_that_is_defined_twice_the_guard_counts() {
    let template = read_text(
        "
Resources:
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Body: {paths: {/x: {get: {}}}}}}
  Resource: {Type: AWS::ApiGateway::Resource, Properties: {RestApiId: !Ref Api, PathPart: x,
    ParentId: !GetAtt Api.RootResourceId}}
  Guarded:
    Type: AWS::ApiGateway::Method
    Properties: {RestApiId: !Ref Api, ResourceId: !Ref Resource, HttpMethod: GET,
      AuthorizationType: AWS_IAM, Integration: {Type: MOCK}}
  Open:
    Type: AWS::ApiGateway::Method
    Properties: {RestApiId: !Ref Api, ResourceId: !ImportValue elsewhere, HttpMethod: PUT,
      Integration: {Type: MOCK}}
  WithKey:
    Type: AWS::ApiGateway::Method
    Properties: {RestApiId: !Ref Api, HttpMethod: PUT, ApiKeyRequired: true,
      Integration: {Type: MOCK}}
  Chat: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET}}
  A: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Chat, RouteKey: $connect}}
  B: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Chat, RouteKey: $connect,
    AuthorizationType: AWS_IAM}}
",
        &[],
    )
    .unwrap();
    assert_eq!(route(&template, "GET /x").authorizer.as_deref(), Some("AWS_IAM"));
    assert!(route(&template, "PUT /").needs_key);
    assert_eq!(route(&template, "$connect").authorizer.as_deref(), Some("AWS_IAM"));
}

#[test]
fn of_two_events_for_a_route_the_guard_counts() {
    for (first, second) in [("{Authorizer: NONE}", "{}"), ("{}", "{Authorizer: NONE}")] {
        let text = format!(
            "
Resources:
  Judge: {{Type: AWS::Serverless::Function, Properties: {{}}}}
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: p
      Auth: {{DefaultAuthorizer: J, Authorizers: {{J: {{FunctionArn: !GetAtt Judge.Arn}}}}}}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        A: {{Type: Api, Properties: {{RestApiId: !Ref Api, Path: /a/, Method: get, Auth: {first}}}}}
        B: {{Type: Api, Properties: {{RestApiId: !Ref Api, Path: /a, Method: get, Auth: {second}}}}}
"
        );
        let template = read_text(&text, &[]).unwrap();
        assert_eq!(route(&template, "GET /a").authorizer.as_deref(), Some("J"), "{first}");
    }
}

#[test]
fn a_guarded_route_that_cannot_be_read_closes_those_that_could_take_its_requests() {
    let text = |guard: &str| {
        format!(
            "
Resources:
  Api: {{Type: AWS::ApiGatewayV2::Api, Properties: {{ProtocolType: HTTP, Target: 'https://a.example'}}}}
  Hidden: {{Type: AWS::ApiGatewayV2::Route, Properties: {{ApiId: !Ref Api, {guard}
    RouteKey: !ImportValue elsewhere}}}}
  Greedy: {{Type: AWS::ApiGatewayV2::Route, Properties: {{ApiId: !Ref Api, RouteKey: 'GET /a/{{b+}}',
    AuthorizationType: AWS_IAM}}}}
  Plain: {{Type: AWS::ApiGatewayV2::Route, Properties: {{ApiId: !Ref Api, RouteKey: 'GET /b',
    Target: integrations/none}}}}
"
        )
    };
    let reason = "it could take the requests of the guarded";
    let closed = |template: &Template, key: &str| matches!(&route(template, key).integration, Integration::Unserved(text) if text.starts_with(reason));
    let template = read_text(&text("AuthorizationType: AWS_IAM,"), &[]).unwrap();
    assert!(closed(&template, "$default"));
    assert!(!closed(&template, "GET /b") && !closed(&template, "GET /a/{b+}"));
    let notes = template.notes.join("\n");
    assert!(notes.contains(&format!("Api: $default: answers 501: {reason}")), "{notes}");
    let template = read_text(&text(""), &[]).unwrap();
    assert!(!closed(&template, "$default"), "{:?}", template.notes);
}

#[test]
fn every_method_has_its_own_name_in_events_too() {
    let text = "
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        A: {Type: Api, Properties: {Path: /a, Method: x-amazon-apigateway-any-method}}
        B: {Type: HttpApi, Properties: {Path: /b, Method: X-Amazon-ApiGateway-Any-Method}}
";
    let template = read_text(text, &[]).unwrap();
    for key in ["ANY /a", "ANY /b"] {
        assert_eq!(route(&template, key).integration, Integration::Function("F".to_owned()));
    }
}

#[test]
fn overrides_of_a_quick_created_api_guard_its_route() {
    let template = read_text(
        "
Resources:
  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: HTTP, Target: 'https://a.example'}}
  Own: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Api, RouteKey: GET /b}}
  Overrides:
    Type: AWS::ApiGatewayV2::ApiGatewayManagedOverrides
    Properties:
      ApiId: !Ref Api
      Route: {AuthorizationType: AWS_IAM}
      Stage: {AutoDeploy: true}
",
        &[],
    )
    .unwrap();
    assert_eq!(route(&template, "$default").authorizer.as_deref(), Some("AWS_IAM"));
    assert_eq!(route(&template, "GET /b").authorizer, None);
    let notes = template.notes.join("\n");
    assert!(notes.contains("Overrides: only its `Route` is read here"), "{notes}");
}
