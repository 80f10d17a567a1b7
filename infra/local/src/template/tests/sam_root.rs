//! `security` at the root of a definition, for the routes that SAM adds or guards.

use super::sam_events::{check, definition, event, with_events};

const OLD: [(&str, &str, &str); 2] = [("get", "/old", ""), ("get", "/open", ", security: []")];

/// A definition with the root's `security`, and a scheme for keys.
fn rooted(root: &str, methods: &[(&str, &str, &str)]) -> String {
    let schemes = "components: {securitySchemes: {key: {name: x-api-key}}}";
    let more = format!("{{openapi: 3.0.1, security: {root}, {schemes},");
    definition(methods).replacen("{openapi: 3.0.1,", &more, 1)
}

fn rest(root: &str, auth: &str, more: &str) -> String {
    let body = rooted(root, &OLD);
    let properties = format!("StageName: v, Auth: {{{auth}AUTH}}, {more}{body}");
    format!("Type: AWS::Serverless::Api, Properties: {{{properties}}}")
}

fn http(root: &str, auth: &str, methods: &[(&str, &str, &str)]) -> String {
    let body = rooted(root, methods);
    format!("Type: AWS::Serverless::HttpApi, Properties: {{Auth: {{{auth}AUTH}}, {body}}}")
}

#[test]
fn security_of_a_document_is_for_the_routes_that_sam_adds() {
    let new = event("A", "Api", "get", "/new", "");
    let merged = "Cors: \"'*'\", MergeDefinitions: true, ";
    for (root, guard) in [("[{Other: []}]", "Other"), ("[{key: []}]", "-+key")] {
        let template = with_events(&rest(root, "", merged), &new);
        check(
            &template,
            &[
                ("GET /old", guard),
                ("GET /open", "-"),
                ("GET /new", guard),
                ("OPTIONS /old", guard),
                ("OPTIONS /open", guard),
                ("OPTIONS /new", guard),
            ],
        );
        let notes = template.notes.join("\n");
        assert!(notes.contains("add a method OPTIONS with `security: []`"), "{notes}");
    }
    let events = [
        event("A", "HttpApi", "get", "/new", ""),
        event("B", "HttpApi", "get", "/key", "Auth: {ApiKeyRequired: true, Authorizer: Mine}"),
        event("C", "HttpApi", "options", "/new", ""),
        "Z: {Type: HttpApi, Properties: {ApiId: !Ref X}}".to_owned(),
    ];
    let expected = [
        ("GET /old", "Other"),
        ("GET /open", "-"),
        ("GET /new", "Other"),
        ("GET /key", "Mine"),
        ("OPTIONS /new", "Other"),
        ("$default", "Other"),
    ];
    // An HTTP API has no keys that could replace the root's authorizer.
    for auth in ["", "ApiKeyRequired: true, "] {
        check(&with_events(&http("[{Other: []}]", auth, &OLD), &events.concat()), &expected);
    }
}

#[test]
fn security_that_sam_writes_replaces_that_of_the_document() {
    let of = |auth: &str| event("A", "Api", "get", "/old", &format!("Auth: {{{auth}}}"));
    let none = of("OverrideApiAuth: true, Authorizer: NONE");
    let key = of("OverrideApiAuth: true, ApiKeyRequired: true");
    let mine = of("OverrideApiAuth: true, Authorizer: Mine");
    let default = "DefaultAuthorizer: Mine, ";
    for (root, auth, event, old, open) in [
        ("[{Other: []}]", default, none.as_str(), "-", "Mine"),
        ("[{Other: []}]", "", &key, "-+key", "-"),
        ("[{Other: []}]", "", &mine, "Mine", "-"),
        ("[{key: []}]", "", &mine, "Mine", "-"),
        ("[{key: []}]", default, "", "Mine", "Mine"),
        ("[{Other: []}]", "ApiKeyRequired: true, ", "", "-+key", "-+key"),
    ] {
        let template = with_events(&rest(root, auth, ""), event);
        check(&template, &[("GET /old", old), ("GET /open", open)]);
    }
    let none = event("A", "HttpApi", "get", "/old", "Auth: {Authorizer: NONE}");
    let template = with_events(&http("[{Other: []}]", default, &OLD), &none);
    check(&template, &[("GET /old", "-"), ("GET /open", "Mine")]);
}

#[test]
fn a_list_without_an_authorizer_keeps_the_default_from_an_http_api_unless_it_is_empty() {
    let methods = [
        ("get", "/none", ", security: []"),
        ("get", "/any", ", security: [{}]"),
        ("get", "/key", ", security: [{key: []}]"),
        ("get", "/scopes", ", security: [{}]"),
        ("get", "/odd", ", security: {}"),
    ];
    let scopes = event("A", "HttpApi", "get", "/scopes", "Auth: {AuthorizationScopes: [s]}");
    for root in ["null", "[{Other: []}]"] {
        let template = with_events(&http(root, "DefaultAuthorizer: Mine, ", &methods), &scopes);
        check(
            &template,
            &[
                ("GET /none", "Mine"),
                ("GET /any", "-"),
                ("GET /key", "-"),
                ("GET /scopes", "Mine"),
                ("GET /odd", "501"),
            ],
        );
    }
    let path = http("null", "DefaultAuthorizer: Mine, ", &methods[1..2]);
    let path =
        path.replacen("/any: {", "/any: {security: [{}], ", 1).replace(", security: [{}]}", "}");
    check(&with_events(&path, ""), &[("GET /any", "Mine")]);
}

#[test]
fn an_event_for_any_method_beside_the_definitions_has_the_guards_at_its_root() {
    let body =
        rooted("[{Other: []}]", &[("x-amazon-apigateway-any-method", "/x", ", security: []")]);
    let api = format!(
        "Type: AWS::Serverless::Api, Properties: {{StageName: v, MergeDefinitions: true, \
         Auth: {{AUTH}}, {body}}}"
    );
    check(&with_events(&api, ""), &[("ANY /x", "-")]);
    check(&with_events(&api, &event("A", "Api", "any", "/x", "")), &[("ANY /x", "Other")]);
}
