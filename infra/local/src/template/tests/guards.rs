//! Guards whose settings API Gateway would refuse, or take in another way than they look.

use super::*;
use crate::template::api::OTHER_FORM;

const SAM: &str = "
Transform: AWS::Serverless-2016-10-31
Parameters: {L: {Type: CommaDelimitedList, Default: J}}
Resources:
  Judge: {Type: AWS::Serverless::Function, Properties: {}}
  Rest: {Type: AWS::Serverless::Api, Properties: {StageName: p, Auth: {Authorizers: {J: {
    FunctionArn: !GetAtt Judge.Arn}}}}}
  Web: {Type: AWS::Serverless::HttpApi, Properties: {Auth: {Authorizers: {J: {
    FunctionArn: !GetAtt Judge.Arn, AuthorizerPayloadFormatVersion: '2.0'}}}}}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Events:
";

fn event(kind: &str, members: &str) -> Template {
    let event = format!("        E: {{Type: {kind}, Properties: {{Path: /x, {members}}}}}\n");
    read_text(&format!("{SAM}{event}"), &[]).unwrap()
}

#[test]
fn a_guard_of_an_event_in_another_form_closes_its_route() {
    for (kind, id) in [("Api", "RestApiId: !Ref Rest"), ("HttpApi", "ApiId: !Ref Web")] {
        for auth in [
            "{Authorizer: [J]}",
            "{Authorizer: !Ref L}",
            "{Authorizer: !Split [',', J]}",
            "{Authorizer: {Name: J}}",
            "[J]",
        ] {
            let template = event(kind, &format!("Method: get, {id}, Auth: {auth}"));
            let guard = route(&template, "GET /x").authorizer.as_deref();
            let expected = match auth {
                "{Authorizer: !Ref L}" => "Ref in Authorizer",
                "{Authorizer: !Split [',', J]}" => "Fn::Split in Authorizer",
                _ => OTHER_FORM,
            };
            assert_eq!(guard, Some(expected), "{kind} {auth}");
        }
        let template = event(kind, &format!("Method: get, {id}, Auth: {{Authorizer: .nan}}"));
        assert!(route(&template, "GET /x").authorizer.is_some(), "{kind}");
        for auth in ["{}", "null", "{Authorizer: null}", "{Authorizer: NONE}"] {
            let template = event(kind, &format!("Method: get, {id}, Auth: {auth}"));
            assert_eq!(route(&template, "GET /x").authorizer, None, "{kind} {auth}");
        }
    }
    // The guards of the API that was meant are not known.
    for (kind, id) in [("Api", "RestApiId: [!Ref Rest]"), ("HttpApi", "ApiId: {Name: Web}")] {
        let template = event(kind, &format!("Method: get, {id}"));
        assert_eq!(route(&template, "GET /x").authorizer.as_deref(), Some(OTHER_FORM), "{kind}");
    }
    let template = event("Api", "Method: get, Path: [/y]");
    assert_eq!(route(&template, "$default").authorizer.as_deref(), Some(OTHER_FORM));
    let text = format!("{SAM}        E: {{Type: HttpApi, Properties: !ImportValue all}}\n");
    let template = read_text(&text, &[]).unwrap();
    assert_eq!(route(&template, "$default").authorizer.as_deref(), Some(OTHER_FORM));
    let globals = "Globals: {Api: {Auth: [J]}}\nResources: {}";
    let error = read_text(globals, &[]).unwrap_err().to_string();
    assert!(error.starts_with("Globals.Api.Auth cannot be evaluated"), "{error}");
}

