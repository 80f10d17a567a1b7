//! `doctor --template` and `doctor --openapi`.

#![allow(clippy::indexing_slicing, reason = "a test may fail loudly")]

use serde_json::Value;

use crate::support::{Answer, Tollgate};

/// Runs a doctor on a file; nothing is called, so there is no table.
fn doctor(option: &str, content: &str) -> Answer {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, content).unwrap();
    let tollgate = Tollgate::at("http://127.0.0.1:9");
    tollgate.run(&["doctor", option, file.path().to_str().unwrap(), "--json"])
}

/// The findings of a state.
fn found(answer: &Answer, state: &str) -> Vec<String> {
    let json: Value = serde_json::from_str(&answer.out).unwrap();
    let checks = json["checks"].as_array().unwrap().iter();
    let wanted = checks.filter(|it| it["state"] == state);
    wanted.map(|it| it["text"].as_str().unwrap().to_owned()).collect()
}

const AUTHORIZER: &str = "
      {type: apiKey, name: Authorization, in: header, x-amazon-apigateway-authtype: custom,
       x-amazon-apigateway-authorizer: {type: token, authorizerResultTtlInSeconds: 0}}";

const SCHEMES: &str = "
components:
  securitySchemes:
    tollgate:
      {type: apiKey, name: Authorization, in: header, x-amazon-apigateway-authtype: custom,
       x-amazon-apigateway-authorizer: {type: token, authorizerResultTtlInSeconds: 0}}
    plan: {type: apiKey, name: x-api-key, in: header}
";

#[test]
fn every_open_operation_of_a_definition_is_listed() {
    let answer = doctor(
        "--openapi",
        &format!(
            "openapi: 3.0.1\nsecurity: [{{tollgate: []}}]\n{SCHEMES}\npaths:\n  \
             /orders:\n    get: {{security: [{{tollgate: [], plan: []}}]}}\n    \
             post: {{security: [{{tollgate: []}}]}}\n    options: {{security: []}}\n  \
             /open: {{get: {{}}}}\n  /either: {{get: {{security: [{{tollgate: []}}, {{}}]}}}}\n  \
             /none: {{x-amazon-apigateway-any-method: {{security: []}}}}\n"
        ),
    );
    assert_eq!(answer.code, 1, "{}", answer.out);
    let failed = found(&answer, "fail");
    for part in ["`POST /orders`", "`GET /open`", "`GET /either`", "`ANY /none`", "requires no key"]
    {
        assert!(failed.iter().any(|text| text.contains(part)), "{part}: {failed:?}");
    }
    assert_eq!(failed.len(), 4);
    assert!(found(&answer, "skip")[0].contains("`OPTIONS /orders`"));
    assert_eq!(found(&answer, "ok"), ["2 of 6 routes are guarded"]);
}

#[test]
fn references_of_paths_and_schemes_are_followed() {
    let schemes = SCHEMES.replace("    tollgate:\n", "    tollgate: {$ref: '#/x-authorizer'}\n");
    let (schemes, authorizer) = (schemes.replacen(AUTHORIZER, "", 1), AUTHORIZER.trim());
    let answer = doctor(
        "--openapi",
        &format!(
            "openapi: 3.0.1\nx-authorizer: {authorizer}\n{schemes}  pathItems:\n    \
             open: {{get: {{}}}}\n    loop: {{$ref: '#/components/pathItems/loop'}}\npaths:\n  \
             /orders: {{get: {{security: [{{tollgate: []}}]}}}}\n  \
             /open: {{$ref: '#/components/pathItems/open'}}\n  \
             /loop: {{$ref: '#/components/pathItems/loop'}}\n  /far: {{$ref: 'far.yaml#/a'}}\n"
        ),
    );
    let failed = found(&answer, "fail");
    assert_eq!((answer.code, failed.len()), (1, 3), "{failed:?}");
    for part in ["`GET /open` of", "path `/loop` of", "leads out of the file"] {
        assert!(failed.iter().any(|text| text.contains(part)), "{part}: {failed:?}");
    }
    assert_eq!(found(&answer, "ok"), ["1 of 2 routes are guarded"]);
}

/// Keys from the authorizer are pointless on an API whose methods ask for none.
#[test]
fn an_api_with_the_authorizer_s_keys_needs_them_on_each_method() {
    let definition = format!(
        "openapi: 3.0.1\nx-amazon-apigateway-api-key-source: AUTHORIZER\n{SCHEMES}\npaths:\n  \
         /orders: {{get: {{security: [{{tollgate: []}}]}}}}\n"
    );
    let template = "
Resources:
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {ApiKeySourceType: AUTHORIZER}}
  Get:
    Type: AWS::ApiGateway::Method
    Properties:
      {RestApiId: !Ref Api, ResourceId: !GetAtt Api.RootResourceId, HttpMethod: GET,
       AuthorizationType: CUSTOM}
";
    for (option, content) in [("--openapi", definition.as_str()), ("--template", template)] {
        let answer = doctor(option, content);
        let failed = found(&answer, "fail");
        assert_eq!((answer.code, failed.len()), (1, 1), "{failed:?}");
        assert!(failed[0].contains("requires no key: callers over their limits"), "{failed:?}");
        let other = doctor(option, &content.replace("AUTHORIZER", "HEADER"));
        assert_eq!(other.code, 0, "{}", other.out);
    }
}

