//! Parts of a template that this machine does not know: they are named, and never open a route.

use super::*;

fn guard_of<'a>(template: &'a Template, key: &str) -> Option<&'a str> {
    let mut routes = template.apis.iter().flat_map(|api| &api.routes);
    let route = routes.find(|route| route.key == key).unwrap_or_else(|| panic!("{key}"));
    route.authorizer.as_deref()
}

fn reason_of<'a>(template: &'a Template, key: &str) -> &'a str {
    let mut routes = template.apis.iter().flat_map(|api| &api.routes);
    let route = routes.find(|route| route.key == key).unwrap_or_else(|| panic!("{key}"));
    let Integration::Unserved(reason) = &route.integration else { panic!("{route:?}") };
    reason
}

#[test]
fn a_guard_that_is_not_known_guards_all_the_same() {
    let template = read_text(
        "
Resources:
  Rest: {Type: AWS::ApiGateway::RestApi, Properties: {Name: !ImportValue n}}
  Root:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Rest
      HttpMethod: GET
      AuthorizationType: !ImportValue kind
      ApiKeyRequired: !ImportValue needs
      Integration: {Type: MOCK}
  Web: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: HTTP}}
  Route:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      ApiId: !Ref Web
      RouteKey: GET /w
      AuthorizationType: CUSTOM
      AuthorizerId: !ImportValue a
  Sam: {Type: AWS::Serverless::Api, Properties: {StageName: v, Auth: !ImportValue auth}}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        A: {Type: Api, Properties: {RestApiId: !Ref Sam, Path: /a, Method: get}}
        B: {Type: Api, Properties: {Path: /b, Method: get, Auth: !ImportValue own}}
        C:
          Type: HttpApi
          Properties: {Path: /c, Method: get, Auth: {Authorizer: !ImportValue own}}
  Body:
    Type: AWS::Serverless::Api
    Properties:
      StageName: v
      DefinitionBody:
        paths:
          /d: {get: {security: !ImportValue s}}
          /e: {get: {security: [!ImportValue s]}}
          /f: {get: {security: [{Mine: []}]}}
        securityDefinitions: !ImportValue all
",
        &[],
    )
    .unwrap();
    for key in ["GET /", "GET /w", "GET /a", "GET /b", "GET /c", "GET /d", "GET /e", "GET /f"] {
        let guard = guard_of(&template, key).unwrap_or_else(|| panic!("{key} is open"));
        let served = |api: &Api| api.authorizers.get(guard).is_some_and(|one| one.kind.is_ok());
        assert!(!template.apis.iter().any(served), "{key} {guard}");
    }
    let root = template.apis.iter().flat_map(|api| &api.routes).find(|one| one.key == "GET /");
    assert!(root.unwrap().needs_key);
    let notes = template.notes.join("\n");
    for place in ["Root.AuthorizationType", "Sam.Auth", "F.Events.B.Properties.Auth"] {
        assert!(notes.contains(&format!("{place} cannot be evaluated: the export `")), "{notes}");
    }
    assert!(!notes.contains("Rest.Name"), "{notes}");
    let globals = "Globals: {Api: {Auth: !ImportValue a}}\nResources: {}";
    let error = read_text(globals, &[]).unwrap_err().to_string();
    assert!(error.starts_with("Globals.Api.Auth cannot be evaluated"), "{error}");
}

#[test]
fn an_include_is_read_from_beside_the_template() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "api.yaml",
        "paths: {/x: {get: {security: [{Mine: []}], Fn::Transform: {Name: AWS::Include, \
         Parameters: {Location: op.yaml}}}}}",
    );
    write("op.yaml", "x-amazon-apigateway-integration: {type: mock, uri: !Sub '${AWS::Region}'}");
    let include = |file: &str| {
        format!("{{Fn::Transform: {{Name: AWS::Include, Parameters: {{Location: {file}}}}}}}")
    };
    let read = |body: &str| {
        write(
            "t.yaml",
            &format!(
                "Resources: {{A: {{Type: AWS::Serverless::Api, Properties: {{StageName: s, \
                 DefinitionBody: {body}}}}}}}"
            ),
        );
        Template::read(&folder.path().join("t.yaml"), &BTreeMap::new(), &BTreeMap::new())
    };
    let template = read(&include("api.yaml")).unwrap();
    assert_eq!(guard_of(&template, "GET /x"), Some("Mine"));
    assert!(matches!(template.apis[0].routes[0].integration, Integration::Mock(_)));
    for (file, why) in [("s3://bucket/api.yaml", "is not a file here"), ("no.yaml", "can't read")] {
        let template = read(&include(file)).unwrap();
        assert!(reason_of(&template, "ANY /{proxy+}").contains("the API's definition"));
        assert!(template.notes.join(" ").contains(why), "{:?}", template.notes);
    }
    // What an include might bring could be a guard.
    let template = read("{paths: {/x: {get: {Fn::Transform: {Name: Other}, x: 1}}}}").unwrap();
    assert_eq!(reason_of(&template, "GET /x"), "the method has no integration");
    write("self.yaml", &format!("a: {}", include("self.yaml")));
    let error = read(&include("self.yaml")).unwrap_err().to_string();
    assert_eq!(error, "`Resources.A` includes more than 32 files");
}