#[test]
fn a_key_setting_in_another_form_needs_a_key() {
    for setting in ["[true]", "{a: b}", "1", "[false]"] {
        let own = event("Api", &format!("Method: get, Auth: {{ApiKeyRequired: {setting}}}"));
        let method = read_text(
            &format!(
                "Resources: {{Api: {{Type: AWS::ApiGateway::RestApi, Properties: {{}}}}, M: {{Type: \
                 AWS::ApiGateway::Method, Properties: {{RestApiId: !Ref Api, HttpMethod: GET, \
                 ApiKeyRequired: {setting}}}}}}}"
            ),
            &[],
        );
        let of_api = read_text(
            &format!(
                "Resources: {{Api: {{Type: AWS::Serverless::Api, Properties: {{StageName: s, Auth: \
                 {{ApiKeyRequired: {setting}}}, DefinitionBody: {{paths: {{/x: {{get: \
                 {{}}}}}}}}}}}}}}"
            ),
            &[],
        );
        for template in [own, method.unwrap(), of_api.unwrap()] {
            assert!(template.apis.iter().any(|api| api.routes.iter().any(|one| one.needs_key)));
            let notes = template.notes.join("\n");
            assert!(notes.contains("ApiKeyRequired` is neither `true` nor `false`"), "{notes}");
        }
    }
    for setting in ["false", "False", "null"] {
        let own = event("Api", &format!("Method: get, Auth: {{ApiKeyRequired: {setting}}}"));
        assert!(!route(&own, "GET /x").needs_key, "{setting}");
    }
}

fn reason(authorizer: &str, kind: &str) -> String {
    let text = format!(
        "Resources: {{Api: {{Type: {kind}, Properties: {{StageName: s, Auth: {{Authorizers: {{J: \
         {{FunctionArn: 'a:function:F', {authorizer}}}}}}}}}}}}}"
    );
    let template = read_text(&text, &[]).unwrap();
    template.apis[0].authorizers["J"].kind.clone().map_or_else(|why| why, |_| String::new())
}

#[test]
fn an_authorizer_with_a_part_in_another_form_is_not_asked() {
    let (rest, web) = ("AWS::Serverless::Api", "AWS::Serverless::HttpApi");
    for (part, named) in [
        ("Identity: [X-A]", "Identity"),
        ("Identity: {Headers: X-A}", "Headers"),
        ("Identity: {Headers: [[X-A]]}", "Headers"),
        ("Identity: {Headers: [{a: b}]}", "Headers"),
        ("Identity: {Headers: {X-A: 1}}", "Headers"),
        ("Identity: {Header: [X-A]}", "Header"),
        ("Identity: {QueryStrings: q}", "QueryStrings"),
        ("Identity: {StageVariables: q}", "StageVariables"),
        ("Identity: {Context: q}", "Context"),
        ("Identity: {ValidationExpression: [ok]}", "ValidationExpression"),
        ("Identity: {ReauthorizeEvery: [0]}", "ReauthorizeEvery"),
        ("Identity: {ReauthorizeEvery: 0.0}", "TTL `0.0`"),
        ("FunctionPayloadType: [REQUEST]", "FunctionPayloadType"),
        ("FunctionPayloadType: OTHER", "type `OTHER`"),
        ("EnableSimpleResponses: [true]", "EnableSimpleResponses"),
    ] {
        assert!(reason(part, rest).contains(named), "{part}: {}", reason(part, rest));
    }
    for (part, named) in [
        ("AuthorizerPayloadFormatVersion: [2.0]", "AuthorizerPayloadFormatVersion"),
        ("AuthorizerPayloadFormatVersion: '3.0'", "payload `3.0`"),
    ] {
        assert!(reason(part, web).contains(named), "{part}: {}", reason(part, web));
    }
    for part in ["Identity: null", "Identity: {Headers: null, ReauthorizeEvery: '0'}"] {
        assert_eq!(reason(part, rest), "");
    }
    for (part, named) in [
        ("identitySource: [[method.request.header.A]]", "identitySource"),
        ("identitySource: {a: b}", "identitySource"),
        ("identityValidationExpression: [ok]", "identityValidationExpression"),
        ("authorizerResultTtlInSeconds: [0]", "authorizerResultTtlInSeconds"),
    ] {
        let text = format!(
            "{{paths: {{}}, securityDefinitions: {{J: {{name: A, x-amazon-apigateway-authorizer: \
             {{type: token, authorizerUri: u, {part}}}}}}}}}"
        );
        let template = read_text(&text, &[]).unwrap();
        let kind = template.apis[0].authorizers["J"].kind.clone();
        assert!(kind.is_err_and(|why| why.contains(named)), "{part}");
        // The resource's members begin with a capital.
        let (_, after) = part.split_at(1);
        let member = format!("{}{after}", if part.starts_with('i') { "I" } else { "A" });
        let text = format!(
            "Resources: {{A: {{Type: AWS::ApiGateway::RestApi, Properties: {{}}}}, J: {{Type: \
             AWS::ApiGateway::Authorizer, Properties: {{RestApiId: !Ref A, Type: TOKEN, \
             AuthorizerUri: u, {member}}}}}}}"
        );
        let template = read_text(&text, &[]).unwrap();
        let kind = template.apis[0].authorizers["J"].kind.clone();
        assert!(kind.is_err(), "{member}");
    }
}

