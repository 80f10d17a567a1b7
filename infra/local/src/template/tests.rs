//! Templates of every form, and this repository's own.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::gateway::{
    Expression, IntegrationResponse, Kind, Mapping, Payload, ResponseMappings, Templates,
};

mod beside;
mod bounds;
mod declared;
mod functions;
mod guards;
mod integrations;
mod loops;
mod names;
mod parameters;
mod refused;
mod sam;
mod sam_events;
mod sam_root;
mod staged;
mod stored;
mod tables;
mod unknown;
mod unserved;
mod web_socket;
mod written;

fn route<'a>(template: &'a Template, key: &str) -> &'a Route {
    let mut routes = template.apis.iter().flat_map(|api| &api.routes);
    routes.find(|route| route.key == key).unwrap_or_else(|| panic!("{key} in {template:?}"))
}

fn read_text(text: &str, parameters: &[(&str, &str)]) -> Result<Template, Error> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("template.yaml");
    std::fs::write(&file, text).unwrap();
    Template::read(&file, &given(parameters), &BTreeMap::new())
}

fn given(parameters: &[(&str, &str)]) -> BTreeMap<String, String> {
    parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn infra(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

#[test]
fn resources_of_api_gateway_are_put_together() {
    let template = read_text(
        "
Resources:
  Api:
    Type: AWS::ApiGateway::RestApi
    Properties: {Name: a, ApiKeySourceType: AUTHORIZER, BinaryMediaTypes: [image~1png, '*/*']}
  Orders:
    Type: AWS::ApiGateway::Resource
    Properties: {RestApiId: !Ref Api, ParentId: !GetAtt Api.RootResourceId, PathPart: orders}
  Order:
    Type: AWS::ApiGateway::Resource
    Properties: {RestApiId: !Ref Api, ParentId: !Ref Orders, PathPart: '{id}'}
  Get:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !Ref Order
      HttpMethod: GET
      AuthorizationType: CUSTOM
      AuthorizerId: !Ref Judge
      ApiKeyRequired: true
      Integration: {Type: HTTP_PROXY, Uri: 'http://127.0.0.1:3000/{id}'}
  Options:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !GetAtt Api.RootResourceId
      HttpMethod: OPTIONS
      AuthorizationType: NONE
      Integration:
        Type: MOCK
        IntegrationResponses:
          - StatusCode: 204
            ResponseParameters: {method.response.header.X-It: \"'yes'\"}
  Iam:
    Type: AWS::ApiGateway::Method
    Properties:
      {RestApiId: !Ref Api, ResourceId: !Ref Orders, HttpMethod: ANY, AuthorizationType: AWS_IAM}
  Judge:
    Type: AWS::ApiGateway::Authorizer
    Properties:
      RestApiId: !Ref Api
      Type: TOKEN
      IdentityValidationExpression: ^Bearer .+$
      AuthorizerResultTtlInSeconds: 0
      AuthorizerUri: !Sub arn:aws:apigateway:x:lambda:path/functions/${Function.Arn}/invocations
  Function: {Type: AWS::Lambda::Function, Properties: {MemorySize: 128}}
  Stage: {Type: AWS::ApiGateway::Stage, Properties: {RestApiId: !Ref Api, StageName: prod}}
",
        &[],
    )
    .unwrap();
    let [api] = &template.apis[..] else { panic!("{template:?}") };
    assert_eq!((api.stage.as_str(), api.key_source), ("prod", Some(KeySource::Authorizer)));
    assert_eq!(api.binary_types, ["image/png", "*/*"]);
    let [iam, get, options] = &api.routes[..] else { panic!("{:?}", api.routes) };
    assert_eq!((iam.key.as_str(), iam.authorizer.as_deref()), ("ANY /orders", Some("AWS_IAM")));
    assert_eq!((get.key.as_str(), get.needs_key), ("GET /orders/{id}", true));
    let Integration::Http(address) = &get.integration else { panic!("{get:?}") };
    assert_eq!(address.text, "http://127.0.0.1:3000/{id}");
    let mock = Integration::Mock(Templates {
        responses: vec![IntegrationResponse {
            status: Some(204),
            headers: vec![("X-It".to_owned(), Expression::text("yes"))],
            ..IntegrationResponse::default()
        }],
        ..Templates::default()
    });
    assert_eq!((options.key.as_str(), &options.integration), ("OPTIONS /", &mock));
    let judge = &api.authorizers["Judge"];
    assert_eq!((&judge.kind, judge.ttl), (&Ok(Kind::RestToken), Duration::ZERO));
    assert_eq!(judge.validation.as_deref(), Some("^Bearer .+$"));
    assert_eq!(judge.function.as_deref(), Some("Function"));
}

#[test]
fn this_repositorys_templates_are_read() {
    let demo = Template::read(&infra("template.yaml"), &BTreeMap::new(), &BTreeMap::new()).unwrap();
    let [api] = &demo.apis[..] else { panic!("{demo:?}") };
    let keys: Vec<(&str, bool, bool)> = api
        .routes
        .iter()
        .map(|route| (route.key.as_str(), route.authorizer.is_some(), route.needs_key))
        .collect();
    let expected = [
        ("ANY /orders", true, true),
        ("ANY /orders/{proxy+}", true, true),
        ("OPTIONS /orders", false, false),
        ("OPTIONS /orders/{proxy+}", false, false),
    ];
    for route in expected {
        assert!(keys.contains(&route), "{route:?} in {keys:?}");
    }
    assert_eq!(api.key_source, Some(KeySource::Authorizer));
    assert_eq!(api.responses["INVALID_API_KEY"].status, Some(429));
    assert!(api.authorizers["tollgate"].validation.is_some());

    let arn = "arn:aws:lambda:us-east-1:123456789012:function:tollgate";
    let all = given(&[
        ("AuthorizerArn", arn),
        ("RestApiId", "abcdefghij"),
        ("HttpApiId", "abcdefghij"),
        ("WebSocketApiId", "abcdefghij"),
        ("ConnectIntegrationId", "abcde"),
        ("UsagePlanId", "abcdef"),
        ("UsagePlanKeyId", "abcdefghij"),
        ("BackendUrl", "https://example.com"),
        ("FunctionArn", arn),
    ]);
    for (name, kind) in [
        ("examples/rest-api.yaml", Kind::RestToken),
        ("examples/http-api.yaml", Kind::Http(Payload::V2)),
        ("examples/websocket-api.yaml", Kind::WebSocket),
        ("examples/services.yaml", Kind::RestToken),
    ] {
        let template = Template::read(&infra(name), &all, &BTreeMap::new()).unwrap();
        let [api] = &template.apis[..] else { panic!("{name}: {template:?}") };
        let found: Vec<_> = api.authorizers.values().map(|found| found.kind.clone()).collect();
        assert_eq!(found, [Ok(kind)], "{name}");
    }
    let services =
        Template::read(&infra("examples/services.yaml"), &all, &BTreeMap::new()).unwrap();
    let unserved = |key: &str| {
        let route = services.apis[0].routes.iter().find(|route| route.key == key).unwrap();
        matches!(route.integration, Integration::Unserved(_))
    };
    assert!(unserved("POST /messages") && unserved("GET /files/{name}"));
    assert!(!unserved("POST /function"));
}

#[test]
fn cors_of_an_http_api_is_read_in_both_forms() {
    let of = |settings: &str| {
        let text = format!(
            "Resources: {{A: {{Type: AWS::Serverless::HttpApi, Properties: {{CorsConfiguration: \
             {settings}}}}}}}"
        );
        read_text(&text, &[]).unwrap().apis.remove(0).cors.unwrap()
    };
    let any = vec!["*".to_owned()];
    let open = of("true");
    assert_eq!((&open.origins, &open.methods, &open.headers), (&any, &any, &any));
    let some = of("{AllowOrigins: ['https://a'], MaxAge: 60, AllowCredentials: true}");
    assert_eq!((some.origins, some.max_age), (vec!["https://a".to_owned()], Some(60)));
    assert!(some.credentials && some.methods.is_empty());
}

#[test]
fn mistakes_are_named_with_the_fix() {
    let error = |text: &str| read_text(text, &[]).unwrap_err().to_string();
    let api = "Resources: {A: {Type: AWS::ApiGateway::RestApi, Properties: {ApiKeySourceType: ";
    assert_eq!(
        error(&format!("Parameters: {{P: {{Type: String}}}}\n{api}!Ref P}}}}}}")),
        "parameter `P` has no value; add --parameter P=VALUE"
    );
    let both = "Parameters: {P: {Type: String}, Q: {Type: String}}";
    assert_eq!(
        error(&format!("{both}\n{api}!Sub '${{P}}', Body: !Ref Q}}}}}}")),
        "parameters `P`, `Q` have no value; add --parameter P=VALUE --parameter Q=VALUE"
    );
    assert!(error("Resources: {}").contains("defines no API"));
    assert!(error("a: [1").contains("is not a template"));
    assert!(error("").contains("it is empty"));
    let deep = format!("Resources: {}{}", "[".repeat(100), "]".repeat(100));
    assert!(error(&deep).contains("nested too deep"));
    let missing =
        Template::read(&infra("nowhere.yaml"), &BTreeMap::new(), &BTreeMap::new()).unwrap_err();
    assert!(missing.to_string().starts_with("can't read `"), "{missing}");
}

#[test]
fn an_addresss_parameters_are_mapped() {
    let text = json!({"openapi": "3.0.1", "paths": {"/o/{order}": {"get": {
        "x-amazon-apigateway-integration": {
            "type": "http_proxy", "uri": "https://a.example/{id}",
            "requestParameters": {"integration.request.path.id": "method.request.path.order"},
        },
    }}}});
    let api = read_text(&text.to_string(), &[]).unwrap().apis.remove(0);
    let Integration::Http(address) = &api.routes[0].integration else { panic!() };
    assert_eq!(address.text, "https://a.example/{id}");
    let order = Mapping::of_rest("integration.request.path.id", "method.request.path.order");
    assert_eq!(address.mappings, [order.unwrap()]);
}
