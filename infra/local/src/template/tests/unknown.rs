//! Parts of a template that this machine does not know: they are named, and never open a route.

use super::*;

fn guard_of<'a>(template: &'a Template, key: &str) -> Option<&'a str> {
    let mut routes = template.apis.iter().flat_map(|api| &api.routes);
    let route = routes.find(|route| route.key == key).unwrap_or_else(|| panic!("{key}"));
    route.authorizer.as_deref()
}

pub(super) fn reason_of<'a>(template: &'a Template, key: &str) -> &'a str {
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
    assert_eq!(reason_of(&template, "GET /x"), "the path is defined elsewhere");
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
    assert!(error("a:\n  - {{x}}").contains("a member's name in line 2 must be a text"));
    let quoted = error("a: \"long\nand more\"\nb: 1");
    assert!(quoted.contains("indent the lines that continue the text in quotes"), "{quoted}");
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
fn a_guard_that_is_not_known_is_never_left_out() {
    let text = json!({
        "openapi": "3.0.1",
        "components": {"securitySchemes": {
            "iam": {"type": "apiKey", "x-amazon-apigateway-authtype": "awsSigv4"},
            "jwt": {"x-amazon-apigateway-authorizer": {"type": "jwt"}},
            "odd": {"x-amazon-apigateway-authorizer":
                {"type": "request", "identitySource": "method.request.body"}},
        }},
        "security": [{"iam": []}],
        "paths": {"/x": {
            "get": {"security": [{"iam": []}]}, "put": {"security": [{"jwt": []}]},
            "post": {"security": [{"odd": []}]}, "delete": {"security": [{"nowhere": []}]},
            "patch": {},
        }},
    });
    let template = read_text(&text.to_string(), &[]).unwrap();
    let api = &template.apis[0];
    assert!(api.authorizers.values().all(|found| found.kind.is_err()));
    // `PATCH /x` has the guard of the document's root.
    assert!(api.routes.iter().all(|route| route.authorizer.is_some()), "{:?}", api.routes);
}
