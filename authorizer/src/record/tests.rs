//! Lines as CloudWatch would read them, by the rules of the specification.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::jwks::Fetches;
use crate::token::digest_of;

const NOW: u64 = 1_800_000_000_123;

fn line(config: &str, metrics: Metrics) -> Value {
    let recorder = Recorder::new(&toml::from_str(config).unwrap());
    let mut record = Record::new("request".into());
    record.decide("allowed");
    record.metrics = metrics;
    recorder.is_warm.store(true, Ordering::Relaxed);
    let line = recorder.write(record, Timestamp::from_nanos(NOW * 1_000_000));
    // A reader that refuses a member that stands twice.
    Value::Object(crate::json::object(line.as_bytes()).unwrap())
}

fn everything() -> Metrics {
    let fetches = Fetches::default();
    fetches.note(Duration::from_millis(20), true);
    fetches.note(Duration::from_millis(1500), false);
    let mut metrics = Metrics::default();
    metrics.fetches(&fetches.take());
    metrics.time("Duration", Duration::from_nanos(1_234_999));
    metrics.time("KeyAge", Duration::from_secs(3));
    metrics.hit("CacheHits", "CacheMisses", false);
    metrics.hit("RevocationHits", "RevocationMisses", false);
    metrics.time("RevocationTime", Duration::from_micros(700));
    metrics.time("TableTime", Duration::from_micros(900));
    for (name, count) in [
        ("ColdStarts", 1),
        ("TableWrites", 2),
        ("TableMilliunits", 2_500),
        ("Degraded", 1),
        ("UnknownPlans", 1),
    ] {
        metrics.count(name, count);
    }
    metrics
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
    let found = read(&line("", everything()));
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
            count("CacheHits", 0),
            count("CacheMisses", 1),
            count("ColdStarts", 1),
            count("Degraded", 1),
            time("Duration", vec![1234]),
            time("KeyAge", vec![3_000_000]),
            count("KeyFetchFailures", 1),
            time("KeyFetchTime", vec![20_000, 1_500_000]),
            count("KeyFetches", 2),
            count("RevocationHits", 0),
            count("RevocationMisses", 1),
            time("RevocationTime", vec![700]),
            count("TableMilliunits", 2_500),
            time("TableTime", vec![900]),
            count("TableWrites", 2),
            count("UnknownPlans", 1),
        ]
    );
}

#[test]
fn what_did_not_happen_is_not_there() {
    let mut metrics = Metrics::default();
    metrics.time("Duration", Duration::ZERO);
    let line = line("", metrics);
    let names: Vec<String> = read(&line).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["Decisions", "Duration"]);
    assert_eq!(line.as_object().unwrap().len(), 9, "{line}");
}

#[test]
fn the_namespace_is_the_configured_one() {
    let line = line("namespace = \"Orders/Tollgate\"", everything());
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
        assert_eq!(directive["Namespace"], "Orders/Tollgate");
    }
    assert!(read(&super::tests::line("", everything())).len() > 1);
}

#[test]
fn turned_off_there_are_none() {
    let line = line("enabled = false", everything());
    assert_eq!(
        line,
        json!({"timestamp": "2027-01-15T08:00:00.123000Z", "level": "INFO", "message": "decided",
            "request_id": "request", "code": "allowed"})
    );
}

#[test]
fn more_fetches_than_a_line_holds_are_not_told() {
    let fetches = Fetches::default();
    for _ in 0..=100 {
        fetches.note(Duration::from_millis(1), true);
    }
    let mut metrics = Metrics::default();
    let taken = fetches.take();
    metrics.fetches(&taken);
    read(&line("", metrics));
    assert_eq!(taken.len(), 100);
    assert!(fetches.take().is_empty(), "recorded once");
}

#[test]
fn a_digest_is_stable_and_short() {
    // printf abc | sha256sum
    assert_eq!(&*digest_of("abc"), "ba7816bf");
}

#[test]
fn a_trace_is_told_only_in_x_ray_s_own_form() {
    let root = "1-5759e988-bd862e3fe1be46a994272793";
    for header in [
        format!("Root={root}"),
        format!("Root={root};Parent=53995c3f42cd8ad8;Sampled=0"),
        format!("Self=1-x; Root={root};Lineage=a:0"),
    ] {
        assert_eq!(trace_root(&header), Some(root), "{header}");
    }
    for header in [
        "",
        root,
        "Root=",
        "Root=eyJhbGciOiJSUzI1NiJ9",
        "Root=1-5759e988",
        "Root=2-5759e988-bd862e3fe1be46a994272793",
        "Root=1-5759e98-bd862e3fe1be46a994272793",
        "Root=1-5759e988-bd862e3fe1be46a99427279g",
        "Root=1-5759e988-bd862e3fe1be46a994272793-x",
    ] {
        assert_eq!(trace_root(header), None, "{header}");
    }
}
