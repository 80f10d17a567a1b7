//! The calls of a template's APIs that the start prints for a person to paste.

use super::*;

const TEMPLATE: &str = "
Resources:
  Rest: {Type: AWS::ApiGateway::RestApi, Properties: {Body: {paths: {/orders: {get: {
    x-amazon-apigateway-integration: {type: mock, responses: {default: {statusCode: 200}}}}}}}}}
  Web: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: HTTP, Target: 'http://127.0.0.1:9'}}
  Chat: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET}}
  Echo: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Chat, RouteKey: echo}}
";

#[test]
fn each_api_has_a_call_of_its_kind() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("template.yaml");
    std::fs::write(&file, TEMPLATE).unwrap();
    let mut child = Command::new(LOCAL)
        .args(["--api-port", "0", "--issuer-port", "0", "--dynamodb-port", "0"])
        .args(["--http-port", "0", "--websocket-port", "0", "--template"])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let is_call = |line: &String| line.starts_with("  curl ") || line.starts_with("  node ");
    let calls: Vec<String> = lines.filter(is_call).take(3).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    let [chat, rest, web] = &calls[..] else { panic!("{calls:?}") };
    assert!(chat.starts_with("  node -e 'const s = new WebSocket(\"ws://127.0.0.1:"), "{chat}");
    assert!(rest.ends_with("/orders'; echo"), "{rest}");
    assert!(web.starts_with("  curl -i 'http://127.0.0.1:"), "{web}");
}