#[test]
fn a_definition_elsewhere_answers_501() {
    for uri in ["s3://bucket/api.json", "{Bucket: b, Key: k}", "nowhere.yaml"] {
        let text = format!(
            "Resources: {{A: {{Type: AWS::Serverless::Api, Properties: {{StageName: s, \
             DefinitionUri: {uri}}}}}}}"
        );
        let template = read_text(&text, &[]).unwrap();
        assert!(reason_of(&template, "ANY /").contains("the API's definition"));
        assert!(template.notes[0].starts_with("A: the definition is not read"));
    }
}

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

#[test]
fn a_token_authorizer_takes_the_header_of_its_scheme() {
    let template = read_text(
        r#"{"swagger": "2.0", "paths": {}, "securityDefinitions": {"T": {
            "type": "apiKey", "name": "X-Tok", "in": "header",
            "x-amazon-apigateway-authorizer": {"type": "token", "authorizerUri": "u"}}}}"#,
        &[],
    )
    .unwrap();
    let sources: Vec<String> =
        template.apis[0].authorizers["T"].sources.iter().map(ToString::to_string).collect();
    assert_eq!(sources, ["method.request.header.X-Tok"]);
}

#[test]
fn yaml_is_read_as_cloudformation_does() {
    let text = "
Resources:
  A:
    Type: AWS::Serverless::Api
    Properties:
      StageName: first
      StageName: second
      Auth: {Authorizers: {Mine: {
        FunctionArn: {Fn::GetAtt: J.Arn}
      }
    }}
  J: {Type: AWS::Serverless::Function, Properties: {}}
";
    let template = read_text(text, &[]).unwrap();
    assert_eq!(template.apis[0].stage, "second");
    assert_eq!(template.apis[0].authorizers["Mine"].function.as_deref(), Some("J"));
    let note = "`StageName` is defined a second time in line 7: the last one counts";
    assert_eq!(template.notes[0], note);
    let error = |text: &str| read_text(text, &[]).unwrap_err().to_string();
    assert!(error("a: {<<: {b: 1}}").contains("a merge key `<<` in line 1"));
    assert!(error("a: b: c").contains("is not a template"));
}

#[test]
fn a_stage_of_a_deployment_and_a_vpc_link_are_read() {
    let template = read_text(
        "
Resources:
  A: {Type: AWS::ApiGateway::RestApi, Properties: {}}
  D:
    Type: AWS::ApiGateway::Deployment
    Properties: {RestApiId: !Ref A, StageName: v1, StageDescription: {Variables: {color: blue}}}
  M:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref A
      HttpMethod: GET
      Integration: {Type: HTTP_PROXY, Uri: 'http://nlb.example', ConnectionType: VPC_LINK}
  Nested: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: ./other.yaml}}
",
        &[],
    )
    .unwrap();
    let api = &template.apis[0];
    assert_eq!((api.stage.as_str(), api.variables["color"].as_str()), ("v1", "blue"));
    assert_eq!(reason_of(&template, "GET /"), "the VPC link needs AWS");
    assert!(template.notes.join(" ").contains("name its template `./other.yaml`"));
}

#[test]
fn an_event_never_opens_what_a_definition_guards() {
    let text = |definition: &str| {
        format!(
            "
Resources:
  Api: {{Type: AWS::Serverless::Api, Properties: {{StageName: s, {definition}}}}}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        X: {{Type: Api, Properties: {{RestApiId: !Ref Api, Path: /x, Method: get}}}}
        Y: {{Type: Api, Properties: {{RestApiId: !Ref Api, Path: /y, Method: get}}}}
"
        )
    };
    let body = "DefinitionBody: {paths: {/x: {get: {security: [{sigv4: []}]}}}}";
    let template = read_text(&text(body), &[]).unwrap();
    let routes: Vec<&str> = template.apis[0].routes.iter().map(|one| one.key.as_str()).collect();
    assert_eq!((routes, guard_of(&template, "GET /x")), (vec!["GET /x"], Some("sigv4")));
    assert!(template.notes.join(" ").contains("Api: GET /y: the event makes no route"));
    // Nor what a definition that is not known here may guard.
    let template = read_text(&text("DefinitionUri: s3://b/k"), &[]).unwrap();
    assert!(template.apis[0].routes.iter().all(|route| route.key.starts_with("ANY ")));
    let merged = format!("MergeDefinitions: true, {body}");
    let template = read_text(&text(&merged), &[]).unwrap();
    assert_eq!(guard_of(&template, "GET /x"), Some("sigv4"));
    assert_eq!(template.apis[0].routes.len(), 2);
}

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
            "other events of functions (1: F.N)",
        ]
    );
}