#[test]
fn an_authorizer_id_alone_closes_its_route_and_one_beside_none_is_named() {
    let read = |settings: &str| {
        let text = format!(
            "
Resources:
  Rest: {{Type: AWS::ApiGateway::RestApi, Properties: {{}}}}
  M:
    Type: AWS::ApiGateway::Method
    Properties: {{RestApiId: !Ref Rest, HttpMethod: GET, AuthorizerId: J, {settings}}}
  Web: {{Type: AWS::ApiGatewayV2::Api, Properties: {{ProtocolType: HTTP}}}}
  R:
    Type: AWS::ApiGatewayV2::Route
    Properties: {{ApiId: !Ref Web, RouteKey: GET /w, AuthorizerId: J, {settings}}}
"
        );
        read_text(&text, &[]).unwrap()
    };
    for settings in ["", "AuthorizationType: null", "AuthorizationType: ''"] {
        let template = read(settings);
        for key in ["GET /", "GET /w"] {
            assert!(route(&template, key).authorizer.is_some(), "{settings} {key}");
        }
    }
    let template = read("AuthorizationType: NONE");
    let notes = template.notes.join("\n");
    for (key, api) in [("GET /", "Rest"), ("GET /w", "Web")] {
        assert_eq!(route(&template, key).authorizer, None);
        let note =
            format!("{api}: {key}: `AuthorizerId` has no effect beside `AuthorizationType: NONE`");
        assert!(notes.contains(&note), "{notes}");
    }
    let other = read("AuthorizationType: [CUSTOM]");
    assert_eq!(route(&other, "GET /").authorizer.as_deref(), Some(OTHER_FORM));
}

fn document(root: &str, operation: &str) -> Template {
    let text = format!(
        "{{paths: {{/x: {{get: {{{operation}}}}}}}, securityDefinitions: {{J: {{name: A, \
         x-amazon-apigateway-authorizer: {{type: token, authorizerUri: u}}}}, K: {{name: B, \
         x-amazon-apigateway-authorizer: {{type: token, authorizerUri: u}}}}, key: {{name: \
         x-api-key}}}}, {root}}}"
    );
    read_text(&text, &[]).unwrap()
}

