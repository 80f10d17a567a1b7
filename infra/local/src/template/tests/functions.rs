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
          VA: !Ref Rest
          VB: !Ref Rest.Stage
          VC: !Sub 'https://${Http}.execute-api/${Stage}'
          VD: !GetAtt Http.ApiEndpoint
          VE: !Ref Named
          VF: !GetAtt Named.Arn
          VG: !Ref Judge
          VH: !Ref Queue
          VI: !Sub '${Queue.Arn}!'
          VJ: !GetAtt Nested.Outputs.Bucket
          VK: !Ref Queue
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
        "F.Environment.Variables.VH and 1 more: the value of `Queue` on AWS is not known here, and \
         its logical id stands for it: set the variable where `local` starts",
        "F.Environment.Variables.VI: the value of `Queue.Arn` on AWS",
        "F.Environment.Variables.VJ: the value of `Nested.Outputs.Bucket` on AWS",
    ] {
        assert!(notes.contains(note), "{note} in {notes}");
    }
    assert!(!notes.contains("Plan"), "{notes}");
}

#[test]
fn variables_and_names_that_lambda_refuses_are_named_and_not_set() {
    let template = read_text(
        "
Parameters: {Stage: {Type: String}}
Resources:
  Web: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: HTTP}}
  F:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: orders
      Environment:
        Variables:
          _HANDLER: other.handler
          AWS_REGION: !ImportValue region
          AWS_LAMBDA_EXEC_WRAPPER: /opt/wrapper
          AWS_NODEJS_CONNECTION_REUSE_ENABLED: 1
          TZ: Europe/Berlin
          A: short
          '_HANDLER=x': y
          LIST: [a]
          LONG: !Join ['', [aaaaaaaa, bbbbbbbb]]
  Odd: {Type: AWS::Lambda::Function, Properties: {FunctionName: 'two words'}}
  Staged: {Type: AWS::Lambda::Function, Properties: {FunctionName: !Sub 'orders-${Stage}'}}
",
        &[],
    )
    .unwrap();
    let of = |id: &str| &template.functions[id];
    let names: Vec<&str> = of("F").variables.iter().map(|(name, _)| name.as_str()).collect();
    let set = ["AWS_LAMBDA_EXEC_WRAPPER", "AWS_NODEJS_CONNECTION_REUSE_ENABLED", "LONG", "TZ"];
    assert_eq!((names, &of("F").unknown), (set.to_vec(), &Vec::new()));
    let names = ["F", "Odd", "Staged"].map(|id| of(id).name.as_deref());
    assert_eq!(names, [Some("orders"), None, None]);
    let notes = template.notes.join("\n");
    for note in [
        "F: the variable `_HANDLER` is not set, and the deployment fails on AWS: Lambda sets it",
        "F: the variable `A` is not set, and the deployment fails on AWS: a name has two or more",
        "F: the variable `_HANDLER=x` is not set",
        "F: the variable `LIST` is not set, and the deployment fails on AWS: its value is not a",
        "F: the variable `AWS_REGION` is not set",
        "Odd: `FunctionName: two words`: Lambda takes up to 64 letters",
        "Staged.FunctionName: parameter `Stage` has no value; add --parameter Stage=VALUE: the \
         logical id counts here",
    ] {
        assert!(notes.contains(note), "{note} in {notes}");
    }
    let large = "Resources: {Web: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: HTTP}}, \
                 F: {Type: AWS::Lambda::Function, Properties: {Environment: {Variables: {LONG: ";
    let notes = read_text(&format!("{large}{}}}}}}}}}}}", "a".repeat(4093)), &[]).unwrap().notes;
    assert_eq!(notes, ["F: its variables have 4097 bytes: Lambda takes 4096"]);
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
      Environment: {Variables: {VA: a, VB: !ImportValue Shared}}
      Events:
        Good: {Type: Api, Properties: {Path: /b, Method: get, RestApiId: !Ref Api}}
        Queue: {Type: SQS, Properties: {Queue: !ImportValue Q}}
";
    let template = read_text(text, &[]).unwrap();
    let api = template.apis.first().unwrap();
    assert!(api.routes.iter().any(|route| route.key.contains("/b")), "{:?}", api.routes);
    let variables = &template.functions["Function"].variables;
    assert_eq!(variables.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["VA"]);
    let notes = template.notes.join("\n");
    assert!(notes.contains("Function.Environment.Variables.VB is left out: "), "{notes}");
    assert!(!notes.contains("Policies") && !notes.contains("Events.Queue"), "{notes}");
}

#[test]
fn a_name_of_two_functions_is_named_and_the_first_by_its_logical_id_runs() {
    let route = |id: &str, name: &str| {
        format!(
            "  {id}: {{Type: AWS::ApiGatewayV2::Api, Properties: {{ProtocolType: HTTP, Target: \
             'arn:aws:lambda:us-east-1:1:function:{name}'}}}}\n"
        )
    };
    let function = |id: &str, name: &str| {
        format!("  {id}: {{Type: AWS::Lambda::Function, Properties: {{FunctionName: {name}}}}}\n")
    };
    let text = ["A", "B", "C"].map(|name| route(&format!("Of{name}"), name)).concat();
    let functions = function("A", "C") + &function("B", "C") + &function("D", "A");
    let template = read_text(&format!("Resources:\n{text}{functions}"), &[]).unwrap();
    let run: Vec<&str> = template
        .apis
        .iter()
        .filter_map(|api| api.routes[0].integration.function().map(String::as_str))
        .collect();
    assert_eq!(run, ["A", "B", "A"]);
    assert_eq!(
        template.notes,
        [
            "B: `FunctionName: C` also names the function `A`, which runs here for an ARN with that \
             name",
            "D: `FunctionName: A` also names the function `A`, which runs here for an ARN with that \
             name",
        ]
    );
}
