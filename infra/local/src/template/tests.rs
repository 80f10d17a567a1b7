//! Templates of every form, and this repository's own.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::gateway::{
    Expression, IntegrationResponse, Kind, Mapping, Payload, ResponseMappings, Templates,
};

mod integrations;
mod loops;
mod refused;
mod staged;
mod stored;
mod tables;
mod unknown;
mod web_socket;

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

const SAM: &str = "
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: v1}
  Open: {Type: String, Default: 'no'}
Conditions:
  IsOpen: !Equals [!Ref Open, 'yes']
Globals:
  Function: {MemorySize: 512, Environment: {Variables: {A: global, B: global}}}
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: !Ref Stage
      Variables: {color: blue}
      Auth:
        DefaultAuthorizer: Mine
        ApiKeyRequired: true
        Authorizers:
          Mine:
            FunctionArn: !GetAtt Judge.Arn
            FunctionPayloadType: REQUEST
            Identity: {Headers: [X-One], QueryStrings: [q]}
      GatewayResponses:
        UNAUTHORIZED:
          StatusCode: 418
          ResponseParameters: {Headers: {X-It: \"'tea'\"}}
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      Timeout: 7
      Environment: {Variables: {A: own}}
      Policies: [!ImportValue not-known-here]
      Events:
        List: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /orders, Method: get}}
        Health:
          Type: Api
          Properties:
            RestApiId: !Ref Api
            Path: /health
            Method: any
            Auth: {Authorizer: NONE, ApiKeyRequired: false}
        Web: {Type: HttpApi, Properties: {Path: '/web/{proxy+}', Method: POST}}
  Judge: {Type: AWS::Serverless::Function, Properties: {}}
  Extra:
    Type: AWS::Serverless::Api
    Condition: IsOpen
    Properties: {StageName: v2}
";

#[test]
fn sams_events_make_routes_with_the_apis_defaults() {
    let template = read_text(SAM, &[]).unwrap();
    let names: Vec<&str> = template.apis.iter().map(|api| api.name.as_str()).collect();
    assert_eq!(names, ["Api", "ServerlessHttpApi"]);
    let rest = &template.apis[0];
    assert_eq!((rest.family, rest.stage.as_str()), (Family::Rest, "v1"));
    assert_eq!(rest.variables["color"], "blue");
    let seen: Vec<_> = rest
        .routes
        .iter()
        .map(|route| (route.key.as_str(), route.authorizer.as_deref(), route.needs_key))
        .collect();
    assert_eq!(seen, [("ANY /health", None, false), ("GET /orders", Some("Mine"), true)]);
    assert_eq!(rest.routes[1].integration, Integration::Function("Orders".to_owned()));
    let mine = &rest.authorizers["Mine"];
    assert_eq!((&mine.kind, mine.ttl), (&Ok(Kind::RestRequest), Duration::from_secs(300)));
    assert_eq!(mine.function.as_deref(), Some("Judge"));
    let sources: Vec<String> = mine.sources.iter().map(ToString::to_string).collect();
    assert_eq!(sources, ["method.request.header.X-One", "method.request.querystring.q"]);
    let tea = &rest.responses["UNAUTHORIZED"];
    assert_eq!((tea.status, &tea.headers[..]), (Some(418), &[("X-It".into(), "'tea'".into())][..]));
    assert_eq!(template.apis[1].routes[0].key, "POST /web/{proxy+}");

    let orders = &template.functions["Orders"];
    assert_eq!((orders.memory_mb, orders.timeout), (Some(512), Some(Duration::from_secs(7))));
    let variables = [("A".to_owned(), "own".to_owned()), ("B".to_owned(), "global".to_owned())];
    assert_eq!(orders.variables, variables);

    let open = read_text(SAM, &[("Open", "yes"), ("Stage", "v9")]).unwrap();
    assert_eq!((open.apis.len(), open.apis[0].stage.as_str()), (3, "v9"));
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
            status: 204,
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
fn a_guard_that_is_not_known_is_never_left_out() {
    let text = json!({
        "openapi": "3.0.1",
        "components": {"securitySchemes": {
            "iam": {"type": "apiKey", "x-amazon-apigateway-authtype": "awsSigv4"},
            "jwt": {"x-amazon-apigateway-authorizer": {"type": "jwt"}},
            "odd": {"x-amazon-apigateway-authorizer":
                {"type": "request", "identitySource": "method.request.body"}},
        }},
        "security": [{"iam": []}],
        "paths": {"/x": {
            "get": {"security": [{"iam": []}]}, "put": {"security": [{"jwt": []}]},
            "post": {"security": [{"odd": []}]}, "delete": {"security": [{"nowhere": []}]},
            "patch": {},
        }},
    });
    let template = read_text(&text.to_string(), &[]).unwrap();
    let api = &template.apis[0];
    assert!(api.authorizers.values().all(|found| found.kind.is_err()));
    for route in &api.routes {
        // Security at the root is ignored, as API Gateway does.
        assert_eq!(route.authorizer.is_none(), route.key == "PATCH /x", "{route:?}");
    }
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
fn parameters_are_read_from_both_forms_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.yaml");
    for text in [
        "A: 1\nB: x",
        r#"[{"ParameterKey": "A", "ParameterValue": "1"},
        {"ParameterKey": "B", "ParameterValue": "x"}]"#,
    ] {
        std::fs::write(&file, text).unwrap();
        assert_eq!(parameters(&file).unwrap(), given(&[("A", "1"), ("B", "x")]));
    }
    std::fs::write(&file, "text").unwrap();
    assert!(parameters(&file).is_err());
}

