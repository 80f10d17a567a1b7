//! Integrations and their settings, what is not served, and files that are too much.

use super::*;

/// The only API of a template.
fn api(text: &str) -> (Api, String) {
    let mut template = read_text(text, &[]).unwrap();
    (template.apis.remove(0), template.notes.join("\n"))
}

#[test]
fn the_payload_and_the_time_out_are_read_in_every_form() {
    let uri =
        "arn:aws:apigateway:x:lambda:path/functions/arn:aws:lambda:x:1:function:F/invocations";
    let (v2, notes) = api(&format!(
        "
Resources:
  A: {{Type: AWS::ApiGatewayV2::Api, Properties: {{ProtocolType: HTTP}}}}
  One: {{Type: AWS::ApiGatewayV2::Integration, Properties: {{ApiId: !Ref A,
    IntegrationType: AWS_PROXY, IntegrationUri: '{uri}', PayloadFormatVersion: '1.0'}}}}
  Two: {{Type: AWS::ApiGatewayV2::Integration, Properties: {{ApiId: !Ref A,
    IntegrationType: AWS_PROXY, IntegrationUri: '{uri}', PayloadFormatVersion: '2.0',
    TimeoutInMillis: 60000}}}}
  None: {{Type: AWS::ApiGatewayV2::Integration, Properties: {{ApiId: !Ref A,
    IntegrationType: AWS_PROXY, IntegrationUri: '{uri}', TimeoutInMillis: 50}}}}
  R1: {{Type: AWS::ApiGatewayV2::Route,
    Properties: {{ApiId: !Ref A, RouteKey: GET /1, Target: !Sub 'integrations/${{One}}'}}}}
  R2: {{Type: AWS::ApiGatewayV2::Route,
    Properties: {{ApiId: !Ref A, RouteKey: GET /2, Target: !Sub 'integrations/${{Two}}'}}}}
  R3: {{Type: AWS::ApiGatewayV2::Route,
    Properties: {{ApiId: !Ref A, RouteKey: GET /3, Target: !Sub 'integrations/${{None}}'}}}}
"
    ));
    let seen: Vec<_> = v2.routes.iter().map(|route| (route.payload, route.timeout)).collect();
    let millis = |millis| Some(Duration::from_millis(millis));
    let expected = [(Payload::V1, None), (Payload::V2, millis(60_000)), (Payload::V1, millis(50))];
    assert_eq!(seen, expected);
    assert!(notes.contains("A: GET /3: the integration has no `PayloadFormatVersion`"), "{notes}");
    assert!(notes.contains("A: GET /2: a time-out of 60000 ms: API Gateway takes 50 to 30000 ms"));
    assert_eq!(notes.lines().count(), 2, "{notes}");

    let (sam, notes) = api("
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        One: {Type: HttpApi, Properties: {Path: /1, Method: GET, PayloadFormatVersion: '1.0'}}
        Two: {Type: HttpApi, Properties: {Path: /2, Method: GET, TimeoutInMillis: 1000}}
");
    let seen: Vec<_> = sam.routes.iter().map(|route| (route.payload, route.timeout)).collect();
    assert_eq!(seen, [(Payload::V1, None), (Payload::V2, millis(1000))], "SAM's default is 2.0");
    assert_eq!(notes, "");
}

#[test]
fn an_authorizers_payload_and_form_of_answer_are_read() {
    let kind = |settings: &str| {
        let (api, _) = api(&format!(
            "
Resources:
  A:
    Type: AWS::Serverless::HttpApi
    Properties: {{Auth: {{Authorizers: {{J: {{FunctionArn: !GetAtt F.Arn, {settings}}}}}}}}}
  F: {{Type: AWS::Serverless::Function, Properties: {{}}}}
"
        ));
        api.authorizers["J"].kind.clone().unwrap()
    };
    for (settings, payload) in [
        ("AuthorizerPayloadFormatVersion: '1.0'", Payload::V1),
        ("AuthorizerPayloadFormatVersion: '2.0'", Payload::V2),
        ("AuthorizerPayloadFormatVersion: '2.0', EnableSimpleResponses: true", Payload::Simple),
        ("AuthorizerPayloadFormatVersion: '2.0', EnableSimpleResponses: false", Payload::V2),
    ] {
        assert_eq!(kind(settings), Kind::Http(payload), "{settings}");
    }
}

/// The route of a REST API's method with this integration, and the notes.
fn method(integration: &str) -> (Route, String) {
    let text = format!(
        r#"{{"openapi": "3.0.1", "paths": {{"/x": {{"get":
        {{"x-amazon-apigateway-integration": {integration}}}}}}}}}"#
    );
    let (mut api, notes) = api(&text);
    (api.routes.remove(0), notes)
}

