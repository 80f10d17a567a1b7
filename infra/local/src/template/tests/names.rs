//! The names that SAM makes.

use super::unknown::reason_of;
use super::*;

#[test]
fn names_that_sam_makes_and_what_stands_for_a_function_are_known() {
    let template = read_text(
        "
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: my-f
      AutoPublishAlias: live
      Events: {A: {Type: Api, Properties: {Path: /a, Method: get}}}
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties: {Events: {S: {Type: Api, Properties: {Path: /machine, Method: post}}}}
  Api: {Type: AWS::Serverless::Api, Properties: {StageName: Prod}}
  Alias: {Type: AWS::Lambda::Alias, Properties: {FunctionName: !Ref F, Name: live}}
  Quick: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: HTTP, Target: !Ref Alias}}
  Web: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: HTTP, Target: !Ref FAliaslive}}
  Named:
    Type: AWS::ApiGatewayV2::Api
    Properties: {ProtocolType: HTTP, Target: !Sub 'arn:aws:lambda:us-east-1:1:function:my-f'}
  Plan:
    Type: AWS::ApiGateway::UsagePlan
    Properties:
      ApiStages:
      - {ApiId: !Ref ServerlessRestApi, Stage: !Ref ServerlessRestApiProdStage}
      - {ApiId: !Ref Api, Stage: other}
  Variables:
    Type: AWS::Serverless::Function
    Properties: {Environment: {Variables: {VA: !Ref FRole, VB: !Ref ApiProdStage, VC: !GetAtt F.Arn,
      VD: !Ref Alias, VE: !Ref F.Alias, VF: !Ref FAliaslive, VG: !Ref F.Version}}}
",
        &[],
    )
    .unwrap();
    for api in template.apis.iter().filter(|api| api.family == Family::Http) {
        let functions: Vec<_> = api.routes.iter().map(|route| &route.integration).collect();
        assert_eq!(functions, [&Integration::Function("F".to_owned())], "{}", api.name);
    }
    assert_eq!(reason_of(&template, "POST /machine"), "the state machine `Machine` needs AWS");
    assert_eq!(template.plans[0].apis, ["ServerlessRestApi"]);
    assert!(template.notes.join(" ").contains("Plan: it is for the stage `other`"));
    let variables = template.functions["Variables"].variables.iter();
    let values: Vec<&str> = variables.map(|(_, value)| value.as_str()).collect();
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:my-f";
    let alias = format!("{arn}:live");
    assert_eq!(values, ["FRole", "Prod", arn, &alias, &alias, &alias, arn]);
    let notes = template.notes.join("\n");
    assert!(notes.contains("Variables.VA: the value of `FRole` on AWS is not known"), "{notes}");
    assert!(!notes.contains("Variables.VB"), "{notes}");
    // SAM's own tool takes the template's folder.
    assert!(template.functions["F"].code.is_some());
}

#[test]
fn names_that_sam_makes_beside_an_api_are_those_of_its_documentation() {
    let template = read_text(
        "
Resources:
  Api: {Type: AWS::Serverless::Api, Properties: {StageName: live, Auth: {UsagePlan: {CreateUsagePlan: PER_API}}}}
  Odd: {Type: AWS::Serverless::Api, Properties: {StageName: a-b}}
  Web: {Type: AWS::Serverless::HttpApi}
  Key: {Type: AWS::ApiGateway::ApiKey, Properties: {Enabled: true, Value: 01234567890123456789}}
  Further:
    Type: AWS::ApiGateway::UsagePlanKey
    Properties: {KeyId: !Ref Key, KeyType: API_KEY, UsagePlanId: !Ref Api.UsagePlan}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Environment:
        Variables:
          V1: !Ref ApiliveStage
          V2: !Ref WebApiGatewayDefaultStage
          V3: !Ref ServerlessHttpApiApiGatewayDefaultStage
          V4: !Ref OddStage0123456789
          V5: !Ref ApiDeployment926eeb5ff1
          V6: !GetAtt FRole.Arn
          V7: !Ref WebGatewayV2ApiStage
          V8: !Ref ApiotherStage
      Events: {A: {Type: HttpApi, Properties: {Path: /a, Method: get}}}
",
        &[],
    )
    .unwrap();
    let f = &template.functions["F"];
    let values: Vec<&str> = f.variables.iter().map(|(_, value)| value.as_str()).collect();
    let unknown = ["ApiDeployment926eeb5ff1", "FRole.Arn"];
    assert_eq!(values[..4], ["live", "$default", "$default", "a-b"]);
    assert_eq!(
        (&values[4..], &f.unknown[..]),
        (&unknown[..], &["V7", "V8"].map(str::to_owned)[..])
    );
    let notes = template.notes.join("\n");
    for note in [
        "V5: the value of `ApiDeployment926eeb5ff1` on AWS is not known here",
        "V6: the value of `FRole.Arn` on AWS is not known here",
        "V7 is left out: `WebGatewayV2ApiStage` is not a parameter, resource or condition",
    ] {
        assert!(notes.contains(note), "{note} in {notes}");
    }
    assert_eq!(template.plans[0].keys, ["ApiApiKey", "Key"]);
}

