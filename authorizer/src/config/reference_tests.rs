//! The reference configuration: it parses, names every field, and says the defaults that are.

use std::collections::BTreeSet;

use super::callers::CallersSpec;
use super::fields::Table;
use super::jwks::JwksConfig;
use super::policy::PolicyConfig;
use super::*;

const REFERENCE: &str = include_str!("../../reference.toml");

/// The lines that are a field left out: `# name = value`.
fn left_out() -> impl Iterator<Item = (usize, &'static str)> {
    REFERENCE.lines().enumerate().filter_map(|(number, line)| {
        let field = line.strip_prefix("# ")?;
        let (name, _) = field.split_once(" = ")?;
        let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        is_name.then_some((number, field))
    })
}

/// The reference with one line replaced.
fn with_line(number: usize, text: &str) -> String {
    let lines = REFERENCE.lines().enumerate();
    lines.map(|(n, line)| format!("{}\n", if n == number { text } else { line })).collect()
}

/// The names of a table's fields in [`fields::TABLES`].
fn known(table: &Table) -> BTreeSet<String> {
    table.fields.iter().map(|field| field.name.to_owned()).collect()
}

/// The names that the reader of a table knows, as its error for another name lists them.
fn read_by<T: serde::de::DeserializeOwned>() -> BTreeSet<String> {
    let error = toml::from_str::<T>("no_such_field = 1").map(|_| ()).unwrap_err().to_string();
    let (_, names) = error.split_once("expected").unwrap_or_else(|| panic!("{error}"));
    names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The names that a table of the reference has, whether left out or not.
fn written(table: &str) -> BTreeSet<String> {
    let (_, rest) = REFERENCE.split_once(&format!("\n{table}\n")).unwrap();
    let rest = rest.split("\n[").next().unwrap();
    let lines = rest.lines().map(|line| line.strip_prefix("# ").unwrap_or(line));
    lines.filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn the_reference_is_a_configuration() {
    let config = Config::parse(REFERENCE, "reference.toml").unwrap();
    assert_eq!(config.issuers.len(), 1);
    assert!(config.throttle.is_some());
}

#[test]
fn the_reference_has_every_field_of_every_table() {
    for table in fields::TABLES {
        let header = match table.is_list {
            true => format!("[[{}]]", table.name),
            false => format!("[{}]", table.name),
        };
        let (known, written) = (known(table), written(&header));
        let missing: Vec<_> = known.difference(&written).collect();
        assert!(missing.is_empty(), "{header} of reference.toml lacks {missing:?}");
    }
    for name in read_by::<PlanChoice>() {
        assert!(REFERENCE.contains(&format!("{name} = ")), "no `plan.{name}`");
    }
}

#[test]
fn the_fields_of_messages_are_those_that_are_read() {
    let tables: BTreeSet<String> = fields::TABLES.iter().map(|it| it.name.to_owned()).collect();
    assert_eq!(tables, read_by::<File>());
    for table in fields::TABLES {
        let read = match table.name {
            "issuer" => read_by::<IssuerSpec>(),
            "rule" => read_by::<RuleSpec>(),
            // Its fields have names of any kind.
            "claim_paths" => continue,
            "policy" => read_by::<PolicyConfig>(),
            "jwks" => read_by::<JwksConfig>(),
            "token" => read_by::<TokenSource>(),
            "callers" => read_by::<CallersSpec>(),
            "keys" => read_by::<KeysConfig>(),
            "response" => read_by::<ResponseConfig>(),
            "metrics" => read_by::<MetricsConfig>(),
            "throttle" => read_by::<ThrottleConfig>(),
            "revocation" => read_by::<RevocationConfig>(),
            other => panic!("{other}"),
        };
        assert_eq!(known(table), read, "{}", table.name);
    }
    let limits = fields::TABLES.iter().find(|table| table.name == "throttle").unwrap();
    let plan = limits.fields.iter().find(|field| field.name == "plan").unwrap();
    let fields::Kind::Table(plan, "default") = plan.kind else { panic!("no table") };
    let plan: BTreeSet<String> = plan.iter().map(|field| field.name.to_owned()).collect();
    assert_eq!(plan, read_by::<PlanChoice>());
}

#[test]
fn the_examples_of_messages_are_valid() {
    // An example in the place of a missing or wrong value is accepted or excluded by another field.
    for table in fields::TABLES {
        for fields::Field { name, example, .. } in table.fields {
            if *name == "jwks" {
                continue;
            }
            let line = format!("{name} = {example}");
            let number = REFERENCE.lines().position(|it| {
                it.starts_with(&format!("{name} = ")) || it.starts_with(&format!("# {name} = "))
            });
            let Err(error) = Config::parse(&with_line(number.unwrap(), &line), "test") else {
                continue;
            };
            let error = error.to_string();
            let wrong = ["must be", "unknown field", "unknown algorithm", "has no"];
            assert!(!wrong.iter().any(|word| error.contains(word)), "{line}: {error}");
        }
    }
}

#[test]
fn each_field_that_is_left_out_could_be_there() {
    let mut count = 0;
    for (number, field) in left_out() {
        count += 1;
        let Err(error) = Config::parse(&with_line(number, field), "test") else { continue };
        // Some exclude what stands there instead; none is unknown or of a wrong type.
        let error = error.to_string();
        let excluded = [
            "has either `user_pool` or `url`",
            "has one of `user_pool`, `url` and `iss`",
            "goes with `url`",
            "goes with a list of `audiences`",
            "`jwks`: no key",
            "`jwks_file` `/var/task/jwks.json`: cannot be read",
            "everyone",
            "callers without a credential",
        ];
        assert!(excluded.iter().any(|says| error.contains(says)), "{field}: {error}");
    }
    assert!(count > 10, "{count} fields are left out");
}

#[test]
fn the_reference_says_the_defaults_that_are() {
    let reference = Config::parse(REFERENCE, "reference.toml").unwrap();
    let defaults = Config::from_pool("us-east-1_abcDEF123", "1example23456789").unwrap();
    for (said, is) in [
        (format!("{:?}", reference.token), format!("{:?}", defaults.token)),
        (format!("{:?}", reference.response), format!("{:?}", defaults.response)),
        (format!("{:?}", reference.metrics), format!("{:?}", defaults.metrics)),
        (format!("{:?}", reference.issuers), format!("{:?}", defaults.issuers)),
        (reference.rules.document_limit().to_string(), defaults.rules.document_limit().to_string()),
    ] {
        assert_eq!(said, is);
    }
    for default in [
        "leeway_seconds = 0",
        "principal = \"sub\"",
        "algorithms = [\"RS256\"]",
        "timeout_ms = 500",
    ] {
        let (number, _) = left_out().find(|(_, field)| *field == default).unwrap();
        let same = Config::parse(&with_line(number, default), "test").unwrap();
        assert_eq!(format!("{same:?}"), format!("{reference:?}"), "{default}");
    }
}

#[test]
fn names_the_line_of_each_mistake_in_the_tables_of_a_request() {
    for (from, to, says) in [
        ("header = \"authorization\"", "header = \"\"", "not a header's name"),
        ("header = \"authorization\"", "header = \"a b\"", "not a header's name"),
        ("header = \"authorization\"", "headers = \"a\"", "unknown field `headers`"),
        ("# query = \"access_token\"", "query = \"\"", "not a parameter's name"),
        ("# query = \"access_token\"", "query = \"a\\nb\"", "not a parameter's name"),
        ("# subprotocol = \"bearer\"", "subprotocol = \"a, b\"", "not a subprotocol's name"),
        ("# subprotocol = \"bearer\"", "subprotocol = true", "must be a text in quotes"),
        ("http = \"iam\"", "http = \"IAM\"", "did you mean \"iam\"?"),
        (
            "http_unauthorized = \"deny\"",
            "http_unauthorized = \"401\"",
            "\"deny\" or \"error\", not \"401\"",
        ),
        ("document_limit = 8192", "document_limit = 511", "512 to 102400"),
        ("document_limit = 8192", "document_limit = 102401", "512 to 102400"),
        ("document_limit = 8192", "document_limit = -1", "must not be negative"),
        ("document_limit = 8192", "document_limits = 1", "unknown field `document_limits`"),
        ("enabled = true", "enabled = \"no\"", "must be true or false"),
        ("namespace = \"Tollgate\"", "namespace = \"\"", "`namespace` must have"),
        ("namespace = \"Tollgate\"", "namespace = \" \"", "`namespace` must have"),
        ("namespace = \"Tollgate\"", "namespace = \"AWS/Lambda\"", "`namespace` must have"),
        ("namespace = \"Tollgate\"", "namespace = \":x\"", "`namespace` must have"),
        ("namespace = \"Tollgate\"", "namespace = \"a\\\"b\"", "`namespace` must have"),
    ] {
        let number = REFERENCE.lines().position(|line| line == from).unwrap();
        let error = Config::parse(&with_line(number, to), "t").unwrap_err().to_string();
        assert!(error.starts_with(&format!("t:{}: ", number + 1)), "{to}: {error}");
        assert!(error.contains(says), "{to}: {error}");
    }
    let longest = format!("namespace = \"{}\"", "n".repeat(255));
    let number = REFERENCE.lines().position(|line| line.starts_with("namespace")).unwrap();
    assert!(Config::parse(&with_line(number, &longest), "t").is_ok());
    let longer = longest.replace("\"n", "\"nn");
    assert!(Config::parse(&with_line(number, &longer), "t").is_err());
}

#[test]
fn rules_are_held_to_the_limit_of_a_document() {
    let number = REFERENCE.lines().position(|line| line == "document_limit = 8192").unwrap();
    let config = Config::parse(&with_line(number, "document_limit = 512"), "t").unwrap();
    assert_eq!(config.rules.document_limit(), 512);
    let routes: Vec<_> = (0..10).map(|n| format!("\"GET /orders/{n}\"")).collect();
    let routes = format!("allow = [{}]", routes.join(", "));
    let text = with_line(number, "document_limit = 512");
    let text = text.replace("allow = [\"GET /orders\", \"GET /orders/*\"]", &routes);
    let line = text.lines().position(|line| line == "[[rule]]").unwrap() + 1;
    let error = Config::parse(&text, "t").unwrap_err().to_string();
    assert!(error.starts_with(&format!("t:{line}: ")), "{error}");
    assert!(error.contains("over the limit of 512"), "{error}");
}

#[test]
fn a_header_s_name_is_taken_in_any_case() {
    let number = REFERENCE.lines().position(|line| line.starts_with("header = ")).unwrap();
    let config = Config::parse(&with_line(number, "header = \"X-Token\""), "t").unwrap();
    assert_eq!(config.token.header(), "x-token");
}