#[test]
fn what_needs_velocity_or_aws_is_unserved_with_the_reason() {
    for (integration, reason) in [
        (
            r##"{"type": "mock", "requestTemplates": {"application/json": "#if(true)a#end"}}"##,
            "`#if` in a mapping template",
        ),
        (
            r#"{"type": "mock", "responses": {"default":
                {"responseTemplates": {"application/json": "$util.urlEncode('a')"}}}}"#,
            "`$util.urlEncode` in a mapping template",
        ),
        (
            r#"{"type": "mock", "requestTemplates": {"application/json": "$input.json('$.*')"}}"#,
            "the path `$.*` in a mapping template",
        ),
        (r#"{"type": "mock", "responses": {"5(": {"statusCode": 500}}}"#, "the pattern `5(`"),
        (
            r#"{"type": "http_proxy", "uri": "http://a.example", "requestParameters":
                {"integration.request.header.a": "method.request.body..b"}}"#,
            "the mapping `method.request.body..b`",
        ),
        (
            r#"{"type": "http_proxy", "uri": "http://${stageVariables.a}"}"#,
            "the stage variable `a`",
        ),
        (r#"{"type": "http", "uri": "ftp://a"}"#, "`ftp://a` is not an address"),
        (r#"{"type": "aws", "uri": "arn:aws:apigateway:x:sqs:path/1/q"}"#, "the service integ"),
    ] {
        let (route, _) = method(integration);
        let Integration::Unserved(found) = &route.integration else { panic!("{integration}") };
        assert!(found.starts_with(reason), "{found}");
    }
}

#[test]
fn a_function_that_is_no_proxy_has_templates() {
    let uri =
        r#""type": "aws", "uri": "arn:aws:apigateway:x:lambda:path/a:function:F/invocations""#;
    let (route, notes) = method(&format!(
        r#"{{{uri}, "httpMethod": "POST", "requestTemplates": {{"application/json": "a"}}}}"#
    ));
    let Integration::Custom(name, templates) = &route.integration else { panic!() };
    let expected = ("application/json".to_owned(), Expression::text("a"));
    assert_eq!((name.as_str(), &templates.requests[..]), ("F", &[expected][..]));
    assert_eq!(notes, "");
    for (kind, is_served) in [("'RequestResponse'", true), ("'Event'", false)] {
        let (route, _) = method(&format!(
            r#"{{{uri}, "requestParameters":
            {{"integration.request.header.X-Amz-Invocation-Type": "{kind}"}}}}"#
        ));
        assert_eq!(matches!(route.integration, Integration::Custom(..)), is_served, "{kind}");
        let reason = Integration::Unserved(format!("invocations of the type `{kind}`"));
        assert_eq!(route.integration == reason, !is_served);
    }
}

#[test]
fn request_parameters_of_a_functions_proxy_are_for_http_apis_alone() {
    let integration = |version: &str, name: &str| {
        format!(
            r#"{{"type": "aws_proxy", "uri": "a:function:F/invocations", {version} "requestParameters":
            {{"{name}": "'b'"}}}}"#
        )
    };
    let (rest, notes) = method(&integration("", "integration.request.header.a"));
    assert_eq!((&rest.integration, notes.as_str()), (&Integration::Function("F".to_owned()), ""));
    assert_eq!(rest.request_mappings, []);
    let version = r#""payloadFormatVersion": "2.0","#;
    let (http, _) = method(&integration(version, "append:header.a"));
    let mapping = crate::gateway::Mapping::of_http("append:header.a", "'b'").unwrap();
    assert_eq!(http.request_mappings, [mapping]);
    let (wrong, _) = method(&integration(version, "append:header.x-amz-a"));
    assert!(matches!(wrong.integration, Integration::Unserved(_)), "{wrong:?}");
}

