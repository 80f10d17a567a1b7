//! Lines as CloudWatch would read them, by the rules of the specification.

use serde_json::{Value, json};

use super::*;

const NOW: u64 = 1_800_000_000_123;

fn line(config: &str, measured: &Measured) -> Value {
    let metrics = Metrics::new(&toml::from_str(config).unwrap());
    let mut line = Line::new("decided");
    line.put("code", "allowed");
    metrics.embed(&mut line, measured, NOW);
    // A reader that refuses a member that stands twice.
    Value::Object(crate::json::object(line.finish().as_bytes()).unwrap())
}

fn everything() -> Measured {
    Measured {
        cold_start: true,
        duration: Duration::from_nanos(1_234_999),
        fetches: vec![
            Fetch { took: Duration::from_millis(20), succeeded: true },
            Fetch { took: Duration::from_millis(1500), succeeded: false },
        ],
        key_age: Some(Duration::from_secs(3)),
        cached: Some(false),
        revocations: Some(Some(Duration::from_micros(700))),
        table: Some(Duration::from_micros(900)),
        writes: 2,
        milliunits: 2_500,
        degraded: true,
        unknown_plan: true,
    }
}

/// Reads a line by the specification: name, dimensions with their values, unit, values.
fn read(line: &Value) -> Vec<(String, Vec<String>, String, Vec<u64>)> {
    let metadata = line["_aws"].as_object().unwrap();
    assert_eq!(metadata.len(), 2, "no members but those of the specification");
    assert_eq!(metadata["Timestamp"], NOW, "milliseconds");
    let mut found = Vec::new();
    for directive in metadata["CloudWatchMetrics"].as_array().unwrap() {
        assert_eq!(directive.as_object().unwrap().len(), 3);
        let namespace = directive["Namespace"].as_str().unwrap();
        assert!((1..=1024).contains(&namespace.len()));
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=100).contains(&metrics.len()));
        for dimensions in directive["Dimensions"].as_array().unwrap() {
            let dimensions = dimensions.as_array().unwrap();
            assert!(dimensions.len() <= 30);
            let values: Vec<String> = dimensions
                .iter()
                .map(|name| {
                    let value = line[name.as_str().unwrap()].as_str().expect("at the root, a text");
                    assert!((1..=1024).contains(&value.len()) && value.is_ascii());
                    value.to_owned()
                })
                .collect();
            for metric in metrics {
                assert_eq!(metric.as_object().unwrap().len(), 2);
                let name = metric["Name"].as_str().unwrap();
                let unit = metric["Unit"].as_str().unwrap();
                assert!(["Count", "Microseconds"].contains(&unit));
                let value = match &line[name] {
                    Value::Array(several) => several.clone(),
                    one => vec![one.clone()],
                };
                assert!((1..=100).contains(&value.len()), "{name}");
                let value = value.iter().map(|number| number.as_u64().unwrap()).collect();
                found.push((name.to_owned(), values.clone(), unit.to_owned(), value));
            }
        }
    }
    found
}

#[test]
fn cloud_watch_finds_each_metric_once() {
    let found = read(&line("", &everything()));
    let function = || vec![NAMELESS.to_owned()];
    let count = |name: &str, value| (name.to_owned(), function(), "Count".to_owned(), vec![value]);
    let time = |name: &str, took| (name.to_owned(), function(), "Microseconds".to_owned(), took);
    assert_eq!(
        found,
        [
            (
                "Decisions".to_owned(),
                vec![NAMELESS.to_owned(), "allowed".to_owned()],
                "Count".to_owned(),
                vec![1],
            ),
            time("Duration", vec![1234]),
            count("ColdStarts", 1),
            count("KeyFetches", 2),
            count("KeyFetchFailures", 1),
            time("KeyFetchTime", vec![20_000, 1_500_000]),
            time("KeyAge", vec![3_000_000]),
            count("CacheHits", 0),
            count("CacheMisses", 1),
            count("RevocationHits", 0),
            count("RevocationMisses", 1),
            time("RevocationTime", vec![700]),
            time("TableTime", vec![900]),
            count("TableWrites", 2),
            count("TableMilliunits", 2_500),
            count("Degraded", 1),
            count("UnknownPlans", 1),
        ]
    );
}

#[test]
fn what_did_not_happen_is_not_there() {
    let line = line("", &Measured::default());
    let names: Vec<String> = read(&line).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["Decisions", "Duration"]);
    assert_eq!(line.as_object().unwrap().len(), 6, "{line}");
}

#[test]
fn the_namespace_is_the_configured_one() {
    let line = line("namespace = \"Orders/Tollgate\"", &everything());
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
        assert_eq!(directive["Namespace"], "Orders/Tollgate");
    }
    assert!(read(&super::tests::line("", &everything())).len() > 1);
}

#[test]
fn turned_off_there_are_none() {
    let line = line("enabled = false", &everything());
    assert_eq!(line, json!({"message": "decided", "code": "allowed"}));
}

#[test]
fn more_fetches_than_a_line_holds_are_not_told() {
    let fetches = crate::jwks::Fetches::default();
    for _ in 0..=MAX_VALUES {
        fetches.note(Duration::from_millis(1), true);
    }
    let measured = Measured { fetches: fetches.take(), ..Measured::default() };
    read(&line("", &measured));
    assert_eq!(measured.fetches.len(), MAX_VALUES);
    assert!(fetches.take().is_empty(), "told once");
}
