//! Tables of a template, and the functions that use them.

use super::*;

const TEMPLATE: &str = "
Transform: AWS::Serverless-2016-10-31
Resources:
  Items: {Type: AWS::Serverless::SimpleTable}
  Orders:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: orders
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions:
        - {AttributeName: customer, AttributeType: S}
        - {AttributeName: at, AttributeType: N}
        - {AttributeName: state, AttributeType: S}
      KeySchema:
        - {AttributeName: customer, KeyType: HASH}
        - {AttributeName: at, KeyType: RANGE}
      GlobalSecondaryIndexes:
        - IndexName: by-state
          KeySchema: [{AttributeName: state, KeyType: HASH}]
          Projection: {ProjectionType: ALL}
      LocalSecondaryIndexes:
        - IndexName: by-customer
          KeySchema:
            - {AttributeName: customer, KeyType: HASH}
            - {AttributeName: state, KeyType: RANGE}
          Projection: {ProjectionType: KEYS_ONLY}
      StreamSpecification: {StreamViewType: NEW_IMAGE}
      TimeToLiveSpecification: {AttributeName: expires, Enabled: true}
  # The configuration's, as `authorizer.yaml` defines it.
  Limits:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: tollgate
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      TimeToLiveSpecification: {AttributeName: expires_at, Enabled: true}
  World:
    Type: AWS::DynamoDB::GlobalTable
    Properties:
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      BillingMode: PROVISIONED
      WriteProvisionedThroughputSettings:
        WriteCapacityAutoScalingSettings: {MinCapacity: 1, MaxCapacity: 2}
      StreamSpecification: {StreamViewType: NEW_AND_OLD_IMAGES}
      Replicas: [{Region: us-east-1}]
  Broken:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: other, KeyType: HASH}]
  Store:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      CodeUri: HANDLERS
      Handler: store.handler
      Environment: {Variables: {TABLE: !Ref Items}}
      Events: {A: {Type: Api, Properties: {Path: /store, Method: get}}}
";

fn template(folder: &std::path::Path, text: &str) -> String {
    let file = folder.join("template.yaml");
    let handlers = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/functions/handlers");
    std::fs::write(&file, text.replace("HANDLERS", handlers)).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Calls an operation of the table's server.
pub(super) async fn asked(local: &Local, operation: &str, body: Value) -> Value {
    let request = local.http.post(local.ready["dynamodb"].as_str().unwrap());
    let request = request.header("x-amz-target", format!("DynamoDB_20120810.{operation}"));
    let request = request.header("content-type", "application/x-amz-json-1.0");
    let request = request.header(
        "authorization",
        "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, \
         SignedHeaders=host, Signature=0",
    );
    let request = request.header("x-amz-date", "20260101T000000Z");
    request.body(body.to_string()).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn tables_of_a_template_are_there_for_its_functions() {
    let folder = tempfile::tempdir().unwrap();
    let file = template(folder.path(), TEMPLATE);
    let local = Local::start(&["--template", &file]);
    let (status, item) = {
        let answer = local.call("GET /store", "").await;
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    assert_eq!((status, &item["color"]["S"]), (200, &json!("blue")), "{item}");

    assert_eq!(local.ready["tables"], json!(["tollgate", "local-Items", "orders", "local-World"]));
    let orders = &asked(&local, "DescribeTable", json!({"TableName": "orders"})).await["Table"];
    assert_eq!(orders["TableArn"], "arn:aws:dynamodb:us-east-1:123456789012:table/orders");
    assert_eq!(orders["KeySchema"][1], json!({"AttributeName": "at", "KeyType": "RANGE"}));
    assert_eq!(orders["GlobalSecondaryIndexes"][0]["IndexName"], "by-state");
    assert_eq!(orders["LocalSecondaryIndexes"][0]["IndexName"], "by-customer");
    assert_eq!(orders["StreamSpecification"]["StreamViewType"], "NEW_IMAGE");
    let expiry = asked(&local, "DescribeTimeToLive", json!({"TableName": "orders"})).await;
    let expiry = &expiry["TimeToLiveDescription"];
    assert_eq!(expiry["AttributeName"], "expires");

    let notes = local.ready["notes"].as_array().unwrap().clone();
    let of_tables: Vec<&Value> =
        notes.iter().filter(|note| note.as_str().unwrap().contains("the table `")).collect();
    let [broken] = &of_tables[..] else { panic!("{notes:?}") };
    let broken = broken.as_str().unwrap();
    assert!(broken.starts_with("Broken: the table `local-Broken` is not created: "), "{broken}");
    assert!(broken.contains("KeySchema") || broken.contains("AttributeDefinitions"), "{broken}");
}

#[tokio::test]
async fn a_table_of_another_start_stays_unless_its_keys_differ() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let start = |text: &str| {
        let file = template(folder.path(), text);
        Local::start(&["--template", &file, "--data", data.to_str().unwrap()])
    };
    let first = start(TEMPLATE);
    assert_eq!(first.call("GET /store", "").await.status(), 200);
    drop(first);
    let again = start(TEMPLATE);
    let key = json!({"TableName": "local-Items", "Key": {"id": {"S": "/store"}}});
    assert_eq!(asked(&again, "GetItem", key).await["Item"]["color"]["S"], "blue");
    assert!(!again.notes().contains("used as it is"), "{}", again.notes());
    drop(again);
    let other = start(&TEMPLATE.replace("IndexName: by-state", "IndexName: other"));
    let note = "Orders: the table `orders` is used as it is: it exists with other";
    assert!(other.notes().contains(note), "{}", other.notes());
    assert_eq!(other.ready["tables"], json!(["tollgate", "local-Items", "local-World"]));
}
