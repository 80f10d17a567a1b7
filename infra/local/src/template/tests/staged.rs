//! Stage variables in the addresses of integrations.

use super::*;

const STAGED: &str = "
Resources:
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: a}}
  Function:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      HttpMethod: GET
      Integration:
        Type: AWS_PROXY
        IntegrationHttpMethod: POST
        Uri: !Sub
          - '${Prefix}/${!stageVariables.fn}:live/invocations'
          - {Prefix: 'arn:aws:apigateway:x:lambda:path/functions/arn:aws:lambda:x:1:function:'}
  Http:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      HttpMethod: PUT
      Integration: {Type: HTTP_PROXY, Uri: 'http://${stageVariables.host}/a/${stageVariables.path}'}
  Missing:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      HttpMethod: POST
      Integration: {Type: HTTP_PROXY, Uri: 'http://${stageVariables.nowhere}'}
  Stage:
    Type: AWS::ApiGateway::Stage
    Properties: {RestApiId: !Ref Api, StageName: v, Variables: {fn: my-f, host: 'a.example', path: b}}
  F: {Type: AWS::Lambda::Function, Properties: {FunctionName: my-f}}
  Judge:
    Type: AWS::ApiGateway::Authorizer
    Properties:
      RestApiId: !Ref Api
      Type: TOKEN
      AuthorizerUri: 'arn:aws:apigateway:x:lambda:path/functions/arn:aws:lambda:x:1:function:${stageVariables.fn}/invocations'
";

#[test]
fn stage_variables_are_put_into_addresses() {
    let read = |given: &[(&str, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("template.yaml");
        let text = STAGED.replace("}/${!stage", "}${!stage");
        std::fs::write(&file, text).unwrap();
        let mut template = Template::read(&file, &BTreeMap::new(), &super::given(given)).unwrap();
        (template.apis.remove(0), template.notes)
    };
    let (api, notes) = read(&[]);
    let [function, missing, http] = &api.routes[..] else { panic!("{api:?}") };
    assert_eq!(function.integration, Integration::Function("F".to_owned()));
    let Integration::Http(address) = &http.integration else { panic!("{http:?}") };
    assert_eq!(address.text, "http://a.example/a/b");
    let reason = "the stage variable `nowhere` has no value: add --stage-variable nowhere=VALUE";
    assert_eq!(missing.integration, Integration::Unserved(reason.to_owned()));
    assert_eq!(api.authorizers["Judge"].function.as_deref(), Some("F"));
    assert!(notes.is_empty(), "{notes:?}");

    let (api, _) = read(&[("host", "b.example"), ("nowhere", "c.example")]);
    let [_, now, http] = &api.routes[..] else { panic!("{api:?}") };
    let text = |route: &Route| match &route.integration {
        Integration::Http(address) => address.text.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!((text(http), text(now)), ("http://b.example/a/b".into(), "http://c.example".into()));
}

#[test]
fn stage_variables_of_an_http_api_are_put_into_its_addresses() {
    let template = read_text(
        "
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      StageVariables: {fn: F}
      DefinitionBody:
        paths:
          /x:
            get:
              x-amazon-apigateway-integration:
                type: aws_proxy
                uri: 'arn:aws:lambda:x:1:function:${stageVariables.fn}/invocations'
                payloadFormatVersion: '2.0'
                timeoutInMillis: 70
          /y: {get: {x-amazon-apigateway-integration: {type: http_proxy, uri: 'http://${stageVariables.y}'}}}
  F: {Type: AWS::Lambda::Function, Properties: {}}
",
        &[],
    )
    .unwrap();
    let [x, y] = &template.apis[0].routes[..] else { panic!() };
    assert_eq!(x.integration, Integration::Function("F".to_owned()));
    assert_eq!((x.payload, x.timeout), (Payload::V2, Some(Duration::from_millis(70))));
    assert!(
        matches!(&y.integration, Integration::Unserved(reason) if reason.contains("`y` has no value"))
    );
}

#[test]
fn an_authorizer_without_its_stage_variable_closes_its_routes() {
    let read = |given: &[(&str, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("template.yaml");
        let text = "
Resources:
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: a}}
  Judge:
    Type: AWS::ApiGateway::Authorizer
    Properties:
      Name: Judge
      RestApiId: !Ref Api
      Type: TOKEN
      IdentitySource: method.request.header.Authorization
      AuthorizerUri: 'arn:aws:apigateway:x:lambda:path/2015-03-31/functions/arn:aws:lambda:x:1:function:${stageVariables.judge}/invocations'
";
        std::fs::write(&file, text).unwrap();
        let template = Template::read(&file, &BTreeMap::new(), &super::given(given)).unwrap();
        let judge = template.apis[0].authorizers.values().next().unwrap().clone();
        (judge, template.notes)
    };
    let (judge, notes) = read(&[]);
    let reason = "the stage variable `judge` has no value: add --stage-variable judge=VALUE";
    assert_eq!(judge.kind, Err(reason.to_owned()));
    assert!(notes.iter().any(|note| note.contains(reason)), "{notes:?}");
    assert!(read(&[("judge", "")]).0.kind.is_err());
    let (judge, _) = read(&[("judge", "F")]);
    assert_eq!((judge.kind.is_ok(), judge.function.as_deref()), (true, Some("F")));
}

#[test]
fn a_plain_document_takes_stage_variables_from_flags() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api.json");
    let uri = "arn:aws:apigateway:x:lambda:path/functions/${stageVariables.fn}/invocations";
    let document = json!({"swagger": "2.0", "paths": {"/x": {"get": {
        "x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST", "uri": uri},
    }}}});
    std::fs::write(&file, document.to_string()).unwrap();
    // A variable may hold the whole ARN.
    let given = super::given(&[("fn", "arn:aws:lambda:x:1:function:F")]);
    let template = Template::read(&file, &BTreeMap::new(), &given).unwrap();
    assert_eq!(template.apis[0].routes[0].integration, Integration::Function("F".to_owned()));
}
