//! Integrations of a template: their payloads, time-outs and templates.

use reqwest::StatusCode;

use super::*;

#[tokio::test]
async fn integrations_have_their_own_payloads_time_outs_and_templates() {
    let local = Local::start(&["--template", "tests/functions/integrations.yaml"]);
    let http = local.ready["http_api"].as_str().unwrap().to_owned();

    // A Python authorizer is run by itself.
    assert_eq!(local.call("GET /told", "deny").await.status(), 403);
    let told: Value = local.call("GET /told", "allow").await.json().await.unwrap();
    assert_eq!(told["authorizer"], json!({"line": "a\nb", "principalId": "judged"}));
    // Lambda's defaults: 128 MB and 3 s.
    assert_eq!(told["memory"], "128");
    assert!(told["left"].as_u64().unwrap() <= 3, "{told}");
    for (path, version) in [("/one", json!("1.0")), ("/two", json!("2.0"))] {
        let (status, told) = called(&local, &format!("{http}{path}"), &[]).await;
        assert_eq!((status, &told["version"]), (200, &version));
    }

    // The function's time-out, and the integration's.
    let answer = async |url: String| {
        let answer = local.http.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let is = |status: u16, body: &str| (status, body.to_owned());
    let rest = local.ready["api"].as_str().unwrap();
    let failed = is(502, r#"{"message": "Internal server error"}"#);
    assert_eq!(answer(format!("{rest}/slow")).await, failed);
    let failed = is(500, r#"{"message":"Internal Server Error"}"#);
    assert_eq!(answer(format!("{http}/slow")).await, failed);
    let late = is(504, r#"{"message": "Endpoint request timed out"}"#);
    assert_eq!(answer(format!("{rest}/gateway/slow")).await, late);

    let mock = local.call("GET /mock?status=404", "").await;
    assert_eq!(
        (mock.status(), &mock.headers()["x-color"]),
        (StatusCode::IM_A_TEAPOT, &"blue".parse().unwrap())
    );
    assert_eq!(mock.text().await.unwrap(), r#"{"path": "/mock"}"#);
    assert_eq!(local.call("GET /mock?status=200", "").await.status(), 500);
    let velocity = local.call("GET /velocity", "").await;
    assert_eq!(velocity.status(), 501);
    assert!(velocity.text().await.unwrap().contains("`#if` in a mapping template"));
    // A line break cannot be in a header, and the service is never called.
    assert_eq!(local.call("GET /line", "allow").await.status(), 500);

    let notes = local.notes();
    for note in [
        "Rest: GET /velocity: answers 501: `#if` in a mapping template",
        "not served here: throttling and caching of stages and methods (1: Rest)",
        "Rest: gateway response `THROTTLED`: the status 101 cannot be sent",
    ] {
        assert!(notes.contains(note), "{note} in {notes}");
    }
    assert!(!notes.contains("Judge"), "{notes}");
    let kinds: Vec<&str> = local.ready["apis"]
        .as_array()
        .unwrap()
        .iter()
        .map(|api| api["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["REST API", "HTTP API"]);
}

#[tokio::test]
async fn the_reason_of_a_500_or_501_is_in_the_requests_line() {
    let template = ["--template", "tests/functions/integrations.yaml"];
    let mut local = Local::spawn(&template, &[], Stdio::piped());
    let lines = BufReader::new(local.child.stderr.take().unwrap()).lines();
    assert_eq!(local.call("GET /line", "allow").await.status(), 500);
    assert_eq!(local.call("GET /slow", "").await.status(), 502);
    assert_eq!(local.call("GET /velocity", "").await.status(), 501);
    assert_eq!(local.call("GET /mock?status=101", "").await.status(), 502);
    let mut lines = lines.map(Result::unwrap).filter(|line| line.starts_with("GET "));
    for reason in [
        "the value that is mapped to the header `x-line` has a control character",
        "the function took longer than 1s",
        "local cannot serve this: `#if` in a mapping template",
        "502  the status 101 cannot be sent",
    ] {
        let line = lines.next().unwrap();
        assert!(line.contains(reason), "{line}");
    }
}
