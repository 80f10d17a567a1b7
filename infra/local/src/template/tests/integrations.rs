//! Integrations and their settings.

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
            r#"{"type": "mock", "responses": {"default": {"statusCode": "2xx"}}}"#,
            "the status `2xx`: write a number from 200 to 599",
        ),
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
        ("{}", "the integration has no type"),
        (r#"{"type": "aws"}"#, "the integration has no URI"),
        (r#"{"type": "aws_proxy"}"#, "the integration has no URI"),
        (r#"{"type": "http_proxy"}"#, "the integration has no URI"),
        (
            r#"{"type": "http_proxy", "uri": "http://a.example", "requestParameters":
                {"integration.request.header.a": ""}}"#,
            "a mapping of nothing",
        ),
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
fn a_gateway_responses_status_that_is_not_a_number_is_named() {
    let text = "
openapi: 3.0.1
x-amazon-apigateway-gateway-responses: {THROTTLED: {statusCode: slow}, DEFAULT_5XX: {}}
paths: {}
";
    let (api, notes) = api(text);
    assert_eq!(api.responses["THROTTLED"].status, None);
    let expected = "OpenAPI: gateway response `THROTTLED`: the status `slow` is not a number from \
                    200 to 599; the type's own is sent";
    assert_eq!(notes, expected);
}