#[test]
fn changes_to_responses_are_read_in_both_forms() {
    let text = |parameters: &str| {
        format!(
            "
Resources:
  A: {{Type: AWS::ApiGatewayV2::Api, Properties: {{ProtocolType: HTTP}}}}
  I: {{Type: AWS::ApiGatewayV2::Integration, Properties: {{ApiId: !Ref A,
    IntegrationType: HTTP_PROXY, IntegrationUri: 'http://a.example', IntegrationMethod: ANY,
    ResponseParameters: {parameters}}}}}
  R: {{Type: AWS::ApiGatewayV2::Route,
    Properties: {{ApiId: !Ref A, RouteKey: GET /, Target: !Sub 'integrations/${{I}}'}}}}
"
        )
    };
    let mut expected = ResponseMappings::default();
    expected.add("404", "overwrite:statuscode", "410").unwrap();
    expected.add("404", "append:header.a", "$response.body.b").unwrap();
    let cloud_formation = "{'404': {ResponseParameters: [
        {Destination: 'overwrite:statuscode', Source: '410'},
        {Destination: 'append:header.a', Source: $response.body.b}]}}";
    let (read, notes) = api(&text(cloud_formation));
    assert_eq!((&read.routes[0].response_mappings, notes.as_str()), (&expected, ""));
    let (wrong, _) = api(&text("{'404': {ResponseParameters: [{Destination: a, Source: b}]}}"));
    let reason = Integration::Unserved("the mapping to `a`".to_owned());
    assert_eq!(wrong.routes[0].integration, reason);

    let (open_api, notes) =
        api(r#"{"openapi": "3.0.1", "x-amazon-apigateway-cors": {}, "paths": {"/": {"get":
        {"x-amazon-apigateway-integration": {"type": "http_proxy", "uri": "http://a.example",
        "payloadFormatVersion": "1.0", "responseParameters":
        {"404": {"overwrite:statuscode": 410, "append:header.a": "$response.body.b"}}}}}}}"#);
    assert_eq!(notes, "");
    let mut expected = ResponseMappings::default();
    // The members of a document are in the order of their names.
    expected.add("404", "append:header.a", "$response.body.b").unwrap();
    expected.add("404", "overwrite:statuscode", "410").unwrap();
    assert_eq!(open_api.routes[0].response_mappings, expected);
}

#[test]
fn what_fails_on_aws_alone_is_named() {
    let (route, notes) = method(
        r#"{"type": "http_proxy", "uri": "http://a.example/{x}", "httpMethod": "post",
            "timeoutInMillis": 30000}"#,
    );
    let Integration::Http(address) = &route.integration else { panic!() };
    assert_eq!(address.method, Some(http::Method::POST));
    assert!(notes.contains("`{x}` of the integration's address needs the mapping"), "{notes}");
    assert!(notes.contains("a time-out of 30000 ms: API Gateway takes 50 to 29000 ms"), "{notes}");
    let (_, notes) =
        method(r#"{"type": "aws_proxy", "httpMethod": "GET", "uri": "a:function:F/invocations"}"#);
    assert!(notes.contains("Lambda is called by `POST`"), "{notes}");
}

#[test]
fn settings_that_are_not_served_are_one_line_for_each_kind() {
    let text = "
Resources:
  A:
    Type: AWS::Serverless::Api
    Properties:
      StageName: v1
      MethodSettings: [{ThrottlingRateLimit: 1}]
      CanarySetting: {PercentTraffic: 1}
      DisableExecuteApiEndpoint: true
      Auth: {ResourcePolicy: {IpRangeDenylist: [192.0.2.1]}}
      Domain: {DomainName: a.example, MutualTlsAuthentication: {TruststoreUri: 's3://a'}}
      Models: {M: {}}
  B: {Type: AWS::Serverless::Api, Properties: {StageName: v1, DisableExecuteApiEndpoint: false}}
  V: {Type: AWS::ApiGateway::RequestValidator, Properties: {RestApiId: !Ref B}}
  W: {Type: AWS::ApiGateway::RequestValidator, Properties: {RestApiId: !Ref B}}
  X: {Type: AWS::ApiGateway::RequestValidator, Properties: {RestApiId: !Ref B}}
  L: {Type: AWS::ApiGatewayV2::VpcLink, Properties: {}}
  D: {Type: AWS::ApiGateway::DomainName, Properties: {DomainName: b.example}}
  F: {Type: AWS::Serverless::Function, Properties: {Policies: [a], Events: {E: {Type: Api,
    Properties: {RestApiId: !Ref B, Path: /, Method: get, RequestModel: {Model: M}}}}}}
";
    let template = read_text(text, &[]).unwrap();
    let expected = [
        "not served here: VPC links: what is behind one answers 501 (1: L)",
        "not served here: `DisableExecuteApiEndpoint`: the address here stands for any (1: A)",
        "not served here: canary releases (1: A)",
        "not served here: custom domains and their mappings (2: A, D)",
        "not served here: models and request validators (5: A, F.E, V and 2 more)",
        "not served here: mutual TLS (1: A)",
        "not served here: resource policies (1: A)",
        "not served here: throttling and caching of stages and methods (1: A)",
    ];
    assert_eq!(template.notes, expected);

    let document = "
openapi: 3.0.1
x-amazon-apigateway-policy: {}
servers: [{x-amazon-apigateway-endpoint-configuration: {disableExecuteApiEndpoint: true}}]
paths:
  /x:
    get:
      x-amazon-apigateway-request-validator: all
      x-amazon-apigateway-integration:
        {type: http_proxy, uri: 'http://a', connectionType: VPC_LINK, connectionId: abc}
";
    let notes = read_text(document, &[]).unwrap().notes.join("\n");
    for kind in ["resource policies (1: OpenAPI)", "(1: OpenAPI: GET /x)", "VPC links", "stands"] {
        assert!(notes.contains(kind), "{kind} in {notes}");
    }
}

