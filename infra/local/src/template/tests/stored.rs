//! Values of Systems Manager and secrets, which are given or named.

use super::*;

const STORED: &str = "
Parameters:
  Key: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /orders/key, AllowedValues: [/orders/key]}
  List: {Type: 'AWS::SSM::Parameter::Value<List<String>>', Default: /orders/list}
  Name: {Type: 'AWS::SSM::Parameter::Name', Default: /orders/name}
Conditions: {IsOpen: !Equals [!Ref Name, /orders/name]}
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: v
      Auth: {DefaultAuthorizer: '{{resolve:ssm:/orders/authorizer:1}}'}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Environment:
        Variables:
          VA: !Ref Key
          VB: !Select [1, !Ref List]
          VC: !Ref Name
          VD: !Sub '{{resolve:ssm:/${AWS::StackName}/d}}!'
          VE: !Join ['', ['a{{resolve:secretsmanager:', 'id:SecretString:password}}b']]
          VF: '{{resolve:ssm:/f'
      Events: {X: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /x, Method: get}}}
";

#[test]
fn stored_values_are_given_by_parameters() {
    let given = [
        ("Key", "k"),
        ("List", "one, two"),
        ("resolve:ssm:/local/d", "d"),
        ("resolve:secretsmanager:id:SecretString:password", "secret"),
        ("resolve:ssm:/orders/authorizer:1", "NONE"),
    ];
    let template = read_text(STORED, &given).unwrap();
    let values: Vec<&str> =
        template.functions["F"].variables.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(values, ["k", "two", "/orders/name", "d!", "asecretb", "{{resolve:ssm:/f"]);
    assert!(template.notes.is_empty(), "{:?}", template.notes);
    assert_eq!(template.apis[0].routes[0].authorizer, None);
}

#[test]
fn stored_values_that_are_not_given_are_named_and_open_no_guard() {
    let template = read_text(STORED, &[]).unwrap();
    let f = &template.functions["F"];
    let names: Vec<&str> = f.variables.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        (names, &f.unknown[..]),
        (vec!["VC", "VF"], &["VA", "VB", "VD", "VE"].map(str::to_owned)[..])
    );
    let guard = template.apis[0].routes[0].authorizer.as_deref().unwrap();
    assert!(!template.apis[0].authorizers.contains_key(guard), "{guard}");
    let notes = template.notes.join("\n");
    for note in [
        "F.Environment.Variables.VA is left out: the value of `Key` is stored on AWS: give it by \
         --parameter 'Key=VALUE': or set it where `local` starts",
        "F.Environment.Variables.VD is left out: the value of `resolve:ssm:/local/d` is stored",
        "VE is left out: the value of `resolve:secretsmanager:id:SecretString:password` is",
        "Api.Auth.DefaultAuthorizer cannot be evaluated: the value of \
         `resolve:ssm:/orders/authorizer:1` is stored on AWS: give it by --parameter",
    ] {
        assert!(notes.contains(note), "{note} in {notes}");
    }
    // A condition decides which guards there are.
    let text = STORED.replace("!Equals [!Ref Name", "!Equals [!Ref Key");
    let text = text.replace(
        "Type: AWS::Serverless::Api\n",
        "Type: AWS::Serverless::Api\n    Condition: IsOpen\n",
    );
    let error = read_text(&text, &[]).unwrap_err().to_string();
    assert!(error.starts_with("Api.Condition cannot be evaluated: the value of `Key`"), "{error}");
}

const CHOSEN: &str = "
Parameters:
  Mode: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /orders/mode}
Conditions: {Guarded: !Equals [!Ref Mode, closed]}
Resources:
  Rest: {Type: AWS::ApiGateway::RestApi, Properties: {Name: r}}
  Judge: {Type: AWS::ApiGateway::Authorizer, Properties: {RestApiId: !Ref Rest, Type: TOKEN}}
  Root:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Rest
      ResourceId: !GetAtt Rest.RootResourceId
      HttpMethod: GET
      AuthorizationType: !If [Guarded, CUSTOM, NONE]
      AuthorizerId: !If [Guarded, !Ref Judge, !Ref AWS::NoValue]
      ApiKeyRequired: !If [Guarded, true, false]
      Integration: {Type: MOCK}
  Stage:
    Type: AWS::ApiGateway::Stage
    Properties:
      RestApiId: !Ref Rest
      StageName: v1
      Variables: {color: '{{resolve:ssm:/orders/color}}'}
  Http: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: HTTP}}
  Route:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      ApiId: !Ref Http
      RouteKey: GET /w
      Fn::If: [Guarded, {AuthorizationType: CUSTOM}, {AuthorizationType: NONE}]
      AuthorizationType: !If [Guarded, CUSTOM, NONE]
  Sam:
    Type: AWS::Serverless::Api
    Properties:
      StageName: v
      Auth: !If [Guarded, {DefaultAuthorizer: Mine}, !Ref AWS::NoValue]
  F:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        A: {Type: Api, Properties: {RestApiId: !Ref Sam, Path: /a, Method: get}}
        B:
          Type: Api
          Properties:
            Path: /b
            Method: get
            Auth: {Authorizer: !If [Guarded, Mine, NONE]}
  Body:
    Type: AWS::Serverless::Api
    Properties:
      StageName: v
      DefinitionBody:
        paths:
          /d: {get: {security: !If [Guarded, [{Mine: []}], []]}}
          /e: !If [Guarded, {get: {security: [{Mine: []}]}}, {get: {}}]
";

#[test]
fn a_guard_that_a_stored_value_chooses_is_never_open_without_it() {
    let template = read_text(CHOSEN, &[]).unwrap();
    let routes = template.apis.iter().flat_map(|api| &api.routes);
    let guards: Vec<_> = routes.map(|one| (one.key.as_str(), one.authorizer.as_deref())).collect();
    let stand_in = Some("(not known here: Mode)");
    let keys = ["GET /d", "GET /w", "GET /", "GET /a"];
    assert_eq!(guards[0], ("ANY /e", None));
    assert!(matches!(template.apis[0].routes[0].integration, Integration::Unserved(_)));
    assert_eq!(guards[1..5], keys.map(|key| (key, stand_in)));
    assert_eq!(guards[5], ("GET /b", Some("Fn::If in Authorizer")));
    let open = read_text(CHOSEN, &[("Mode", "open")]).unwrap();
    // SAM refuses a function as an event's authorizer.
    let mut routes = open.apis.iter().flat_map(|api| &api.routes);
    assert!(routes.all(|one| one.authorizer.is_none() == (one.key != "GET /b")));
    let closed = read_text(CHOSEN, &[("Mode", "closed")]).unwrap();
    assert!(closed.apis.iter().flat_map(|api| &api.routes).all(|one| one.authorizer.is_some()));
    let notes = template.notes.join("\n");
    for note in [
        "Root.AuthorizationType cannot be evaluated: the value of `Mode` is stored on AWS",
        "Stage.Variables.color cannot be evaluated: the value of `resolve:ssm:/orders/color`",
    ] {
        assert!(notes.contains(note), "{note} in {notes}");
    }
}
