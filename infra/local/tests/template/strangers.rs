//! Templates as they are found: a function that does not start, a plain OpenAPI document, an open
//! WebSocket API.

use std::path::Path;

use super::*;

fn write(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

const FUNCTIONS: &str = "
Globals: {Function: {Runtime: python3.13}}
Resources:
  Good:
    Type: AWS::Serverless::Function
    Properties:
      Handler: good.handler
      Events: {A: {Type: Api, Properties: {Path: /good, Method: get}}}
  Bad:
    Type: AWS::Serverless::Function
    Properties:
      Handler: bad.handler
      Events:
        A: {Type: Api, Properties: {Path: /bad, Method: get}}
        B: {Type: HttpApi, Properties: {Path: /bad, Method: get}}
";

#[tokio::test]
async fn a_function_that_does_not_start_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let answer = "def handler(event, context):\n    return {'statusCode': 200, 'body': '{}'}\n";
    write(folder.path(), "good.py", answer);
    write(folder.path(), "bad.py", "import no_such_package\n");
    let file = write(folder.path(), "template.yaml", FUNCTIONS);
    let local = Local::start(&["--template", &file]);
    assert_eq!(local.call("GET /good", "").await.status(), 200);
    let bad = local.call("GET /bad", "").await;
    assert_eq!(bad.status(), 502);
    let url = format!("{}/bad", local.ready["http_api"].as_str().unwrap());
    assert_eq!(called(&local, &url, &[]).await.0, 500);
    let notes = local.notes();
    assert_eq!(notes.matches("no_such_package").count(), 1, "{notes}");
    assert!(notes.contains("add --function Bad='COMMAND'"), "{notes}");
    // Nothing is said of callers where nothing is guarded.
    assert!(!notes.contains("--users"), "{notes}");
    let routes = json!([
        {"key": "GET /bad", "needs_key": false, "is_served": true},
        {"key": "GET /good", "needs_key": false, "is_served": true},
    ]);
    assert_eq!(local.ready["apis"][1]["routes"], routes);
}

#[tokio::test]
async fn a_function_that_only_a_route_names_takes_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let function = "arn:aws:lambda:us-east-1:123456789012:function:Other";
    let uri = format!(
        "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"
    );
    let document = json!({"swagger": "2.0", "paths": {"/x": {"get": {
        "x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST", "uri": uri},
    }}}});
    let file = write(folder.path(), "api.json", &document.to_string());
    let without = Local::start(&["--template", &file]);
    assert_eq!(without.call("GET /x", "").await.status(), 501);
    assert!(without.notes().contains("add --function Other='COMMAND'"), "{}", without.notes());
    let local = Local::start(&["--template", &file, "--function", "Other=echo"]);
    assert_eq!(local.call("GET /x", "").await.status(), 200);
}

#[tokio::test]
async fn an_open_connect_is_open_whatever_authorizers_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let template = "
Resources:
  Chat:
    Type: AWS::ApiGatewayV2::Api
    Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}
  Unused:
    Type: AWS::ApiGatewayV2::Authorizer
    Properties: {ApiId: !Ref Chat, AuthorizerType: REQUEST, AuthorizerUri: u}
  Connect:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Chat, RouteKey: $connect, AuthorizationType: NONE}
  Send: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Chat, RouteKey: send}}
";
    let connect = async |text: &str| {
        let file = write(folder.path(), "template.yaml", text);
        let local = Local::start(&["--template", &file]);
        let url = local.ready["websocket_api"].as_str().unwrap().replacen("ws:", "http:", 1);
        let request = local.http.get(url).header("connection", "upgrade");
        let request = request.header("upgrade", "websocket").header("sec-websocket-version", "13");
        let request = request.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        (request.send().await.unwrap().status().as_u16(), local.notes())
    };
    let (status, notes) = connect(template).await;
    assert_eq!(status, 101);
    assert!(!notes.contains("it is not a route"), "{notes}");
    let iam = template.replace("AuthorizationType: NONE", "AuthorizationType: AWS_IAM");
    let (status, notes) = connect(&iam).await;
    assert_eq!(status, 500);
    assert!(notes.contains("Chat: $connect: every handshake answers 500"), "{notes}");
}

/// The start says that the first counts; an open one behind it does not open a guarded route.
#[tokio::test]
async fn of_two_routes_with_one_key_the_first_guards() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("template.yaml");
    let text = "
Resources:
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: a}}
  Judge:
    Type: AWS::ApiGateway::Authorizer
    Properties:
      {RestApiId: !Ref Api, Type: TOKEN, IdentitySource: method.request.header.Authorization}
  First:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      HttpMethod: GET
      AuthorizationType: CUSTOM
      AuthorizerId: !Ref Judge
      Integration: {Type: MOCK}
  Second:
    Type: AWS::ApiGateway::Method
    Properties: {RestApiId: !Ref Api, HttpMethod: GET, Integration: {Type: MOCK}}
";
    std::fs::write(&file, text).unwrap();
    let local = Local::start(&["--template", file.to_str().unwrap()]);
    assert_eq!(local.call("GET /", "").await.status(), 401);
}
