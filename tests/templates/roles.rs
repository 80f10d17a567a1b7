//! Rights of each role on the table, and permissions to invoke a function.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;
use table::{Assignment, Item, KeyRecord, Notice, Revocation, StoredPlan};
use throttle::BucketRecord;

use crate::files::{resources, root, template, templates};

/// Patterns of the keys that each action on the table may name.
type Rights = BTreeMap<String, BTreeSet<String>>;

fn of<T: Item>() -> String {
    format!("{}*", T::PREFIX)
}

fn rights<const N: usize>(rights: [(&str, &[String]); N]) -> Rights {
    rights
        .into_iter()
        .map(|(action, keys)| (format!("dynamodb:{action}"), keys.iter().cloned().collect()))
        .collect()
}

/// Rights that the authorizer needs, for `DynamoStore`, `KeyLookup` and `Revocations`.
fn authorizer() -> Rights {
    rights([
        ("GetItem", &[of::<StoredPlan>(), of::<KeyRecord>(), of::<Assignment>()]),
        ("BatchGetItem", &[of::<Revocation>()]),
        ("UpdateItem", &[of::<BucketRecord>()]),
    ])
}

/// Rights that a service with the layer needs, for `DynamoStore` alone.
fn layer() -> Rights {
    rights([("GetItem", &[of::<StoredPlan>()]), ("UpdateItem", &[of::<BucketRecord>()])])
}

/// Rights that the function needs which stores the plans of a deployment.
fn plans() -> Rights {
    rights([("GetItem", &[of::<StoredPlan>()]), ("UpdateItem", &[of::<StoredPlan>()])])
}

/// Rights that the function on the table's stream needs.
fn notices() -> Rights {
    rights([("GetItem", &[of::<StoredPlan>()]), ("UpdateItem", &[of::<Notice>()])])
}

fn list(value: &Value) -> Vec<String> {
    match value {
        Value::Array(entries) => {
            entries.iter().map(|entry| entry.as_str().unwrap().to_owned()).collect()
        }
        value => vec![value.as_str().unwrap().to_owned()],
    }
}

/// Returns every statement of a template's policies, with the resource's name.
fn statements(content: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (name, role) in resources(content, "AWS::IAM::Role") {
        let policies = role["Policies"].as_array().cloned().unwrap_or_default();
        for policy in policies {
            found.extend(each_statement(&policy).map(|statement| (name.to_owned(), statement)));
        }
    }
    for (name, policy) in resources(content, "AWS::IAM::Policy") {
        found.extend(each_statement(policy).map(|statement| (name.to_owned(), statement)));
    }
    found
}

/// Returns the statements of a policy, a conditional one as if its condition held.
fn each_statement(policy: &Value) -> impl Iterator<Item = Value> {
    let statements = policy["PolicyDocument"]["Statement"].as_array().unwrap().iter();
    statements.map(|statement| statement.get("Fn::If").map_or(statement, |it| &it[1]).clone())
}

/// Returns the rights on items that statements give.
///
/// # Panics
/// If one gives a right without naming the keys.
fn on_items<'a>(statements: impl Iterator<Item = &'a Value>) -> Rights {
    let mut rights = Rights::new();
    for statement in statements {
        let keys = list(&statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]);
        assert_eq!(statement["Effect"], "Allow");
        assert_eq!(statement["Condition"].as_object().unwrap().len(), 1);
        for action in list(&statement["Action"]) {
            rights.entry(action).or_default().extend(keys.iter().cloned());
        }
    }
    rights
}