#[test]
fn iam_of_an_openapi_document_closes_its_methods() {
    let auth = |kind: &str| format!("x-amazon-apigateway-auth: {kind}");
    for kind in ["{type: AWS_IAM}", "{type: aws_iam}", "{type: other}", "{type: [AWS_IAM]}", "x"] {
        for template in [document("", &auth(kind)), document(&auth(kind), "")] {
            let api = &template.apis[0];
            let guard = api.routes[0].authorizer.clone().unwrap_or_else(|| panic!("{kind}"));
            assert!(!api.authorizers.contains_key(&guard), "{kind}");
        }
    }
    let both = document("", &format!("security: [{{J: []}}], {}", auth("{type: AWS_IAM}")));
    assert_eq!(both.apis[0].routes[0].authorizer.as_deref(), Some("AWS_IAM and J"));
    for kind in ["{type: NONE}", "{type: none}", "{}", "null"] {
        assert_eq!(document("", &auth(kind)).apis[0].routes[0].authorizer, None, "{kind}");
    }
    let own = document(&auth("{type: AWS_IAM}"), &auth("{type: NONE}"));
    assert_eq!(own.apis[0].routes[0].authorizer, None);
}

#[test]
fn security_of_a_document_is_for_operations_without_their_own() {
    let seen = |root: &str, operation: &str| {
        let template = document(root, operation);
        let route = &template.apis[0].routes[0];
        (route.authorizer.clone(), route.needs_key)
    };
    let guarded = (Some("J".to_owned()), false);
    assert_eq!(seen("security: [{J: []}]", ""), guarded);
    assert_eq!(seen("security: [{J: []}]", "security: null"), guarded);
    assert_eq!(seen("security: [{key: []}]", ""), (None, true));
    assert_eq!(seen("security: [{key: []}]", "security: [{J: []}]"), guarded);
    assert_eq!(seen("security: [{J: []}]", "security: []"), (None, false));
    assert_eq!(seen("security: {J: []}", "").0.as_deref(), Some(OTHER_FORM));
    let of_path = "{paths: {/x: {security: [{J: []}], get: {}, put: {security: []}}}}";
    let template = read_text(of_path, &[]).unwrap();
    assert_eq!(route(&template, "GET /x").authorizer.as_deref(), Some("J"));
    assert_eq!(route(&template, "PUT /x").authorizer, None);
    assert!(template.notes.join("\n").contains("OpenAPI: /x: its `security` guards here"));
    for of_path in ["[]", "[{}]", "[{NONE: []}]", "[{key: []}]"] {
        let text = format!(
            "{{security: [{{J: []}}], paths: {{/x: {{security: {of_path}, get: {{}}}}}}, \
             securityDefinitions: {{key: {{name: x-api-key}}}}}}"
        );
        let template = read_text(&text, &[]).unwrap();
        let authorizer = route(&template, "GET /x").authorizer.as_deref();
        assert_eq!(authorizer, Some("J"), "{of_path}");
    }
    let http = document("x-amazon-apigateway-cors: {}, security: [{Nope: []}]", "");
    assert!(http.apis[0].routes[0].authorizer.is_some());
    assert!(http.notes.join("\n").contains("that an HTTP API takes it is not confirmed"));
    // Which of several guards counts is not known.
    for own in ["[{J: []}, {K: []}]", "[{J: [], K: []}]", "[{J: []}, {Nope: []}]", "[null]"] {
        let template = document("", &format!("security: {own}"));
        let api = &template.apis[0];
        let guard = api.routes[0].authorizer.clone().unwrap_or_else(|| panic!("{own}"));
        assert!(!api.authorizers.contains_key(&guard), "{own}: {guard}");
    }
    assert_eq!(seen("", "security: [{J: []}, {J: [], key: []}]"), (Some("J".to_owned()), true));
}

#[test]
fn methods_of_a_document_that_are_not_served_are_closed_or_named() {
    let text = "{paths: {/x: {GET: {security: [{J: []}]}, trace: {}, summary: s, parameters: [], \
                x-own: {}, Fetch: {}, x-amazon-apigateway-any-method: {}}}}";
    let template = read_text(text, &[]).unwrap();
    let keys: Vec<&str> = template.apis[0].routes.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(keys, ["ANY /x", "FETCH /x", "GET /x", "TRACE /x"]);
    assert_eq!(route(&template, "GET /x").authorizer.as_deref(), Some("J"));
    let reason = super::unknown::reason_of(&template, "GET /x");
    assert_eq!(reason, "the name of the method `GET` is not in lower case");
}

