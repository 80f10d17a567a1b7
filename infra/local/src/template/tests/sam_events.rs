//! SAM's events of APIs that have a definition, as the guards of their routes show it.

use super::*;

/// The authorizers `Mine` and `Other`, and a function with these events.
pub(super) fn with_events(api: &str, events: &str) -> Template {
    let auth =
        "Authorizers: {Mine: {FunctionArn: !GetAtt F.Arn}, Other: {FunctionArn: !GetAtt F.Arn}}";
    let api = api.replace("AUTH", auth);
    let text = format!(
        "
Parameters: {{Name: {{Type: String, Default: Mine}}}}
Conditions: {{Never: !Equals [a, b]}}
Resources:
  X: {{{api}}}
  F: {{Type: AWS::Serverless::Function, Properties: {{Events: {{{events}}}}}}}
"
    );
    read_text(&text, &[]).unwrap()
}

/// An event of the API `X`; `more` is the rest of its properties.
pub(super) fn event(name: &str, kind: &str, method: &str, path: &str, more: &str) -> String {
    let id = if kind == "Api" { "RestApiId" } else { "ApiId" };
    let properties = format!("{{{id}: !Ref X, Path: {path}, Method: {method}, {more}}}");
    format!("{name}: {{Type: {kind}, Properties: {properties}}}, ")
}

/// Each route with its guards: `Mine+key`, `-` for an open one, `501` for one that is closed.
fn guards(template: &Template) -> BTreeMap<&str, String> {
    let api = &template.apis[0];
    let shown = |route: &Route| {
        let known = |name: &String| api.authorizers.contains_key(name);
        if matches!(route.integration, Integration::Unserved(_))
            || route.authorizer.as_ref().is_some_and(|name| !known(name))
        {
            return "501".to_owned();
        }
        let key = if route.needs_key { "+key" } else { "" };
        format!("{}{key}", route.authorizer.as_deref().unwrap_or("-"))
    };
    api.routes.iter().map(|route| (route.key.as_str(), shown(route))).collect()
}

pub(super) fn check(template: &Template, expected: &[(&str, &str)]) {
    let expected: BTreeMap<&str, String> =
        expected.iter().map(|(key, guard)| (*key, (*guard).to_owned())).collect();
    assert_eq!(guards(template), expected, "{:?}", template.notes);
}

const PROXY: &str = "x-amazon-apigateway-integration: {type: aws_proxy, httpMethod: POST, \
                     payloadFormatVersion: '1.0', uri: 'arn:aws:lambda:x:1:function:Def'}";

/// A definition of methods, each with a path and the members of its operation.
pub(super) fn definition(methods: &[(&str, &str, &str)]) -> String {
    let path = |(method, path, more): &(&str, &str, &str)| {
        format!("{path}: {{{method}: {{{PROXY}{more}}}}}")
    };
    let paths: Vec<String> = methods.iter().map(path).collect();
    format!("DefinitionBody: {{openapi: 3.0.1, paths: {{{}}}}}", paths.join(", "))
}

#[test]
fn an_event_overrides_the_guards_of_a_rest_apis_definition() {
    let api = |auth: &str| {
        let body = definition(&[
            ("get", "/a", ""),
            ("get", "/b", ""),
            ("get", "/c", ""),
            ("get", "/own", ", security: [{Other: []}]"),
            ("get", "/both", ", security: [{Other: []}]"),
        ]);
        format!(
            "Type: AWS::Serverless::Api, Properties: {{StageName: v, Auth: {{{auth}}}, {body}}}"
        )
    };
    let of = |name: &str, path: &str, auth: &str| {
        event(name, "Api", "get", path, &format!("Auth: {{{auth}}}"))
    };
    let events = [
        of("A", "/a", "OverrideApiAuth: true, Authorizer: Mine"),
        of("B", "/b", "OverrideApiAuth: true, ApiKeyRequired: true"),
        of("C", "/c", "Authorizer: Mine"),
        of("D", "/new", "OverrideApiAuth: true, Authorizer: Mine"),
        of("E", "/both", "OverrideApiAuth: true, Authorizer: Mine"),
    ];
    let template = with_events(&api("AUTH"), &events.concat());
    check(
        &template,
        &[
            ("GET /a", "Mine"),
            ("GET /b", "-+key"),
            ("GET /c", "-"),
            ("GET /own", "Other"),
            ("GET /both", "501"),
        ],
    );
    assert_eq!(template.notes.len(), 1, "{:?}", template.notes);
    assert!(template.notes[0].starts_with("X: GET /new: the event makes no route"));

    let events = [
        of("A", "/a", "OverrideApiAuth: true, Authorizer: NONE"),
        of("B", "/b", "OverrideApiAuth: true, Authorizer: Other, ApiKeyRequired: false"),
        of("C", "/own", "OverrideApiAuth: true, Authorizer: NONE"),
    ];
    let template =
        with_events(&api("DefaultAuthorizer: Mine, ApiKeyRequired: true, AUTH"), &events.concat());
    check(
        &template,
        &[
            ("GET /a", "-+key"),
            ("GET /b", "Other"),
            ("GET /c", "Mine+key"),
            ("GET /own", "Other+key"),
            ("GET /both", "Other+key"),
        ],
    );
}

