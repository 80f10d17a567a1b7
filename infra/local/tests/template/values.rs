//! Values from outside of a template: stage variables, stored values, and those of another stack.

use super::*;

const TEMPLATE: &str = r#"
Transform: AWS::Serverless-2016-10-31
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: v1
      Variables: {fn: Nothing, color: blue}
      DefinitionBody:
        openapi: 3.0.1
        paths:
          /told:
            get:
              x-amazon-apigateway-integration:
                type: aws_proxy
                httpMethod: POST
                uri: arn:aws:apigateway:x:lambda:path/functions/arn:aws:lambda:x:1:function:${stageVariables.fn}/invocations
          /missing:
            get:
              x-amazon-apigateway-integration:
                {type: http_proxy, httpMethod: GET, uri: "http://${stageVariables.nowhere}"}
  Told:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      Environment:
        Variables: {ONE: "{{resolve:ssm:/a}}", TWO: !ImportValue b, SIX: !ImportValue c}
      InlineCode: |
        import json
        import os


        def handler(event, context):
            own = {name: os.environ.get(name) for name in ["ONE", "TWO", "SIX"]}
            return {"statusCode": 200, "body": json.dumps([own, event["stageVariables"]])}
"#;

#[tokio::test]
async fn values_from_outside_of_a_template_are_given_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("template.yaml");
    std::fs::write(&file, TEMPLATE).unwrap();
    let arguments = [
        "--template",
        file.to_str().unwrap(),
        "--parameter",
        "resolve:ssm:/a=stored",
        "--stage-variable",
        "fn=Told",
    ];
    let local = Local::start_with(&arguments, &[("TWO", "set")]);
    let told: Value = local.call("GET /told", "").await.json().await.unwrap();
    let variables = json!({"ONE": "stored", "TWO": "set", "SIX": null});
    assert_eq!(told, json!([variables, {"color": "blue", "fn": "Told"}]));
    let missing = local.call("GET /missing", "").await;
    assert_eq!(missing.status(), 501);
    let notes = local.notes();
    for note in [
        "Api: GET /missing: answers 501: the stage variable `nowhere` has no value: add \
         --stage-variable nowhere=VALUE",
        "Told.Environment.Variables.SIX is left out: the export `c` of another stack is not known \
         here: or set it where `local` starts",
    ] {
        assert!(notes.contains(note), "{note} in {notes}");
    }
    assert!(!notes.contains("has no parameter"), "{notes}");
}
