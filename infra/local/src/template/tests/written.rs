//! Settings that SAM reads as they are written.

use super::*;

/// Values that are `false`, and that SAM takes for `true`.
const NOT_FALSE: [&str; 6] = [
    "'false'",
    "!Ref 'No'",
    "!If [Never, true, false]",
    "!FindInMap [M, a, b]",
    "!Sub 'false'",
    "!Ref AWS::NoValue",
];

fn with(globals: &str, auth: &str, events: &str) -> Template {
    let text = format!(
        "
Parameters:
  No: {{Type: String, Default: 'false'}}
  None: {{Type: String, Default: NONE}}
Conditions: {{Never: !Equals [a, b]}}
Mappings: {{M: {{a: {{b: false}}}}}}
Globals: {{Api: {{Auth: {{{globals}}}}}}}
Resources:
  X:
    Type: AWS::Serverless::Api
    Properties:
      StageName: v
      Cors: \"'*'\"
      Auth: {auth}
  F: {{Type: AWS::Serverless::Function, Properties: {{Events: {{{events}}}}}}}
"
    );
    read_text(&text, &[]).unwrap()
}

fn event(more: &str) -> String {
    format!("E: {{Type: Api, Properties: {{RestApiId: !Ref X, Path: /a, Method: get, {more}}}}}")
}

fn route<'a>(template: &'a Template, key: &str) -> &'a Route {
    template.apis[0].routes.iter().find(|route| route.key == key).unwrap()
}

fn is_named(template: &Template, place: &str) -> bool {
    let named = format!("{place}` is neither `true` nor `false` as it is written");
    template.notes.iter().any(|note| note.starts_with(&named))
}

#[test]
fn a_key_is_needed_unless_a_plain_false_is_written() {
    for setting in NOT_FALSE {
        let key = format!("ApiKeyRequired: {setting}");
        let places = [
            ("X: `Auth.ApiKeyRequired", with("", &format!("{{{key}}}"), &event(""))),
            ("Globals.Api: `Auth.ApiKeyRequired", with(&key, "{}", &event(""))),
            ("F.E: `Auth.ApiKeyRequired", with("", "{}", &event(&format!("Auth: {{{key}}}")))),
        ];
        for (place, template) in places {
            assert!(route(&template, "GET /a").needs_key, "{place}: {setting}");
            assert!(is_named(&template, place), "{place}: {setting}: {:?}", template.notes);
        }
    }
    for setting in ["false", "False", "null", "''", "0"] {
        let template = with("", &format!("{{ApiKeyRequired: {setting}}}"), &event(""));
        assert!(!route(&template, "GET /a").needs_key, "{setting}");
    }
    let template = with("", "{ApiKeyRequired: 'true'}", &event(""));
    assert!(route(&template, "GET /a").needs_key);
    assert!(!is_named(&template, "X: `Auth.ApiKeyRequired"));
}

#[test]
fn preflights_are_guarded_unless_a_plain_false_is_written() {
    let mine = "DefaultAuthorizer: Mine, Authorizers: {Mine: {FunctionArn: 'a:function:F'}}";
    let (first, second) =
        ("AddDefaultAuthorizerToCorsPreflight", "AddApiKeyRequiredToCorsPreflight");
    let guards = |setting: &str| {
        let settings = format!("{first}: {setting}, {second}: {setting}");
        let auth = format!("{{{mine}, ApiKeyRequired: true, {settings}}}");
        let own =
            event("").replacen('E', "Own", 1).replace("/a, Method: get", "/b, Method: options");
        let template = with("", &auth, &format!("{}, {own}", event("")));
        let guards = ["OPTIONS /a", "OPTIONS /b"].map(|key| {
            let route = route(&template, key);
            (route.authorizer.clone(), route.needs_key)
        });
        let named = [first, second].map(|name| is_named(&template, &format!("X: `Auth.{name}")));
        (guards, named)
    };
    for setting in NOT_FALSE {
        let guarded = (Some("Mine".to_owned()), true);
        assert_eq!(guards(setting), ([guarded.clone(), guarded], [true; 2]), "{setting}");
    }
    assert_eq!(guards("false"), ([(None, false), (None, false)], [false; 2]));
}

#[test]
fn an_event_overrides_unless_a_plain_false_is_written() {
    let of = |setting: &str| {
        let text = format!(
            "
Parameters: {{'No': {{Type: String, Default: 'false'}}}}
Conditions: {{Never: !Equals [a, b]}}
Mappings: {{M: {{a: {{b: false}}}}}}
Resources:
  X:
    Type: AWS::Serverless::Api
    Properties:
      StageName: v
      Auth: {{Authorizers: {{Mine: {{FunctionArn: 'a:function:F'}}}}}}
      DefinitionBody: {{paths: {{/a: {{get: {{}}}}}}}}
  F:
    Type: AWS::Serverless::Function
    Properties: {{Events: {{{}}}}}
",
            event(&format!("Auth: {{Authorizer: Mine, OverrideApiAuth: {setting}}}"))
        );
        let template = read_text(&text, &[]).unwrap();
        let is_named = is_named(&template, "F.E: `Auth.OverrideApiAuth");
        (route(&template, "GET /a").authorizer.clone(), is_named)
    };
    for setting in NOT_FALSE {
        assert_eq!(of(setting), (Some("Mine".to_owned()), true), "{setting}");
    }
    for setting in ["false", "null", "0", "''"] {
        assert_eq!(of(setting), (None, false), "{setting}");
    }
}

#[test]
fn none_that_sam_refuses_opens_nothing() {
    let mine = "Authorizers: {Mine: {FunctionArn: 'a:function:F'}}";
    let default = format!("{{DefaultAuthorizer: Mine, {mine}}}");
    for auth in
        ["{Authorizer: !Ref None}", "{Authorizer: !FindInMap [M, a, b]}", "NONE", "!Ref None"]
    {
        let template = with("", &default, &event(&format!("Auth: {auth}")));
        let guard = route(&template, "GET /a").authorizer.clone();
        assert!(guard.is_some_and(|name| name != "Mine"), "{auth}");
    }
    let of_api = |name: &str| format!("{{DefaultAuthorizer: {name}, {mine}}}");
    for auth in [of_api("NONE"), of_api("!Ref None"), of_api("!If [Never, Mine, NONE]")] {
        let guard = route(&with("", &auth, &event("")), "GET /a").authorizer.clone();
        assert!(guard.is_some_and(|name| name != "Mine"), "{auth}");
    }
    for auth in ["NONE", "!Ref None"] {
        let guard = route(&with("", auth, &event("")), "GET /a").authorizer.clone();
        assert!(guard.is_some(), "{auth}");
    }
}
