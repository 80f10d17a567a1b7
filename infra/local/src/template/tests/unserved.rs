//! Settings and events that are not served, in one line for each kind.

use super::*;

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
fn settings_of_routes_are_named_if_they_throttle_or_cache() {
    let template = read_text(
        "
Resources:
  A: {Type: AWS::Serverless::HttpApi, Properties: {
    DefaultRouteSettings: {DetailedMetricsEnabled: true},
    RouteSettings: {GET /x: {LoggingLevel: INFO}}}}
  B: {Type: AWS::Serverless::HttpApi, Properties: {
    RouteSettings: {GET /x: {ThrottlingBurstLimit: 1}}}}
  C: {Type: AWS::Serverless::HttpApi, Properties: {
    DefaultRouteSettings: {ThrottlingRateLimit: 0.5}}}
  D: {Type: AWS::Serverless::Api, Properties: {StageName: v1, MethodSettings: [
    {HttpMethod: '*', ResourcePath: '/*', LoggingLevel: INFO, CachingEnabled: false}]}}
  E: {Type: AWS::Serverless::Api, Properties: {StageName: v1, MethodSettings: [
    {HttpMethod: '*', ResourcePath: '/*', CachingEnabled: true}]}}
",
        &[],
    )
    .unwrap();
    let expected = "not served here: throttling and caching of stages and methods (3: B, C, E)";
    assert_eq!(template.notes, [expected]);
}

#[test]
fn events_that_are_not_of_an_api_are_named_by_their_kinds() {
    let template = read_text(
        "
Conditions: {Never: !Equals [a, b]}
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      FunctionUrlConfig: {AuthType: NONE}
      Events:
        A: {Type: Api, Properties: {Path: /a, Method: get}}
        Q: {Type: SQS, Properties: {Queue: !ImportValue q}}
        R: {Type: SQS, Properties: {Queue: !ImportValue r}}
        N: {Type: New}
        T: {Type: Schedule, Properties: {Schedule: rate(1 minute)}}
  Mapping: {Type: AWS::Lambda::EventSourceMapping, Properties: {FunctionName: !Ref F}}
  Unmade: {Type: AWS::Lambda::EventSourceMapping, Condition: Never}
  Url: {Type: AWS::Lambda::Url, Properties: {TargetFunctionArn: !Ref F}}
  Rule: {Type: AWS::Events::Rule, Properties: {Targets: [{Arn: !GetAtt F.Arn, Id: f}]}}
  Empty: {Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(1 minute)}}
  At: {Type: AWS::Scheduler::Schedule, Properties: {Target: {Arn: !ImportValue f}}}
  Bucket: {Type: AWS::S3::Bucket}
  Told: {Type: AWS::S3::Bucket, Properties: {NotificationConfiguration: {}}}
",
        &[],
    )
    .unwrap();
    let named: Vec<&str> =
        template.notes.iter().filter_map(|note| note.strip_prefix("not served here: ")).collect();
    assert_eq!(
        named,
        [
            "SQS events of functions (2: F.Q, F.R)",
            "Schedule events of functions (1: F.T)",
            "event source mappings (1: Mapping)",
            "function URLs (2: F, Url)",
            "notifications of buckets (1: Told)",
            "other events of functions (1: F.N)",
            "rules of EventBridge (1: Rule)",
            "schedules of EventBridge Scheduler (1: At)",
        ]
    );
}