#[test]
fn events_add_to_the_definition_of_an_http_api() {
    let body = definition(&[
        ("get", "/a", ""),
        ("get", "/open", ""),
        ("get", "/own", ", security: [{Other: []}]"),
    ]);
    let body = body.replacen("paths: {", "paths: {/later: {get: {security: [{Other: []}]}}, ", 1);
    let body = body.replacen("paths: {", "paths: {/ref: {$ref: elsewhere}, ", 1);
    let api = format!("Type: AWS::Serverless::HttpApi, Properties: {{Auth: {{AUTH}}, {body}}}");
    let of = |name: &str, path: &str, more: &str| event(name, "HttpApi", "get", path, more);
    let events = [
        of("A", "/a", "Auth: {Authorizer: Mine}"),
        of("B", "/b", ""),
        of("C", "/own", ""),
        of("D", "/later", ""),
        of("E", "/ref", ""),
        of("G", "/twice", "Auth: {Authorizer: Mine}"),
        of("H", "/twice", ""),
        "Z: {Type: HttpApi, Properties: {ApiId: !Ref X}}".to_owned(),
    ];
    let template = with_events(&api, &events.concat());
    check(
        &template,
        &[
            ("GET /a", "Mine"),
            ("GET /b", "-"),
            ("GET /open", "-"),
            ("GET /own", "Other"),
            ("GET /later", "Other"),
            ("GET /twice", "Mine"),
            ("ANY /ref", "501"),
            ("$default", "-"),
        ],
    );
    let function = |key: &str| {
        let route = template.apis[0].routes.iter().find(|route| route.key == key).unwrap();
        route.integration.function().unwrap().clone()
    };
    assert_eq!(["GET /a", "GET /own", "GET /later"].map(function), ["Def", "Def", "F"]);
    assert_eq!(template.notes.len(), 2, "{:?}", template.notes);
}

#[test]
fn events_replace_methods_of_a_definition_that_is_merged() {
    let body = definition(&[
        ("get", "/a", ""),
        ("get", "/b", ", security: [{Other: []}]"),
        ("get", "/c", ", security: [{Other: []}]"),
        ("get", "/d", ""),
        ("get", "/e", ""),
    ]);
    let api = format!(
        "Type: AWS::Serverless::Api, Properties: {{StageName: v, MergeDefinitions: true, \
         Auth: {{AUTH}}, {body}}}"
    );
    let of = |name: &str, path: &str, more: &str| event(name, "Api", "get", path, more);
    let events = [
        of("A", "/a", "Auth: {Authorizer: Mine}"),
        of("B", "/b", ""),
        of("C", "/c", "Auth: {Authorizer: Mine}"),
        of("D", "/d", "Auth: {ApiKeyRequired: true}"),
        of("E", "/e", "Auth: {Authorizer: Mine}"),
        of("G", "/e", ""),
        of("H", "/new", ""),
    ];
    let template = with_events(&api, &events.concat());
    check(
        &template,
        &[
            ("GET /a", "Mine"),
            ("GET /b", "Other"),
            ("GET /c", "Mine"),
            ("GET /d", "-+key"),
            ("GET /e", "501"),
            ("GET /new", "-"),
        ],
    );
    let first = &template.apis[0].routes[0];
    assert_eq!(first.integration, Integration::Function("F".to_owned()));
}