#[test]
fn files_and_values_that_are_too_much_are_refused_with_their_place() {
    let error = |text: &str| read_text(text, &[]).unwrap_err().to_string();
    let conditions = |conditions: &str| {
        error(&format!(
            "Conditions: {{{conditions}}}\nResources: {{A: {{Type: AWS::ApiGateway::RestApi, \
             Condition: C, Properties: {{}}}}}}"
        ))
    };
    let by_itself = "`Conditions.C` is defined by itself";
    assert_eq!(conditions("C: !Condition C"), by_itself);
    assert_eq!(conditions("C: !Not [!Condition D], D: !Or [!Condition C]"), by_itself);
    assert_eq!(conditions("C: !Equals [!If [C, a, b], a]"), by_itself);
    let chain = (0..300).map(|at| format!("C{at}: !Not [!Condition C{}]", at + 1));
    let chain: Vec<String> = chain.collect();
    let deep = conditions(&format!("C: !Condition C0, {}", chain.join(", ")));
    assert_eq!(deep, "`Resources.A` is nested too deep");
    // Each doubles the one after it.
    let twice =
        |at| format!("C{at}: !And [!Not [!Condition C{0}], !Not [!Condition C{0}]]", at + 1);
    let doubled: Vec<String> = (0..40).map(twice).collect();
    let many =
        conditions(&format!("C: !Condition C0, {}, C40: !Equals [a, b]", doubled.join(", ")));
    assert_eq!(many, "`Resources.A` has too many functions to evaluate");

    let named = |value: &str| {
        error(&format!(
            "Resources: {{A: {{Type: AWS::ApiGateway::RestApi, Properties: {{Name: {value}}}}}}}"
        ))
    };
    let mut sub = "a".to_owned();
    for _ in 0..20 {
        sub = format!("!Sub ['${{a}}${{a}}${{a}}${{a}}', {{a: {sub}}}]");
    }
    assert_eq!(named(&sub), "`Resources.A` has too many functions to evaluate");
    let mut long = format!("'{}'", "a".repeat(200_000));
    for _ in 0..3 {
        long = format!("!Sub ['${{a}}${{a}}${{a}}', {{a: {long}}}]");
    }
    assert_eq!(named(&long), "`Resources.A` makes a text of more than 1 MB");
    let join = format!("!Join [{}, [{}a]]", "b".repeat(10_000), "a, ".repeat(1000));
    assert_eq!(named(&join), "`Resources.A` makes a text of more than 1 MB");
    // A function's values are left out where they are not known here, but not for this.
    let function = format!(
        "Resources: {{F: {{Type: AWS::Serverless::Function, Properties: {{Policies: {sub}}}}}}}"
    );
    assert_eq!(error(&function), "`Resources.F` has too many functions to evaluate");

    let many: String = (0..100)
        .map(|at| format!("  F{at}: {{Type: AWS::Serverless::Function, Properties: {{}}}}\n"))
        .collect();
    let globals =
        format!("Globals: {{Function: {{A: {}}}}}\nResources:\n{many}", "a".repeat(500_000));
    assert!(error(&globals).ends_with("makes more than 16 MB of texts"), "{}", error(&globals));

    assert!(error("a: &x [1]\nb: *x").contains("has an alias in line 2"));
    let nested = "- ".repeat(400_000);
    assert!(error(&nested).contains("nested too deep in line 1"));
    let large = format!("a: {}", "a".repeat(1024 * 1024));
    assert!(error(&large).ends_with("is larger than 1 MB"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_without_an_end_is_not_read_to_its_end() {
    let zero = Path::new("/dev/zero");
    let error = Template::read(zero, &BTreeMap::new(), &BTreeMap::new()).unwrap_err().to_string();
    assert_eq!(error, "`/dev/zero` is larger than 1 MB");
    assert!(parameters(zero).is_err());
    let definition = "Resources: {A: {Type: AWS::Serverless::Api, Properties: {StageName: a, \
                      DefinitionUri: /dev/zero}}}";
    assert!(read_text(definition, &[]).unwrap_err().to_string().contains("larger than 1 MB"));
    let binary = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(binary.path(), [0xff, 0xfe]).unwrap();
    assert!(parameters(binary.path()).unwrap_err().to_string().contains("it is not UTF-8"));
}