#[test]
fn a_greedy_route_tells_what_a_slash_leads_to() {
    let template = "
Resources:
  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: HTTP}}
  Orders:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Api, RouteKey: GET /orders, AuthorizationType: CUSTOM}
  Rest:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Api, RouteKey: $default}
  Files:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Api, RouteKey: 'GET /files/{path+}', AuthorizationType: JWT}
";
    let answer = doctor("--template", template);
    let failed = found(&answer, "fail");
    assert_eq!((answer.code, failed.len()), (1, 2), "{failed:?}");
    assert!(failed.iter().any(|it| it.contains("`ANY $default`") && it.contains("`/orders/`")));
    assert!(failed.iter().any(|it| it.contains("/files/") && !it.contains("`/orders/`")));
    let guarded = template.replace("$default}", "$default, AuthorizationType: CUSTOM}");
    let guarded = guarded.replace("JWT", "CUSTOM");
    assert_eq!(doctor("--template", &guarded).code, 0);
}

#[test]
fn methods_authorizers_and_events_of_a_template_are_read() {
    let answer = doctor(
        "--template",
        "
Resources:
  Api: {Type: AWS::ApiGateway::RestApi}
  Orders:
    Type: AWS::ApiGateway::Resource
    Properties: {RestApiId: !Ref Api, ParentId: !GetAtt Api.RootResourceId, PathPart: orders}
  One:
    Type: AWS::ApiGateway::Resource
    Properties: {RestApiId: !Ref Api, ParentId: !Ref Orders, PathPart: '{id}'}
  Get:
    Type: AWS::ApiGateway::Method
    Properties:
      {RestApiId: !Ref Api, ResourceId: !Ref One, HttpMethod: GET, AuthorizationType: CUSTOM,
       ApiKeyRequired: true}
  Put:
    Type: AWS::ApiGateway::Method
    Properties: {RestApiId: !Ref Api, ResourceId: !Ref One, HttpMethod: PUT, AuthorizationType: NONE}
  Authorizer: {Type: AWS::ApiGateway::Authorizer, Properties: {RestApiId: !Ref Api}}
  Shop:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: tollgate
        Authorizers: {tollgate: {FunctionArn: !GetAtt Guard.Arn, Identity: {ReauthorizeEvery: 60}}}
  Old:
    Type: AWS::Serverless::Api
    Properties:
      Auth: {Authorizers: {forgotten: {FunctionArn: !GetAtt Guard.Arn}, pool: {UserPoolArn: arn}}}
  Function:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        Read: {Type: HttpApi, Properties: {ApiId: !Ref Shop, Method: get, Path: /shop}}
        Open:
          {Type: HttpApi, Properties: {ApiId: !Ref Shop, Method: get, Path: /open, Auth: {Authorizer: NONE}}}
        Implicit: {Type: Api, Properties: {Method: get, Path: /implicit}}
  Socket: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET}}
  Connect: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Socket, RouteKey: $connect}}
  Send: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Socket, RouteKey: send}}
",
    );
    let failed = found(&answer, "fail");
    for part in [
        "`PUT /orders/{id}` of Api is open",
        "`GET /open` of Shop is open",
        "`GET /implicit` of the implicit Api is open",
        "`ANY $connect` of Socket is open",
        "results of `Authorizer` are cached for 300 s",
        "results of `tollgate` are cached for 60 s",
        "results of `forgotten` are cached for 300 s",
    ] {
        assert!(failed.iter().any(|text| text.contains(part)), "{part}: {failed:?}");
    }
    assert_eq!(failed.len(), 7, "{failed:?}");
    assert_eq!(found(&answer, "ok"), ["2 of 6 routes are guarded"]);
}

#[test]
fn the_templates_of_this_repository_are_guarded() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let tollgate = Tollgate::at("http://127.0.0.1:9");
    for file in ["template.yaml", "examples/http-api.yaml", "examples/services.yaml"] {
        let answer = tollgate.run(&["doctor", "--template", &format!("{root}/{file}")]);
        assert_eq!(answer.code, 0, "{file}: {}{}", answer.out, answer.err);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_refused() {
    let doubled = (1..30).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1));
    let bomb = format!("a0: &a0 [x, x]\n{}", doubled.collect::<String>());
    let deep = format!("{}{}", "[".repeat(150), "]".repeat(150));
    let deeper = "[".repeat(5_000);
    for (content, said) in [
        ("", "is empty"),
        ("a: 1\n---\nb: 2", "has a second document"),
        ("a: [", "not YAML"),
        (&bomb, "has more than 500000 values"),
        (&deep, "nested deeper"),
        (&deeper, "not YAML"),
        ("Resources: {}", "no routes"),
        ("5", "no routes"),
        ("paths: [1]", "no routes"),
        ("Resources: {A: {Type: AWS::ApiGateway::Method}}", "is open"),
        ("Resources: {A: {Type: AWS::ApiGatewayV2::Route, Properties: 7}}", "is open"),
    ] {
        for option in ["--template", "--openapi"] {
            let answer = doctor(option, content);
            let shown = format!("{}{}", answer.out, answer.err);
            let other = option == "--openapi" && said == "is open";
            assert_eq!(answer.code, 1, "{shown}");
            assert!(other || shown.contains(said), "{said}: {shown}");
        }
    }
    let long = "#".repeat(1_048_577);
    assert!(doctor("--template", &long).err.contains("longer than 1048576 bytes"));
}
