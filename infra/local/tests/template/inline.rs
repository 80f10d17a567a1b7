//! Code that is in the template itself.

use std::path::Path;

use super::*;

const TEMPLATE: &str = r#"
Transform: AWS::Serverless-2016-10-31
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: v1
      Auth:
        DefaultAuthorizer: Judge
        Authorizers: {Judge: {FunctionArn: !GetAtt Judge.Arn, Identity: {ReauthorizeEvery: 0}}}
  Judge:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.judge
      InlineCode: |
        def judge(event, context):
            effect = "Allow" if event["authorizationToken"] == "allow" else "Deny"
            statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": "*"}
            policy = {"Version": "2012-10-17", "Statement": [statement]}
            return {"principalId": "me", "policyDocument": policy}
  Python:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: !Sub |
        def handler(event, context):
            return {"statusCode": 200, "body": "${AWS::Region}"}
      Events: {A: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /python, Method: get}}}
  Node:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: nodejs22.x
      Handler: index.handler
      Code:
        ZipFile: |
          exports.handler = async event => ({ statusCode: 200, body: event.path });
  NodeApi: {Type: AWS::ApiGateway::RestApi, Properties: {Name: node}}
  Method:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref NodeApi
      ResourceId: !GetAtt NodeApi.RootResourceId
      HttpMethod: GET
      AuthorizationType: NONE
      Integration:
        Type: AWS_PROXY
        IntegrationHttpMethod: POST
        Uri: !Sub "arn:aws:apigateway:x:lambda:path/functions/${Node.Arn}/invocations"
  Ruby:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: ruby3.3
      Handler: index.handler
      InlineCode: nothing
      Events: {A: {Type: Api, Properties: {Path: /ruby, Method: get}}}
  Layered:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: import of_a_layer
      Layers: ["arn:aws:lambda:us-east-1:1:layer:of_a_layer:1"]
      Events: {A: {Type: Api, Properties: {Path: /layered, Method: get}}}
  Other:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: app.handler
      InlineCode: nothing
      Events: {A: {Type: Api, Properties: {Path: /other, Method: get}}}
"#;

/// The folders of inline code below `folder`.
fn left(folder: &Path) -> Vec<String> {
    let all = std::fs::read_dir(folder).unwrap();
    let names = all.map(|one| one.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("tollgate-inline-")).collect()
}

#[tokio::test]
async fn code_in_the_template_is_run_and_its_files_are_removed() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let file = folder.path().join("template.yaml");
    std::fs::write(&file, TEMPLATE).unwrap();
    let temporary = [("TMPDIR", folder.path().to_str().unwrap())];
    let mut local = Local::start_with(&["--template", file.to_str().unwrap()], &temporary);
    let answer = local.call("GET /python", "allow").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "us-east-1");
    assert_eq!(local.call("GET /python", "deny").await.status(), 403);
    let has_node = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .any(|folder| folder.join("node").is_file());
    if has_node {
        let apis = local.ready["apis"].as_array().unwrap();
        let node = apis.iter().find(|api| api["name"] == "NodeApi").unwrap();
        let answer = local.http.get(node["url"].as_str().unwrap()).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap()), (200, "/".to_owned()));
    }
    let notes = local.notes();
    for reason in [
        "function `Ruby` has no command: the runtime `ruby3.3` is not here",
        "(its layers are not applied here): what calls it fails",
        "not served here: layers of functions (1: Layered)",
        "function `Other` has no command: inline code is the file `index`, and its handler is `app.handler`",
    ] {
        assert!(notes.contains(reason), "{reason} in {notes}");
    }

    assert_eq!(left(folder.path()).len(), 1);
    let ended = Command::new("kill").arg(local.child.id().to_string()).status().unwrap();
    assert!(ended.success());
    local.child.wait().unwrap();
    assert!(left(folder.path()).is_empty(), "{:?}", left(folder.path()));
}