#[test]
fn keys_and_authorizers_are_listed_where_they_are_asked_for() {
    let template = read_text(
        "
Resources:
  Web: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: HTTP}}
  R: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Web, RouteKey: GET /w, ApiKeyRequired: true}}
  Chat: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET}}
  C: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Chat, RouteKey: $connect, ApiKeyRequired: true}}
  D: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Chat, RouteKey: $default, ApiKeyRequired: true,
    AuthorizationType: CUSTOM, AuthorizerId: J}}
  Body:
    Type: AWS::Serverless::HttpApi
    Properties:
      DefinitionBody:
        paths: {/b: {get: {security: [{key: []}]}}}
        securityDefinitions: {key: {name: x-api-key}}
",
        &[],
    )
    .unwrap();
    let needing: Vec<&str> = template
        .apis
        .iter()
        .flat_map(|api| &api.routes)
        .filter(|route| route.needs_key)
        .map(|route| route.key.as_str())
        .collect();
    assert_eq!(needing, ["$connect"]);
    assert_eq!(route(&template, "$default").authorizer, None);
    let notes = template.notes.join("\n");
    for note in [
        "Web: no API key is asked for at GET /w: HTTP APIs have none",
        "Body: no API key is asked for at GET /b: HTTP APIs have none",
        "Chat: no API key is asked for at $default: a WebSocket API asks at `$connect` alone",
        "Chat: no authorizer is asked for at $default: a WebSocket API asks at `$connect` alone",
    ] {
        assert!(notes.contains(note), "{note} in {notes}");
    }
}

#[test]
fn a_rest_api_drops_the_slash_at_the_end_of_a_path() {
    let template = event("Api", "Method: get, Path: /plantest/");
    assert_eq!(route(&template, "GET /plantest").authorizer, None);
    let template = event("Api", "Method: get, Path: /");
    assert_eq!(route(&template, "GET /").authorizer, None);
    let template = read_text("{paths: {/a/: {get: {}}, /: {get: {}}}}", &[]).unwrap();
    let keys: Vec<&str> = template.apis[0].routes.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(keys, ["GET /", "GET /a"]);
}

#[test]
fn an_event_that_names_the_implicit_api_has_its_globals() {
    for id in ["!Ref ServerlessRestApi", "null"] {
        let text = format!(
            "
Globals: {{Api: {{Auth: {{DefaultAuthorizer: J}}}}}}
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        E:
          Type: Api
          Properties: {{Path: /x, Method: get, RestApiId: {id}, Auth: {{ResourcePolicy: {{}}}}}}
"
        );
        let template = read_text(&text, &[]).unwrap();
        assert_eq!(route(&template, "GET /x").authorizer.as_deref(), Some("J"), "{id}");
        let notes = template.notes.join("\n");
        assert!(notes.contains("resource policies (1: F.E)"), "{notes}");
    }
}

#[test]
fn a_limit_in_another_form_is_named() {
    for limits in [
        "Throttle: [1]",
        "Throttle: {RateLimit: [1]}",
        "Quota: {Limit: {a: 1}, Period: DAY}",
        "Quota: 5",
        "Throttle: {RateLimit: 1, BurstLimit: [1]}",
        "Quota: {Limit: 5, Period: WEEK, Offset: [1]}",
    ] {
        let text = format!(
            "Resources: {{A: {{Type: AWS::ApiGateway::RestApi, Properties: {{}}}}, P: {{Type: \
             AWS::ApiGateway::UsagePlan, Properties: {{{limits}}}}}}}"
        );
        let notes = read_text(&text, &[]).unwrap().notes.join("\n");
        assert!(notes.contains("P: its limits are not held to here"), "{limits}: {notes}");
    }
}
