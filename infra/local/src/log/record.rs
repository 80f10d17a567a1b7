//! Reads the lines of an authorizer's process.

use serde_json::{Map, Value};

/// The authorizer's own record of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Lambda's request id.
    pub request_id: String,
    /// The stable code, `allowed` or `signature` say.
    pub code: String,
    /// The reason of a refusal or a failure.
    pub detail: Option<String>,
}

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Record(Record),
    /// A warning or an error, as a sentence.
    Alert(String),
    /// A log line of another level.
    Detail,
    /// Not a log line: a panic's text, say.
    Text,
}

/// Members of a log line that say nothing to a person.
const LEFT_OUT: [&str; 5] = ["timestamp", "level", "message", "target", "code"];

impl Line {
    pub(super) fn parse(line: &str) -> Self {
        let Ok(members) = serde_json::from_str::<Map<String, Value>>(line) else {
            return Self::Text;
        };
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        if let (Some(request_id), Some(code)) = (text("request_id"), text("code")) {
            return Self::Record(Record {
                request_id: request_id.to_owned(),
                code: code.to_owned(),
                detail: text("detail").map(str::to_owned),
            });
        }
        let level = match text("level") {
            Some("WARN") => "warning",
            Some("ERROR") => "error",
            _ => return Self::Detail,
        };
        let mut sentence = format!("{level}: {}", text("message").unwrap_or_default());
        let others = members.iter().filter(|(name, _)| !LEFT_OUT.contains(&name.as_str()));
        for (place, (name, value)) in others.enumerate() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let separator = if place == 0 { ":" } else { "," };
            // The most frequent member is the error itself.
            match name.as_str() {
                "error" => sentence.push_str(&format!("{separator} {value}")),
                _ => sentence.push_str(&format!("{separator} {name} {value}")),
            }
        }
        Self::Alert(sentence)
    }

    /// Returns true if the line is not an alert: with `--quiet` it is not printed.
    pub(super) fn is_quiet(line: &str) -> bool {
        let members: Option<Map<String, Value>> = serde_json::from_str(line).ok();
        let level = members.as_ref().and_then(|members| members.get("level")?.as_str());
        matches!(level, Some("TRACE" | "DEBUG" | "INFO"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_alerts_and_everything_else_are_told_apart() {
        let record = r#"{"timestamp":"t","level":"INFO","message":"refused","request_id":"r-1",
            "kind":"rest_token","code":"signature","detail":"the signature is not the issuer's"}"#;
        assert_eq!(
            Line::parse(record),
            Line::Record(Record {
                request_id: "r-1".into(),
                code: "signature".into(),
                detail: Some("the signature is not the issuer's".into()),
            })
        );
        let plan = "no plan `gold` in table `t`; create it with `tollgate plan put gold FILE`";
        let error = serde_json::json!({"level": "ERROR", "message": plan, "code": "config"});
        assert_eq!(Line::parse(&error.to_string()), Line::Alert(format!("error: {plan}")));
        let warning = r#"{"level":"WARN","message":"keys are old","error":"refused","age":3}"#;
        let sentence = "warning: keys are old: age 3, refused".to_owned();
        assert_eq!(Line::parse(warning), Line::Alert(sentence));
        assert_eq!(Line::parse(r#"{"level":"INFO","message":"key set fetched"}"#), Line::Detail);
        for text in ["thread 'main' panicked", "[1]", "", "{\"level\":"] {
            assert_eq!(Line::parse(text), Line::Text, "{text}");
        }
    }

    #[test]
    fn quiet_keeps_alerts_and_what_is_no_log_line() {
        for (line, is_quiet) in [
            (r#"{"level":"INFO","message":"decided"}"#, true),
            (r#"{"level":"DEBUG"}"#, true),
            (r#"{"level":"WARN"}"#, false),
            (r#"{"level":"ERROR"}"#, false),
            ("thread 'main' panicked", false),
        ] {
            assert_eq!(Line::is_quiet(line), is_quiet, "{line}");
        }
    }
}