#[test]
fn texts_have_the_values_of_resources_and_those_that_are_not_known_are_named() {
    let template = read_text(
        "
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Nested: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: ./other.yaml}}
  Named: {Type: AWS::Lambda::Function, Properties: {FunctionName: my-f}}
  Role: {Type: AWS::IAM::Role}
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: v1
      Description: !Ref Queue
      Variables: {fn: !Ref Named, queue: !GetAtt Queue.QueueName, own: !Ref Api}
      Cors: !Sub \"'https://${Queue}'\"
      DefinitionBody:
        info: {title: !Ref Queue}
        paths:
          /mock:
            get:
              x-amazon-apigateway-integration:
                type: mock
                requestTemplates: {application/json: '{\"statusCode\": 200}'}
                responses:
                  default:
                    statusCode: 200
                    responseTemplates: {application/json: !Sub '${Named.Arn} ${Queue.Arn}'}
          /staged:
            get:
              x-amazon-apigateway-integration:
                type: aws_proxy
                credentials: !GetAtt Role.Arn
                uri: !Sub 'arn:aws:apigateway:x:lambda:path/functions/arn:aws:lambda:x:1:function:${!stageVariables.fn}/invocations'
          /elsewhere:
            get:
              x-amazon-apigateway-integration: {type: http_proxy, uri: !Sub 'http://${Queue.Url}/x'}
          /queue:
            get:
              x-amazon-apigateway-integration: {type: aws, uri: !Sub 'arn:aws:apigateway:x:sqs:path/${Queue}'}
  One:
    Type: AWS::ApiGateway::GatewayResponse
    Properties: {RestApiId: !GetAtt Nested.Outputs.One, ResponseType: DEFAULT_4XX}
  Two:
    Type: AWS::ApiGateway::GatewayResponse
    Properties: {RestApiId: !GetAtt Nested.Outputs.Two, ResponseType: DEFAULT_4XX}
",
        &[],
    )
    .unwrap();
    let names: Vec<&str> = template.apis.iter().map(|api| api.name.as_str()).collect();
    assert_eq!(names, ["Api", "Nested.Outputs.One", "Nested.Outputs.Two"]);
    let api = &template.apis[0];
    assert_eq!((api.variables["fn"].as_str(), api.variables["own"].as_str()), ("my-f", "Api"));
    let staged = api.routes.iter().find(|route| route.key == "GET /staged").unwrap();
    assert_eq!(staged.integration, Integration::Function("Named".to_owned()));
    let reason = reason_of(&template, "GET /elsewhere");
    assert_eq!(reason, "`(not known here: Queue.Url)` is not an address");
    let notes = template.notes.join("\n");
    let mock = "Api.DefinitionBody.paths./mock.get.x-amazon-apigateway-integration.responses.default.\
                responseTemplates.application/json: the value of `Queue.Arn` on AWS is not known \
                here, and its logical id stands for it";
    for note in [
        mock,
        "Api.Variables.queue: the value of `Queue.QueueName` on AWS is not known here, and its \
         logical id stands for it: give it by --stage-variable NAME=VALUE",
        "Api.Variables.own: the value of `Api` on AWS",
        "Api.Cors: the value of `Queue` on AWS",
        "/elsewhere.get.x-amazon-apigateway-integration.uri cannot be evaluated: the value of \
         `Queue.Url` is not known here",
        "One.RestApiId: the value of `Nested.Outputs.One` on AWS is not known here",
    ] {
        assert!(notes.contains(note), "{note} in {notes}");
    }
    for other in ["Description", "title", "/queue", "credentials", "my-f"] {
        assert!(!notes.contains(other), "{other} in {notes}");
    }
}
