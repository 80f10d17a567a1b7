//! The tables of a template, as requests of `CreateTable`: `AWS::DynamoDB::Table`,
//! `AWS::DynamoDB::GlobalTable` and `AWS::Serverless::SimpleTable`.
//!
//! Their properties are those of the request, but for a few. What is wrong in them is said by the
//! table's server, in DynamoDB's words.

use serde_json::{Map, Value, json};

use super::resource::Resource;
use super::text::text_of;

/// The kinds of table.
const KINDS: [&str; 3] =
    ["AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable", "AWS::Serverless::SimpleTable"];
/// The properties that are members of the request.
const MEMBERS: [&str; 6] = [
    "AttributeDefinitions",
    "KeySchema",
    "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
    "BillingMode",
    "ProvisionedThroughput",
];
/// The other properties that are read.
const OTHERS: [&str; 4] =
    ["TableName", "StreamSpecification", "TimeToLiveSpecification", "PrimaryKey"];

/// A table of a template.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its logical id.
    pub(crate) id: String,
    pub(crate) name: String,
    /// The request of `CreateTable`.
    pub(crate) request: Value,
    /// The attribute of its time to live.
    pub(crate) expiry: Option<String>,
}

/// Returns true for a kind of resource that is a table.
pub(super) fn is_table(kind: &str) -> bool {
    KINDS.contains(&kind)
}

/// Returns true for a property of a table whose value must be known.
pub(super) fn is_used(property: &str) -> bool {
    MEMBERS.contains(&property) || OTHERS.contains(&property)
}

/// The name of a table, made of the stack's name as CloudFormation makes it if it has none.
pub(super) fn name(id: &str, own: Option<String>) -> String {
    own.unwrap_or_else(|| format!("local-{id}"))
}

/// Reads a table.
pub(super) fn read(resource: &Resource) -> Table {
    let properties = &resource.properties;
    let name = name(&resource.name, resource.text("TableName"));
    let mut request = Map::new();
    request.insert("TableName".to_owned(), json!(name));
    for member in MEMBERS {
        let found = properties.get(member).cloned().map(numbers);
        request.extend(found.map(|found| (member.to_owned(), found)));
    }
    match resource.kind.as_str() {
        "AWS::Serverless::SimpleTable" => request.extend(simple(properties)),
        // Its capacity is that of each replica, and in another form.
        "AWS::DynamoDB::GlobalTable" => {
            request.insert("BillingMode".to_owned(), json!("PAY_PER_REQUEST"));
        }
        _ => {}
    }
    if let Some(stream) = properties.get("StreamSpecification") {
        let view = stream.get("StreamViewType").and_then(text_of);
        let stream = json!({"StreamEnabled": true, "StreamViewType": view});
        request.insert("StreamSpecification".to_owned(), stream);
    }
    let expiry = properties.get("TimeToLiveSpecification").filter(|found| {
        found.get("Enabled").and_then(text_of).is_some_and(|is| is.eq_ignore_ascii_case("true"))
    });
    let expiry = expiry.and_then(|found| found.get("AttributeName")).and_then(text_of);
    Table { id: resource.name.clone(), name, request: Value::Object(request), expiry }
}

/// The key and the billing mode of SAM's simple table.
fn simple(properties: &Value) -> Map<String, Value> {
    let key = |member: &str| properties.pointer(&format!("/PrimaryKey/{member}")).and_then(text_of);
    let name = key("Name").unwrap_or_else(|| "id".to_owned());
    let kind = match key("Type") {
        Some(kind) if kind == "Number" => "N".to_owned(),
        Some(kind) if kind == "Binary" => "B".to_owned(),
        Some(kind) if kind != "String" => kind,
        _ => "S".to_owned(),
    };
    let mut request = Map::new();
    let mut add = |member: &str, value: Value| drop(request.insert(member.to_owned(), value));
    add("AttributeDefinitions", json!([{"AttributeName": name, "AttributeType": kind}]));
    add("KeySchema", json!([{"AttributeName": name, "KeyType": "HASH"}]));
    if properties.get("ProvisionedThroughput").is_none() {
        add("BillingMode", json!("PAY_PER_REQUEST"));
    }
    request
}

/// The value with numbers in place of their texts, which a parameter's value is.
fn numbers(value: Value) -> Value {
    let number = |name: &str, value: Value| match (name, &value) {
        ("ReadCapacityUnits" | "WriteCapacityUnits", Value::String(text)) => {
            text.parse::<u64>().map_or(value, Value::from)
        }
        _ => numbers(value),
    };
    match value {
        Value::Array(entries) => entries.into_iter().map(numbers).collect(),
        Value::Object(members) => {
            let all = members.into_iter();
            all.map(|(name, value)| (name.clone(), number(&name, value))).collect()
        }
        other => other,
    }
}
