//! Tables of a template: their requests, their names and their ARNs.

use super::*;

const TABLES: &str = "
Parameters: {Units: {Type: Number, Default: 5}, Key: {Type: String}}
Resources:
  Orders:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      ProvisionedThroughput: {ReadCapacityUnits: !Ref Units, WriteCapacityUnits: 1}
      SSESpecification: {SSEEnabled: true, KMSMasterKeyId: !Ref Key}
      StreamSpecification: {StreamViewType: NEW_IMAGE}
      TimeToLiveSpecification: {AttributeName: expires, Enabled: true}
  Named: {Type: AWS::DynamoDB::GlobalTable, Properties: {TableName: !Sub '${AWS::StackName}.n'}}
  Simple:
    Type: AWS::Serverless::SimpleTable
    Properties: {PrimaryKey: {Name: number, Type: Number}}
  Unmade: {Type: AWS::DynamoDB::Table, Condition: Never, Properties: {}}
  Elsewhere: {Type: AWS::DynamoDB::Table, Properties: {TableName: !ImportValue name}}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Environment:
        Variables:
          VA: !Ref Orders
          VB: !Sub '${Named} ${Simple.Arn}'
          VC: !GetAtt Orders.StreamArn
          VD: !GetAtt Orders.Nothing
          VE: !Ref Elsewhere
      Events: {X: {Type: Api, Properties: {Path: /x, Method: get}}}
Conditions: {Never: !Equals [a, b]}
";

#[test]
fn tables_are_requests_and_their_names_and_arns_are_known() {
    let template = read_text(TABLES, &[]).unwrap();
    let names: Vec<&str> = template.tables.iter().map(|table| table.name.as_str()).collect();
    let unknown = "(not known here: name)";
    assert_eq!(names, [unknown, "local.n", "local-Orders", "local-Simple"]);
    let [_, named, orders, simple] = &template.tables[..] else { panic!() };
    let expected = json!({
        "TableName": "local-Orders",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 1},
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"},
    });
    assert_eq!((&orders.request, orders.expiry.as_deref()), (&expected, Some("expires")));
    assert_eq!(named.request["BillingMode"], "PAY_PER_REQUEST");
    let key = json!([{"AttributeName": "number", "AttributeType": "N"}]);
    assert_eq!(simple.request["AttributeDefinitions"], key);
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table";
    let expected = [
        ("VA".to_owned(), "local-Orders".to_owned()),
        ("VB".to_owned(), format!("local.n {arn}/local-Simple")),
        ("VC".to_owned(), format!("{arn}/local-Orders/stream/{}", Mark::Label.of("local-Orders"))),
    ];
    assert_eq!(template.functions["F"].variables, expected);
    // What only encrypts a table is not asked for.
    let notes = template.notes.join("\n");
    for note in [
        "Elsewhere.TableName cannot be evaluated: the export `name`",
        "F.Environment.Variables.VD is left out: `Orders.Nothing` is not",
        "F.Environment.Variables.VE is left out: the export `name`",
    ] {
        assert!(notes.contains(note), "{note} in {notes}");
    }
}

#[test]
fn this_repositorys_templates_bring_no_table_of_their_own() {
    let demo = Template::read(&infra("template.yaml"), &BTreeMap::new(), &BTreeMap::new()).unwrap();
    assert!(demo.tables.is_empty(), "{:?}", demo.tables);
}
