//! The parts that SAM writes: `Globals`, routes of events, `Cors` and usage plans.

use super::*;

const SAM: &str = "
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: v1}
  Open: {Type: String, Default: 'no'}
Conditions:
  IsOpen: !Equals [!Ref Open, 'yes']
Globals:
  Function: {MemorySize: 512, Environment: {Variables: {VA: global, VB: global}}}
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
      Environment: {Variables: {VA: own}}
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
    let headers = [("X-It".into(), Expression::text("tea"))];
    assert_eq!((tea.status, &tea.headers[..]), (Some(418), &headers[..]));
    assert_eq!(template.apis[1].routes[0].key, "POST /web/{proxy+}");

    let orders = &template.functions["Orders"];
    assert_eq!((orders.memory_mb, orders.timeout), (Some(512), Some(Duration::from_secs(7))));
    let variables = [("VA".to_owned(), "own".to_owned()), ("VB".to_owned(), "global".to_owned())];
    assert_eq!(orders.variables, variables);

    let open = read_text(SAM, &[("Open", "yes"), ("Stage", "v9")]).unwrap();
    assert_eq!((open.apis.len(), open.apis[0].stage.as_str()), (3, "v9"));
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
        assert_eq!(mock.responses[0].status, Some(200));
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
