//! Guards of every operation of every definition, and of every route.
//!
//! API Gateway ignores `security` at the root of a definition, and a method without its own is
//! open to everybody.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::files::{each_mapping, parse, resources, templates};

/// The operations that need no token: answers to preflight requests, which carry none.
const OPEN: [(&str, &str, &str); 2] = [
    ("infra/template.yaml", "/orders", "options"),
    ("infra/template.yaml", "/orders/{proxy+}", "options"),
];

/// Members of a path item that are not operations.
const SHARED: [&str; 4] = ["parameters", "summary", "description", "servers"];

/// An operation of an OpenAPI definition, with its path and method.
pub(crate) struct Operation<'a> {
    pub(crate) path: &'a str,
    pub(crate) method: &'a str,
    pub(crate) body: &'a Value,
    definition: &'a Map<String, Value>,
}

/// Returns each operation of each OpenAPI definition in a template.
pub(crate) fn operations(content: &Value) -> Vec<Operation<'_>> {
    let mut found = Vec::new();
    each_mapping(content, &mut |definition| {
        let Some(paths) = definition.get("paths") else { return };
        for (path, item) in paths.as_object().unwrap() {
            for (method, body) in item.as_object().unwrap() {
                if !SHARED.contains(&method.as_str()) {
                    found.push(Operation { path, method, body, definition });
                }
            }
        }
    });
    found
}

impl Operation<'_> {
    /// Returns the operation's lists of requirements, one for each branch of a condition.
    fn securities(&self) -> Vec<&Value> {
        match self.body.get("security") {
            None => Vec::new(),
            Some(security) => match security.get("Fn::If") {
                Some(branches) => vec![&branches[1], &branches[2]],
                None => vec![security],
            },
        }
    }

    fn scheme(&self, name: &str) -> &Value {
        &self.definition["components"]["securitySchemes"][name]
    }

    /// Returns true if each alternative of each branch has the authorizer.
    fn is_guarded(&self) -> bool {
        let securities = self.securities();
        !securities.is_empty()
            && securities.iter().all(|security| {
                let alternatives = security.as_array().unwrap();
                !alternatives.is_empty()
                    && alternatives.iter().all(|alternative| {
                        let mut names = alternative.as_object().unwrap().keys();
                        names.any(|name| {
                            self.scheme(name)["x-amazon-apigateway-authtype"] == "custom"
                        })
                    })
            })
    }

    /// Returns true if some branch requires the usage plan's key.
    fn requires_key(&self) -> bool {
        let keyed = |security: &&Value| {
            let mut alternatives = security.as_array().unwrap().iter();
            alternatives.all(|alternative| {
                let mut names = alternative.as_object().unwrap().keys();
                names.any(|name| self.scheme(name)["name"] == "x-api-key")
            })
        };
        self.securities().iter().any(keyed)
    }
}

#[test]
fn every_operation_has_a_security_of_its_own() {
    let mut open = BTreeSet::new();
    let mut guarded = 0;
    for template in templates() {
        for operation in operations(&template.content) {
            let Operation { path, method, definition, .. } = operation;
            assert_eq!(definition.get("security"), None, "{}: it has no effect", template.path);
            if operation.is_guarded() {
                guarded += 1;
                assert!(operation.requires_key(), "{} {method} {path}: no key", template.path);
            } else {
                open.insert((template.path.clone(), path.to_owned(), method.to_owned()));
            }
        }
    }
    let expected =
        OPEN.map(|(file, path, method)| (file.to_owned(), path.to_owned(), method.to_owned()));
    assert_eq!(open, BTreeSet::from(expected));
    assert!(guarded >= 6, "{guarded}");
}

#[test]
fn a_security_at_the_root_guards_nothing() {
    let definition = |root: &str, operation: &str| {
        parse(&format!(
            "Body:\n  openapi: 3.0.1\n{root}  components:\n    securitySchemes:\n      \
             tollgate: {{type: apiKey, x-amazon-apigateway-authtype: custom}}\n      \
             plan: {{type: apiKey, name: x-api-key}}\n  paths:\n    /a:\n      parameters: []\n      \
             get: {{responses: {{}}{operation}}}\n"
        ))
    };
    let is_guarded = |content: &Value| {
        let operations = operations(content);
        assert_eq!(operations.len(), 1);
        operations[0].is_guarded()
    };
    let root = "  security: [{tollgate: []}]\n";
    assert!(is_guarded(&definition("", ", security: [{tollgate: []}]")));
    assert!(is_guarded(&definition("", ", security: !If [A, [{tollgate: []}], [{tollgate: []}]]")));
    for (root, operation) in [
        ("", ""),
        (root, ""),
        (root, ", security: []"),
        ("", ", security: [{plan: []}]"),
        ("", ", security: [{tollgate: []}, {}]"),
        ("", ", security: [{other: []}]"),
        ("", ", security: !If [A, [{tollgate: []}], []]"),
    ] {
        assert!(!is_guarded(&definition(root, operation)), "{root}{operation}");
    }
}

#[test]
fn every_route_and_method_has_the_authorizer() {
    let mut found = 0;
    for template in templates() {
        for kind in ["AWS::ApiGatewayV2::Route", "AWS::ApiGateway::Method"] {
            for (name, route) in resources(&template.content, kind) {
                found += 1;
                assert_eq!(route["AuthorizationType"], "CUSTOM", "{} {name}", template.path);
                let authorizer = json!({"Ref": "Authorizer"});
                assert_eq!(route["AuthorizerId"], authorizer, "{} {name}", template.path);
            }
        }
    }
    assert!(found >= 2, "{found}");
}

/// An existing API has methods and routes of its own.
#[test]
fn an_example_for_an_existing_api_lists_what_is_still_open() {
    for (path, output, filter) in [
        ("infra/examples/rest-api.yaml", "OpenMethods", "!apiKeyRequired"),
        ("infra/examples/http-api.yaml", "OpenRoutes", "AuthorizationType!='CUSTOM'"),
    ] {
        let content = crate::files::template(path);
        let command = content["Outputs"][output]["Value"].to_string();
        assert!(command.contains(filter), "{path}");
    }
}