const GLOBALS: &str = "
Globals:
  Api:
    Cors: \"'*'\"
    Auth:
      DefaultAuthorizer: Mine
      ApiKeyRequired: true
      AddApiKeyRequiredToCorsPreflight: false
      UsagePlan: {CreateUsagePlan: SHARED, Quota: {Limit: 5, Period: DAY}}
      Authorizers: {Mine: {FunctionArn: !GetAtt F.Arn}}
Resources:
  A:
    Type: AWS::Serverless::Api
    Properties:
      Cors: {AllowOrigin: \"'https://a'\", AllowMethods: \"'GET'\", MaxAge: bare}
      Auth: {AddDefaultAuthorizerToCorsPreflight: false}
      MergeDefinitions: true
      DefinitionBody:
        paths:
          /own: {get: {}, options: {}, put: {security: [{NONE: []}]}}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        One: {Type: Api, Properties: {RestApiId: !Ref A, Path: /x, Method: post}}
        Two: {Type: Api, Properties: {Path: /x, Method: any}}
";

#[test]
fn globals_are_merged_and_cors_makes_options_methods() {
    let template = read_text(GLOBALS, &[]).unwrap();
    let [own, implicit] = &template.apis[..] else { panic!("{template:?}") };
    assert_eq!((own.name.as_str(), implicit.name.as_str()), ("A", "ServerlessRestApi"));
    let seen = |api: &Api| -> Vec<(String, bool, bool)> {
        let routes = api.routes.iter();
        routes.map(|one| (one.key.clone(), one.authorizer.is_some(), one.needs_key)).collect()
    };
    let route = |key: &str, guarded, needs_key| (key.to_owned(), guarded, needs_key);
    let expected = [
        route("GET /own", true, true),
        route("OPTIONS /own", false, false),
        route("OPTIONS /x", false, false),
        route("POST /x", true, true),
        route("PUT /own", false, true),
    ];
    assert_eq!(seen(own), expected);
    // The default authorizer guards preflights too unless it is told not to.
    assert_eq!(seen(implicit), [route("ANY /x", true, true), route("OPTIONS /x", true, false)]);
    let headers = |api: &Api, key: &str| {
        let route = api.routes.iter().find(|route| route.key == key).unwrap();
        let Integration::Mock(mock) = &route.integration else { panic!() };
        assert_eq!(mock.responses[0].status, 200);
        let text = |value: &Expression| value.constant().unwrap().to_owned();
        let headers = mock.responses[0].headers.iter();
        headers.map(|(name, value)| (name.clone(), text(value))).collect::<BTreeMap<_, _>>()
    };
    let given = headers(own, "OPTIONS /x");
    assert_eq!(given["Access-Control-Allow-Origin"], "https://a");
    assert_eq!(given["Access-Control-Allow-Methods"], "GET");
    assert!(!given.contains_key("Access-Control-Max-Age"), "it is not in quotes");
    let any = headers(implicit, "OPTIONS /x");
    assert_eq!(any["Access-Control-Allow-Methods"], "DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT");
    let notes = template.notes.join("\n");
    assert!(notes.contains("A: `MaxAge` of `Cors` is left out"), "{notes}");
    let guarded = "ServerlessRestApi: preflight requests need what browsers do not send";
    assert!(notes.contains(guarded), "{notes}");
}

#[test]
fn usage_plans_and_keys_are_read_in_every_form() {
    let shared = read_text(GLOBALS, &[]).unwrap();
    let [plan] = &shared.plans[..] else { panic!("{shared:?}") };
    assert_eq!(plan.apis, ["A", "ServerlessRestApi"]);
    assert_eq!(plan.keys, ["ServerlessApiKey"]);
    assert_eq!(plan.limits.as_ref().unwrap().quotas()[0].limit(), 5);
    assert!(shared.keys["ServerlessApiKey"].is_enabled);

    let template = read_text(
        "
Parameters: {Rate: {Type: Number, Default: 2.5}}
Resources:
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {}}
  Plan:
    Type: AWS::ApiGateway::UsagePlan
    Properties:
      ApiStages: [{ApiId: !Ref Api, Stage: v1, Throttle: {/x/GET: {RateLimit: 1}}}]
      Throttle: {RateLimit: !Ref Rate, BurstLimit: 3}
  Odd:
    Type: AWS::ApiGateway::UsagePlan
    Properties: {Quota: {Limit: 5, Period: YEAR}}
  One: {Type: AWS::ApiGateway::ApiKey, Properties: {Enabled: true, Value: one}}
  Two: {Type: AWS::ApiGateway::ApiKey, Properties: {}}
  A:
    Type: AWS::ApiGateway::UsagePlanKey
    Properties: {KeyId: !Ref One, KeyType: API_KEY, UsagePlanId: !Ref Plan}
  B:
    Type: AWS::ApiGateway::UsagePlanKey
    Properties: {KeyId: elsewhere, KeyType: API_KEY, UsagePlanId: !Ref Plan}
",
        &[],
    )
    .unwrap();
    let plan = template.plans.iter().find(|plan| plan.apis == ["Api"]).unwrap();
    assert_eq!(plan.keys, ["One", "elsewhere"]);
    assert!(plan.limits.as_ref().unwrap().throttle().is_some());
    assert_eq!(template.keys["One"].value.as_deref(), Some("one"));
    assert!(!template.keys["Two"].is_enabled);
    // API Gateway's own default.
    assert_eq!(template.apis[0].key_source, Some(KeySource::Header));
    let notes = template.notes.join("\n");
    for expected in [
        "Plan: its rates for single methods",
        "Odd: its limits are not held to here: ",
        "Two: the key is not enabled: set `Enabled: true`",
    ] {
        assert!(notes.contains(expected), "{expected} in {notes}");
    }
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

#[test]
fn a_value_that_is_not_evaluated_is_left_out_alone_and_named() {
    let text = "
Resources:
  Api: {Type: AWS::Serverless::Api, Properties: {StageName: v1}}
  Function:
    Type: AWS::Serverless::Function
    Properties:
      Policies: [!ImportValue P]
      Environment: {Variables: {A: a, B: !ImportValue Shared}}
      Events:
        Good: {Type: Api, Properties: {Path: /b, Method: get, RestApiId: !Ref Api}}
        Queue: {Type: SQS, Properties: {Queue: !ImportValue Q}}
";
    let template = read_text(text, &[]).unwrap();
    let api = template.apis.first().unwrap();
    assert!(api.routes.iter().any(|route| route.key.contains("/b")), "{:?}", api.routes);
    let variables = &template.functions["Function"].variables;
    assert_eq!(variables.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["A"]);
    let notes = template.notes.join("\n");
    assert!(notes.contains("Function.Environment.Variables.B is left out: "), "{notes}");
    assert!(!notes.contains("Policies") && !notes.contains("Events.Queue"), "{notes}");
}

#[test]
fn a_parameter_has_an_allowed_value_and_an_unknown_one_is_named() {
    let text = "
Parameters:
  Color: {Type: String, Default: red, AllowedValues: [red, blue]}
Resources:
  Api: {Type: AWS::Serverless::Api, Properties: {StageName: !Ref Color}}
";
    assert!(read_text(text, &[("Color", "blue")]).is_ok());
    let error = |given: &[(&str, &str)]| read_text(text, given).unwrap_err().to_string();
    assert_eq!(error(&[("Color", "green")]), "parameter `Color` must be one of `red`, `blue`");
    let notes = read_text(text, &[("Colour", "blue")]).unwrap().notes;
    assert_eq!(notes, ["the template has no parameter `Colour`: CloudFormation refuses it"]);
}