#[test]
fn each_role_writes_its_own_kinds_of_items_alone() {
    let expected = [
        ("infra/authorizer.yaml", "AuthorizerRole", authorizer()),
        ("infra/authorizer.yaml", "PlansRole", plans()),
        ("infra/notices.yaml", "NoticesPolicy", notices()),
        ("infra/template.yaml", "OrdersRole", layer()),
    ];
    let is_on_items = |statement: &&Value| {
        !statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"].is_null()
    };
    let mut with_rights = BTreeSet::new();
    for file in expected.iter().map(|(file, ..)| *file).collect::<BTreeSet<_>>() {
        for (name, statement) in statements(&template(file)) {
            if is_on_items(&&statement) {
                with_rights.insert((file, name));
            }
        }
    }
    for (file, role, expected) in &expected {
        let statements = statements(&template(file));
        let of_role = statements.iter().filter(|(name, _)| name == role);
        let on_items_alone = of_role.map(|(_, statement)| statement).filter(is_on_items);
        assert_eq!(on_items(on_items_alone), *expected, "{role}");
        assert!(with_rights.remove(&(*file, (*role).to_owned())), "{role}");
    }
    assert_eq!(with_rights, BTreeSet::new());
}

/// `ForAllValues` also holds for a request without a key, so no action may go without one.
#[test]
fn no_role_may_act_without_a_key() {
    const KEYED: [&str; 3] = ["GetItem", "BatchGetItem", "UpdateItem"];
    const OF_STREAMS: [&str; 4] =
        ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"];
    for template in templates() {
        for (name, statement) in statements(&template.content) {
            for action in list(&statement["Action"]) {
                if let Some(action) = action.strip_prefix("dynamodb:") {
                    let known = KEYED.contains(&action) || OF_STREAMS.contains(&action);
                    assert!(known, "{} {name}: {action}", template.path);
                    let is_keyed = statement["Condition"].is_object();
                    assert_eq!(KEYED.contains(&action), is_keyed, "{} {name}", template.path);
                }
            }
        }
    }
}

/// Each prefix ends in its only `#`, so no pattern matches a key of another kind.
#[test]
fn no_kind_of_item_is_part_of_another() {
    let kinds = [
        of::<StoredPlan>(),
        of::<KeyRecord>(),
        of::<Assignment>(),
        of::<BucketRecord>(),
        of::<Revocation>(),
        of::<Notice>(),
    ];
    for kind in &kinds {
        assert!(kind.ends_with("#*"), "{kind}");
        assert_eq!(kind.matches('#').count(), 1, "{kind}");
    }
}

#[test]
fn every_right_names_its_action_and_its_resource() {
    for template in templates() {
        for (name, statement) in statements(&template.content) {
            for action in list(&statement["Action"]) {
                assert!(!action.contains('*'), "{} {name}: {action}", template.path);
                // X-Ray has no resources, and `ListStreams` is not about one stream.
                let free = action.starts_with("xray:") || action == "dynamodb:ListStreams";
                let everything = statement["Resource"] == "*";
                assert_eq!(everything, free, "{} {name}: {action}", template.path);
            }
        }
    }
}

/// Without a source, every API of every account could invoke the function.
#[test]
fn a_function_may_be_invoked_by_a_named_api_alone() {
    let mut found = 0;
    for template in templates() {
        for (name, permission) in resources(&template.content, "AWS::Lambda::Permission") {
            found += 1;
            let source = permission["SourceArn"]["Fn::Sub"].as_str().unwrap();
            let rest = source
                .strip_prefix("arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:")
                .unwrap();
            assert!(rest.starts_with("${") && !rest.ends_with("}/*"), "{name}: {source}");
            assert_eq!(permission["Principal"], "apigateway.amazonaws.com", "{name}");
            assert_eq!(permission["Action"], "lambda:InvokeFunction", "{name}");
        }
    }
    assert!(found >= 5, "{found}");
}

/// The manual has a policy to copy, for a service that uses the layer.
#[test]
fn the_policy_in_the_manual_is_that_of_the_example_backend() {
    let manual = fs::read_to_string(root().join("infra/README.md")).unwrap();
    let (_, policy) = manual.split_once("```json\n").unwrap();
    let (policy, _) = policy.split_once("```").unwrap();
    let policy: Value = serde_json::from_str(policy).unwrap();
    assert_eq!(on_items(policy["Statement"].as_array().unwrap().iter()), layer());
}