#[test]
fn the_options_methods_of_an_http_api_have_no_default_authorizer() {
    let events = [
        event("A", "HttpApi", "options", "/a", ""),
        event("B", "HttpApi", "options", "/b", "Auth: {Authorizer: Other}"),
        event("C", "HttpApi", "options", "/c", "Auth: {AuthorizationScopes: [s]}"),
        event("D", "HttpApi", "any", "/d", ""),
    ];
    let body = definition(&[("options", "/def", "")]);
    for (body, more) in [("Tags: {}", None), (body.as_str(), Some(("OPTIONS /def", "-")))] {
        let api = format!(
            "Type: AWS::Serverless::HttpApi, \
             Properties: {{Auth: {{DefaultAuthorizer: Mine, AUTH}}, {body}}}"
        );
        let template = with_events(&api, &events.concat());
        let expected = [
            ("OPTIONS /a", "-"),
            ("OPTIONS /b", "Other"),
            ("OPTIONS /c", "Mine"),
            ("ANY /d", "Mine"),
        ];
        check(&template, &expected.into_iter().chain(more).collect::<Vec<_>>());
    }
}

#[test]
fn guards_that_sam_refuses_open_nothing() {
    let events = |kind: &str| {
        [
            event("A", kind, "get", "/a", "Auth: {Authorizer: NONE}"),
            event("B", kind, "get", "/b", "Auth: {Authorizer: !If [Never, Mine, NONE]}"),
            event("C", kind, "get", "/c", "Auth: {Authorizer: !Ref Name}"),
            event("D", kind, "get", "/d", "Auth: !If [Never, {}, {Authorizer: NONE}]"),
        ]
        .concat()
    };
    let template =
        with_events("Type: AWS::Serverless::Api, Properties: {Auth: {AUTH}}", &events("Api"));
    let closed = [("GET /a", "501"), ("GET /b", "501"), ("GET /c", "501"), ("GET /d", "501")];
    check(&template, &closed);
    let notes = template.notes.join("\n");
    assert!(notes.contains("F.B: SAM does not evaluate `Fn::If` in `Auth.Authorizer`"), "{notes}");
    let default = "Properties: {Auth: {DefaultAuthorizer: Mine, AUTH}}";
    let opened = [("GET /a", "-"), ("GET /b", "501"), ("GET /c", "501"), ("GET /d", "501")];
    for (api, kind) in [("Api", "Api"), ("HttpApi", "HttpApi")] {
        let api = format!("Type: AWS::Serverless::{api}, {default}");
        check(&with_events(&api, &events(kind)), &opened);
    }
    let http = "Type: AWS::Serverless::HttpApi, Properties: {Auth: {AUTH}}";
    let scopes = event("A", "HttpApi", "get", "/a", "Auth: {AuthorizationScopes: [s]}");
    check(&with_events(http, &scopes), &[("GET /a", "501")]);

    let none = event("A", "Api", "get", "/a", "Auth: {Authorizer: NONE}");
    let other = "Type: AWS::Serverless::Api, Properties: {Auth: [Mine]}";
    check(&with_events(other, &none), &[("GET /a", "501")]);

    let key = "Auth: {ApiKeyRequired: false}";
    let api = |auth: &str| format!("Type: AWS::Serverless::Api, Properties: {{Auth: {{{auth}}}}}");
    let key = event("A", "Api", "get", "/a", key);
    check(&with_events(&api("AUTH"), &key), &[("GET /a", "501")]);
    check(&with_events(&api("ApiKeyRequired: true, AUTH"), &key), &[("GET /a", "-")]);

    let key = "Auth: {ApiKeyRequired: !If [Never, true, false]}";
    let api = "Type: AWS::Serverless::Api, Properties: {StageName: v}";
    check(&with_events(api, &event("A", "Api", "get", "/a", key)), &[("GET /a", "-+key")]);
}

#[test]
fn the_auth_of_an_api_whose_definition_is_elsewhere_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("api.yaml"), "{paths: {/a: {get: {}}}}").unwrap();
    let include = "DefinitionBody: {Fn::Transform: \
                   {Name: AWS::Include, Parameters: {Location: api.yaml}}}";
    for definition in ["DefinitionUri: api.yaml", include] {
        let text = format!(
            "
Resources:
  X:
    Type: AWS::Serverless::HttpApi
    Properties: {{{definition}, Auth: {{DefaultAuthorizer: Mine, Authorizers: {{Mine: {{}}}}}}}}
  F:
    Type: AWS::Serverless::Function
    Properties: {{Events: {{A: {{Type: HttpApi, Properties: {{ApiId: !Ref X, Path: /b}}}}}}}}
"
        );
        let file = folder.path().join("template.yaml");
        std::fs::write(&file, text).unwrap();
        let template = Template::read(&file, &BTreeMap::new(), &BTreeMap::new()).unwrap();
        let notes = template.notes.join("\n");
        assert!(notes.contains("X: SAM refuses `Auth` with a definition that is not"), "{notes}");
        assert_eq!(template.apis[0].routes.len(), 1, "{definition}");
    }
}
