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
    Properties: {Environment: {Variables: {A: !Ref FRole, B: !Ref ApiProdStage, C: !GetAtt F.Arn}}}
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
    assert_eq!(values, ["FRole", "Prod", arn]);
    assert!(template.notes.iter().all(|note| !note.contains("Variables.B")));
    // SAM's own tool takes the template's folder.
    assert!(template.functions["F"].code.is_some());
}
