//! Templates that AWS would not deploy as they are, or of which a part alone is served: they are named.

use super::*;
use crate::template::api::OTHER_FORM;

#[test]
fn a_route_that_is_defined_twice_is_named() {
    let template = read_text(
        "
Resources:
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: a}}
  One:
    Type: AWS::ApiGateway::Method
    Properties: {RestApiId: !Ref Api, HttpMethod: GET, Integration: {Type: MOCK}}
  Two:
    Type: AWS::ApiGateway::Method
    Properties: {RestApiId: !Ref Api, HttpMethod: GET, Integration: {Type: MOCK}}
  Put:
    Type: AWS::ApiGateway::Method
    Properties: {RestApiId: !Ref Api, HttpMethod: PUT, Integration: {Type: MOCK}}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        A: {Type: HttpApi, Properties: {Path: /x, Method: get}}
        B: {Type: HttpApi, Properties: {Path: /x, Method: put}}
  G:
    Type: AWS::Serverless::Function
    Properties: {Events: {A: {Type: HttpApi, Properties: {Path: /x, Method: GET}}}}
",
        &[],
    )
    .unwrap();
    assert_eq!(
        template.notes,
        [
            "ServerlessHttpApi: GET /x: two events make the route, which SAM refuses: the first \
             function by its logical id has it here, with the guards of both",
            "Api: GET /: the route is defined more than once, which API Gateway refuses: the first \
             counts here, with the guards of all",
        ]
    );
    let first = &template.apis[1].routes[0];
    assert_eq!(first.integration, Integration::Function("F".to_owned()));
}

#[test]
fn a_route_with_another_parameters_name_is_named() {
    let template = read_text(
        "
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      DefinitionBody:
        paths:
          /p/{id}: {get: {}}
          /p/{x}: {get: {}}
          /p/{x+}: {get: {}}
          /p/{x}/y: {get: {}}
",
        &[],
    )
    .unwrap();
    let note = "Api: GET /p/{id}: GET /p/{x} is the same route, which API Gateway refuses: the first \
                counts here, with the guards of all";
    assert!(template.notes.iter().any(|other| other == note), "{:?}", template.notes);
    let same = template.notes.iter().filter(|other| other.contains("the same route"));
    assert_eq!(same.count(), 1);
}

#[test]
fn settings_of_a_function_that_lambda_refuses_are_named() {
    let template = read_text(
        "
Resources:
  Api: {Type: AWS::Serverless::Api, Properties: {StageName: v}}
  F: {Type: AWS::Serverless::Function, Properties: {Timeout: 0, MemorySize: 127}}
  G: {Type: AWS::Serverless::Function, Properties: {Timeout: 901, MemorySize: 10241}}
  H: {Type: AWS::Serverless::Function, Properties: {Timeout: 900, MemorySize: 10240}}
",
        &[],
    )
    .unwrap();
    let notes = [
        "F: `MemorySize: 127`: Lambda takes 128 to 10240",
        "F: `Timeout: 0`: Lambda takes 1 to 900",
    ]
    .into_iter()
    .chain(["G: `MemorySize: 10241`: Lambda", "G: `Timeout: 901`: Lambda"]);
    assert_eq!(template.notes.len(), 4, "{:?}", template.notes);
    for (note, expected) in template.notes.iter().zip(notes) {
        assert!(note.starts_with(expected) && note.ends_with("its default counts here"), "{note}");
    }
    let of = |name: &str| (template.functions[name].timeout, template.functions[name].memory_mb);
    assert_eq!((of("F"), of("G")), ((None, None), (None, None)));
    assert_eq!(of("H"), (Some(Duration::from_secs(900)), Some(10_240)));
}

#[test]
fn further_stages_and_short_keys_are_named() {
    let template = read_text(
        "
Resources:
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: a}}
  Deployment: {Type: AWS::ApiGateway::Deployment, Properties: {RestApiId: !Ref Api, StageName: d}}
  One:
    Type: AWS::ApiGateway::Stage
    Properties: {RestApiId: !Ref Api, StageName: v1, Variables: {a: one}}
  Two:
    Type: AWS::ApiGateway::Stage
    Properties: {RestApiId: !Ref Api, StageName: v2, Variables: {a: two}}
  Unlike: {Type: AWS::ApiGateway::Deployment, Properties: {RestApiId: !Ref Api, StageName: w}}
  Sam: {Type: AWS::Serverless::HttpApi, Properties: {StageName: s}}
  Ws: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET}}
  WsStage: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref Ws, StageName: ws}}
  Three: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref Sam, StageName: v3}}
  Long: {Type: AWS::ApiGateway::ApiKey, Properties: {Enabled: true, Value: exactly-twenty-chars}}
  Short: {Type: AWS::ApiGateway::ApiKey, Properties: {Enabled: true, Value: only-nineteen-chars}}
