//! The code of functions, and the values that they see.

use super::*;

#[test]
fn the_code_of_cdk_is_beside_its_template() {
    let template = read_text(
        r#"{"Resources": {
            "F": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Code": {"S3Bucket": {"Fn::Sub": "assets-${AWS::Region}"}, "S3Key": "1f.zip"},
                    "Runtime": "python3.13",
                    "Handler": "app.handler"
                },
                "Metadata": {"aws:asset:path": "asset.1f", "aws:asset:property": "Code"}
            },
            "Image": {
                "Type": "AWS::Lambda::Function",
                "Properties": {"Code": {"ImageUri": "image"}},
                "Metadata": {"aws:asset:path": "asset.2f", "aws:asset:property": "Code.ImageUri"}
            },
            "Web": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"ProtocolType": "HTTP"}}
        }}"#,
        &[],
    )
    .unwrap();
    let code = template.functions["F"].code.as_ref().unwrap();
    assert!(code.folder.ends_with("asset.1f"), "{code:?}");
    assert_eq!((code.runtime.as_str(), code.handler.as_str()), ("python3.13", "app.handler"));
    assert!(template.functions["Image"].code.is_none());
}

#[test]
fn functions_see_the_values_of_resources_as_on_aws_or_their_logical_ids_with_a_note() {
    let template = read_text(
        "
Resources:
  Rest: {Type: AWS::Serverless::Api, Properties: {StageName: v1}}
  Http: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: HTTP}}
  Stage: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref Http, StageName: live}}
  Queue: {Type: AWS::SQS::Queue}
  Nested: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: ./other.yaml}}
  Named: {Type: AWS::Lambda::Function, Properties: {FunctionName: !Sub 'my-${AWS::Region}'}}
  Judge: {Type: AWS::Lambda::Function, Properties: {}}
  Plan:
    Type: AWS::ApiGateway::UsagePlan
    Properties: {ApiStages: [{ApiId: !Ref Rest, Stage: !Ref Rest.Stage}]}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Environment:
        Variables:
          A: !Ref Rest
          B: !Ref Rest.Stage
          C: !Sub 'https://${Http}.execute-api/${Stage}'
          D: !GetAtt Http.ApiEndpoint
          E: !Ref Named
          F: !GetAtt Named.Arn
          G: !Ref Judge
          H: !Ref Queue
          I: !Sub '${Queue.Arn}!'
          J: !GetAtt Nested.Outputs.Bucket
          K: !Ref Queue
",
        &[],
    )
    .unwrap();
    let variables = &template.functions["F"].variables;
    let values: Vec<&str> = variables.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(
        values,
        [
            "{tollgate-id-Rest}",
            "v1",
            "https://{tollgate-id-Http}.execute-api/live",
            "{tollgate-address-Http}",
            "my-us-east-1",
            "arn:aws:lambda:us-east-1:123456789012:function:my-us-east-1",
            "Judge",
            "Queue",
            "Queue!",
            "Nested",
            "Queue",
        ]
    );
    // Elsewhere one names another by its logical id.
    let names: Vec<&str> = template.apis.iter().map(|api| api.name.as_str()).collect();
    assert_eq!((names, template.apis[0].stage.as_str()), (vec!["Http", "Rest"], "live"));
    assert_eq!(template.plans[0].apis, ["Rest"]);
    let notes = template.notes.join("\n");
    for note in [
        "F.Environment.Variables.H and 1 more: the value of `Queue` on AWS is not known here, and \
         its logical id stands for it: set the variable where `local` starts",
        "F.Environment.Variables.I: the value of `Queue.Arn` on AWS",
        "F.Environment.Variables.J: the value of `Nested.Outputs.Bucket` on AWS",
    ] {
        assert!(notes.contains(note), "{note} in {notes}");
    }
    assert!(!notes.contains("Plan"), "{notes}");
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
