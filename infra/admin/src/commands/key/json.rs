//! Reads the keys that the AWS CLI prints as JSON.

use serde_json::{Map, Value};
use table::{Key, KeyDetails, check_text};
use throttle::PlanId;

use super::csv::{ImportError, ImportProblem, ImportedKey, ImportedKeys, Unit, VALUE};

/// Returns true if a file of keys is JSON and not CSV.
pub(super) fn is_json(file: &[u8]) -> bool {
    matches!(file.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// Reads the output of `aws apigateway get-api-keys --include-values`, or of `get-api-key`,
/// `get-usage-plan-keys`, or the list of `items` alone. Also returns whether there are more pages.
///
/// AWS prints no plans of a key. A member `usagePlanIds`, a list of their ids, may be added.
///
/// # Errors
/// The file is not such an output. A key that is wrong is one of the keys' errors instead.
pub(super) fn read_json(file: &[u8]) -> Result<(ImportedKeys, bool), ImportError> {
    let wrong = |what: String| ImportError::whole(ImportProblem::Json(what));
    let json: Value = serde_json::from_slice(file).map_err(|error| {
        wrong(format!(": it is not JSON at line {}, column {}", error.line(), error.column()))
    })?;
    let more = ["position", "NextToken"]
        .iter()
        .any(|name| json.get(name).and_then(Value::as_str).is_some_and(|text| !text.is_empty()));
    let items = match json {
        Value::Array(items) => items,
        Value::Object(mut members) => match members.remove("items") {
            Some(Value::Array(items)) => items,
            None if members.contains_key(VALUE) => vec![Value::Object(members)],
            _ => return Err(wrong(": it has no list `items`".to_owned())),
        },
        _ => return Err(wrong(": it is not an object".to_owned())),
    };
    let mut keys = ImportedKeys::new(Unit::Key);
    for (line, item) in (1..).zip(&items) {
        let error = |(column, problem)| ImportError::of(Unit::Key, line, column, problem);
        keys.add(key(item, line).map_err(error));
    }
    Ok((keys, more))
}

fn key(item: &Value, line: usize) -> Result<ImportedKey, (&'static str, ImportProblem)> {
    let empty = Map::new();
    let members = item.as_object().unwrap_or(&empty);
    // Null and an empty text count as missing.
    let text = |name: &'static str| match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        Some(_) => Err((name, ImportProblem::Type("a text"))),
    };
    let label = |name: &'static str| {
        let label = text(name)?;
        label
            .map_or(Ok(()), |label| check_text(label, KeyDetails::MAX_LABEL))
            .map_err(|problem| (name, problem.into()))?;
        Ok(label.map(str::to_owned))
    };
    let value = text(VALUE)?.ok_or((VALUE, ImportProblem::NoValue))?;
    let key = Key::parse(value).map_err(|problem| (VALUE, problem.into()))?;
    let mut details = KeyDetails::new(key.digest().subject());
    details.name = label("name")?;
    details.description = label("description")?;
    details.enabled = match members.get("enabled") {
        None | Some(Value::Null) => true,
        Some(Value::Bool(enabled)) => *enabled,
        Some(_) => return Err(("enabled", ImportProblem::Enabled)),
    };
    let mut plans = Vec::new();
    let named = match members.get(PLANS) {
        None | Some(Value::Null) => &[][..],
        Some(Value::Array(plans)) => plans,
        Some(_) => return Err((PLANS, ImportProblem::Type("a list of texts"))),
    };
    for plan in named {
        let plan = plan.as_str().ok_or((PLANS, ImportProblem::Type("a list of texts")))?;
        let plan = PlanId::new(plan).map_err(|problem| (PLANS, problem.into()))?;
        if !plans.contains(&plan) {
            plans.push(plan);
        }
    }
    if let [plan] = plans.as_slice() {
        details = details.with_plan(plan.as_str());
    }
    Ok(ImportedKey { key, details, plans, line })
}

const PLANS: &str = "usagePlanIds";

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "apikey1234abcdefghij0123456789";

    fn errors(json: &str) -> Vec<String> {
        let (keys, _) = read_json(json.as_bytes()).unwrap();
        keys.errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_aws_prints_is_read() {
        let item = format!(
            r#"{{"id": "k1", "value": "{ONE}", "name": "ci", "description": "", "enabled": false,
                "createdDate": "2026-11-21T09:00:00+00:00", "stageKeys": []}}"#
        );
        let all = [
            format!(r#"{{"items": [{item}]}}"#),
            format!("[{item}]"),
            item.replace("\"enabled\"", "\"usagePlanIds\": [\"a\", \"b\", \"a\"], \"enabled\""),
        ];
        for (json, plans) in all.iter().zip([0, 0, 2]) {
            assert!(is_json(json.as_bytes()));
            let (keys, more) = read_json(json.as_bytes()).unwrap();
            assert!(!more && keys.errors.is_empty(), "{:?}", keys.errors);
            let [key] = keys.keys.as_slice() else { panic!("{json}") };
            assert_eq!((key.key.expose(), key.line, key.plans.len()), (ONE, 1, plans));
            let details = &key.details;
            assert_eq!((details.name.as_deref(), &details.description), (Some("ci"), &None));
            assert!(!details.enabled);
        }
        let more = format!(r#"{{"items": [{item}], "NextToken": "x"}}"#);
        assert!(read_json(more.as_bytes()).unwrap().1);
        assert!(!is_json(b"Name,Key\n"));
    }

    #[test]
    fn a_wrong_key_is_named_by_its_place_and_nothing_of_it_is_repeated() {
        let json = format!(
            r#"[{{"id": "k1", "name": "no value"}}, {{"value": "secret"}}, 5, {{"value": "{ONE}"}},
                {{"value": "{ONE}", "enabled": "secret"}}, {{"value": "{ONE}", "name": "other"}},
                {{"value": "{ONE}", "usagePlanIds": "secret"}}, {{"value": "{ONE}", "name": 5}}]"#
        );
        let errors = errors(&json);
        for (error, start) in errors.iter().zip([
            "key 1: `value` is missing: let the AWS CLI print it with `--include-values`",
            "key 2: `value` ",
            "key 3: `value` is missing",
            "key 5: `enabled` must be `true` or `false`",
            "key 6: `value` is the key of key 4 too, with other details: keep one",
            "key 7: `usagePlanIds` must be a list of texts",
            "key 8: `name` must be a text",
        ]) {
            assert!(error.starts_with(start), "{error}");
        }
        assert_eq!(errors.len(), 7);
        assert!(!errors.concat().contains("secret"), "{errors:?}");
        for (json, end) in [
            ("{\"value\": \"secret", "it is not JSON at line 1, column 17"),
            ("{\"secret\": 1}", "it has no list `items`"),
        ] {
            let error = read_json(json.as_bytes()).unwrap_err().to_string();
            let start = "is not what `aws apigateway get-api-keys --include-values` prints: ";
            assert_eq!(error, format!("{start}{end}"));
        }
    }
}