",
        &[],
    )
    .unwrap();
    let [api, sam, ws] = &template.apis[..] else { panic!("{template:?}") };
    assert_eq!((api.stage.as_str(), api.variables["a"].as_str()), ("v1", "one"));
    assert_eq!((sam.stage.as_str(), ws.stage.as_str()), ("s", "ws"));
    assert_eq!(
        template.notes,
        [
            "Api: the stage `d` is not served: an API has one stage here, `v1`",
            "Sam: the stage `v3` is not served: an API has one stage here, `s`",
            "Api: the stage `v2` is not served: an API has one stage here, `v1`",
            "Api: the stage `w` is not served: an API has one stage here, `v1`",
            "Short: a key's value has 20 to 128 characters on API Gateway, which refuses this one",
        ]
    );
}

#[test]
fn constraints_of_parameters_are_those_of_cloudformation() {
    let read = |declared: &str, given: &str| {
        let text = format!(
            "
Parameters: {{P: {{{declared}}}}}
Resources:
  A: {{Type: AWS::ApiGateway::RestApi, Properties: {{ApiKeySourceType: !Ref P}}}}
"
        );
        read_text(&text, &[("P", given)]).map(drop).map_err(|error| error.to_string())
    };
    for (declared, wrong, right, must) in [
        ("Type: Number", "one", "1.5", "be a number"),
        ("Type: Number, MinValue: 2", "1", "2", "be 2 or more"),
        ("Type: Number, MaxValue: '2'", "2.1", "2", "be 2 or less"),
        ("Type: List<Number>", "1, a", "1, 2", "be a list of numbers"),
        ("Type: String, MinLength: 2", "\u{e9}", "\u{e9}\u{e9}", "have 2 characters or more"),
        ("Type: String, MaxLength: 2", "abc", "ab", "have 2 characters or fewer"),
        ("Type: String, AllowedPattern: 'a|b'", "ab", "b", "match the pattern `a|b`"),
        ("Type: String, AllowedValues: [a, b]", "c", "b", "be one of `a`, `b`"),
    ] {
        assert_eq!(read(declared, wrong).unwrap_err(), format!("parameter `P` must {must}"));
        assert_eq!(read(declared, right), Ok(()), "{declared}");
    }
    // What is not understood here, and the constraints of a stored value's name, refuse nothing.
    for declared in [
        "Type: String, AllowedPattern: '(?=a)'",
        "Type: CommaDelimitedList, AllowedPattern: a",
        "Type: 'AWS::SSM::Parameter::Value<String>', AllowedPattern: /a",
    ] {
        assert_eq!(read(declared, "b"), Ok(()), "{declared}");
    }
}

/// AWS refuses these settings, so nobody knows which guard was meant.
#[test]
fn a_guard_in_another_form_closes_its_route() {
    let read = |text: String| read_text(&text, &[]).unwrap().apis.remove(0).routes.remove(0);
    let method = |kind: &str| {
        let method = format!(
            "{{RestApiId: !Ref Api, HttpMethod: GET, Integration: {{Type: MOCK}}, {kind}}}"
        );
        read(format!(
            "Resources: {{Api: {{Type: AWS::ApiGateway::RestApi, Properties: {{Name: a}}}}, \
             M: {{Type: AWS::ApiGateway::Method, Properties: {method}}}}}"
        ))
    };
    for kind in ["AuthorizationType: [CUSTOM]", "AuthorizationType: {a: CUSTOM}"] {
        assert_eq!(method(kind).authorizer.as_deref(), Some(OTHER_FORM), "{kind}");
    }
    assert_eq!(method("AuthorizationType: NONE").authorizer, None);
    assert_eq!(method("AuthorizationType: null").authorizer, None);
    let operation = |security: &str, auth: &str| {
        read(format!(
            "Resources: {{Api: {{Type: AWS::Serverless::Api, Properties: {{StageName: v, Auth: {auth}, \
             DefinitionBody: {{paths: {{/x: {{get: {{{security}}}}}}}}}}}}}}}"
        ))
    };
    for security in ["{A: []}", "[[A]]", "true", "[1]"] {
        let route = operation(&format!("security: {security}"), "{}");
        assert_eq!(route.authorizer.as_deref(), Some(OTHER_FORM), "{security}");
    }
    for auth in ["[A]", "{DefaultAuthorizer: [A]}"] {
        assert_eq!(operation("", auth).authorizer.as_deref(), Some(OTHER_FORM), "{auth}");
    }
    assert_eq!(operation("security: []", "{}").authorizer, None);
}
