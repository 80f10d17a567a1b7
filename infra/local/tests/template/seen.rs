//! The variables of a template's functions: the ids and addresses of what runs here.

use super::*;

const TEMPLATE: &str = r#"
Transform: AWS::Serverless-2016-10-31
Resources:
  Rest: {Type: AWS::Serverless::Api, Properties: {StageName: v1}}
  Other: {Type: AWS::Serverless::Api, Properties: {StageName: v2}}
  Web: {Type: AWS::Serverless::HttpApi}
  Items:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      StreamSpecification: {StreamViewType: NEW_IMAGE}
  Told:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: told-by-name
      Runtime: python3.13
      Handler: index.handler
      Environment:
        Variables:
          ONE: !Ref Other
          TWO: !Sub "https://${Rest}.example/${Rest.Stage}"
          THREE: !GetAtt Web.ApiEndpoint
          FOUR: !GetAtt Items.StreamArn
          AWS_ENDPOINT_URL_SNS: http://template.example
          _HANDLER: other.handler
      InlineCode: |
        import json
        import os


        def handler(event, context):
            own = {name: os.environ.get(name) for name in event["path"][1:].split(",")}
            own |= {"ARN": context.invoked_function_arn} if "ARN" in own else {}
            return {"statusCode": 200, "body": json.dumps([event["requestContext"]["apiId"], own])}
      Events:
        A: {Type: Api, Properties: {RestApiId: !Ref Rest, Path: "/{names}", Method: get}}
        B: {Type: Api, Properties: {RestApiId: !Ref Other, Path: "/{names}", Method: get}}
        C: {Type: HttpApi, Properties: {ApiId: !Ref Web, Path: /c, Method: get}}
"#;

#[tokio::test]
async fn functions_know_the_ids_addresses_and_endpoints_of_what_runs_here() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("template.yaml");
    std::fs::write(&file, TEMPLATE).unwrap();
    let elsewhere = [("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:4566")];
    let local = Local::start_with(&["--template", file.to_str().unwrap()], &elsewhere);
    let api = |name: &str| {
        let apis = local.ready["apis"].as_array().unwrap();
        let found = apis.iter().find(|api| api["name"] == name).unwrap();
        found["url"].as_str().unwrap().trim_end_matches('/').to_owned()
    };
    let told = async |api: &str, names: &str| {
        let answer = local.http.get(format!("{api}/{names}")).send().await.unwrap();
        answer.json::<Value>().await.unwrap()
    };
    let ids = [told(&api("Rest"), "-").await[0].clone(), told(&api("Other"), "-").await[0].clone()];
    assert_ne!(ids[0], ids[1]);
    let dynamodb = local.ready["dynamodb"].as_str().unwrap();
    let names = "ONE,TWO,THREE,AWS_ENDPOINT_URL_DYNAMODB,AWS_ENDPOINT_URL_DYNAMODB_STREAMS,\
                 AWS_ENDPOINT_URL_S3,AWS_ENDPOINT_URL_SNS";
    let found = &told(&api("Rest"), names).await[1];
    let expected = json!({
        "ONE": ids[1],
        "TWO": format!("https://{}.example/v1", ids[0].as_str().unwrap()),
        "THREE": api("Web"),
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb,
        "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": dynamodb,
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:4566",
        "AWS_ENDPOINT_URL_SNS": "http://template.example",
    });
    assert_eq!(found, &expected);
    let names = "AWS_LAMBDA_FUNCTION_NAME,AWS_LAMBDA_LOG_GROUP_NAME,ARN,_HANDLER";
    let expected = json!({
        "AWS_LAMBDA_FUNCTION_NAME": "told-by-name",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/told-by-name",
        "ARN": "arn:aws:lambda:us-east-1:123456789012:function:told-by-name",
        "_HANDLER": "index.handler",
    });
    assert_eq!(told(&api("Rest"), names).await[1], expected);
    let arn = told(&api("Rest"), "FOUR").await[1]["FOUR"].clone();
    let table = tables::asked(&local, "DescribeTable", json!({"TableName": "local-Items"})).await;
    assert_eq!(arn, table["Table"]["LatestStreamArn"]);
}
