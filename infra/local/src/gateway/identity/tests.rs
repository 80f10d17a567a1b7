use http::Request;

use super::*;
use crate::gateway::Payload;
use crate::gateway::asked::Origin;
use crate::gateway::options::tests::options;
use crate::gateway::responses::RequestId;
use crate::gateway::wire::Sent;

const KINDS: [Kind; 4] =
    [Kind::RestToken, Kind::RestRequest, Kind::Http(Payload::V2), Kind::WebSocket];

#[test]
fn each_kind_of_api_has_its_own_way_of_writing() {
    for (text, expected) in [
        ("method.request.header.Authorization", [true, true, false, false]),
        ("method.request.querystring.q", [false, true, false, false]),
        ("stageVariables.v", [false, true, false, true]),
        ("context.identity.sourceIp", [false, true, false, true]),
        ("$request.header.X-Mine", [false, false, true, false]),
        ("$context.routeKey", [false, false, true, false]),
        ("$stageVariables.v", [false, false, true, false]),
        ("route.request.querystring.q", [false, false, false, true]),
    ] {
        let source: Source = text.parse().unwrap();
        assert_eq!(KINDS.map(|kind| source.serves(kind)), expected, "{text}");
        assert_eq!(source.to_string(), text);
    }
    for kind in KINDS {
        let source = Source::authorization(kind);
        assert!(source.serves(kind));
        assert_eq!(source.to_string().parse(), Ok(source));
    }
}

#[test]
fn what_is_no_source_is_refused() {
    for wrong in [
        "",
        "Authorization",
        "request.header.X",
        "$request.header.",
        "$request.header.a b",
        "$request.body",
        "$request.querystring.",
        "$context.unknown",
        "method.context.stage",
        "route.stageVariables.v",
        "$stageVariables.",
        &format!("$request.header.{}", "x".repeat(MAX_EXPRESSION)),
    ] {
        assert!(wrong.parse::<Source>().is_err(), "{wrong}");
    }
}

#[test]
fn every_source_must_have_a_value() {
    let found_by = |kind, sources: &[&str]| {
        let mut options = options(kind);
        options.identity_sources = sources.iter().map(|s| s.parse().unwrap()).collect();
        options.stage_variables.insert("v".to_owned(), "stage value".to_owned());
        let request = Request::builder()
            .uri("/orders?q=a%20b&q=c+d&none=")
            .header("x-one", "1")
            .header("x-one", "2")
            .header("x-none", "");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let id = RequestId::new(kind);
        let peer = "127.0.0.1".parse().unwrap();
        let from = Origin { sent: Sent::default(), peer, id: &id };
        values(&Asked::new(&options, head, from).unwrap())
    };
    let found = |sources: &[&str]| found_by(Kind::Http(Payload::V2), sources);
    assert_eq!(
        found(&["$request.header.X-One", "$request.querystring.q", "$stageVariables.v"]),
        Ok(vec!["1,2".to_owned(), "a b,c d".to_owned(), "stage value".to_owned()])
    );
    assert_eq!(
        found(&["$context.routeKey", "$context.identity.sourceIp", "$context.stage"]),
        Ok(vec!["ANY /{proxy+}".to_owned(), "127.0.0.1".to_owned(), "$default".to_owned()])
    );
    assert_eq!(found(&[]), Ok(Vec::new()));
    let last = Ok(vec!["2".to_owned(), "c d".to_owned()]);
    let joined = Ok(vec!["1,2".to_owned(), "a b,c d".to_owned()]);
    for (payload, expected) in
        [(Payload::V1, &last), (Payload::V2, &joined), (Payload::Simple, &joined)]
    {
        let sources = ["$request.header.x-one", "$request.querystring.q"];
        assert_eq!(&found_by(Kind::Http(payload), &sources), expected, "{payload:?}");
    }
    for (missing, words) in [
        ("$request.header.x-none", "x-none header"),
        ("$request.header.Authorization", "Authorization header"),
        ("$request.header.x-absent", "x-absent header"),
        ("$request.querystring.none", "query parameter none"),
        ("$request.querystring.absent", "query parameter absent"),
        ("$stageVariables.absent", "$stageVariables.absent"),
        ("$context.identity.userAgent", "$context.identity.userAgent"),
    ] {
        assert_eq!(found(&["$request.header.x-one", missing]), Err(words.to_owned()));
    }
}
