//! Attacks on how a token is written down.

use serde_json::json;
use tollgate_authorizer::Code;

use crate::issuer::{Bench, HEADER, encode, evil, rsa, sign, unsigned};

#[tokio::test]
async fn duplicate_members_in_the_header() {
    let bench = Bench::new().await;
    for header in [
        r#"{"kid":"rsa","alg":"none","alg":"RS256"}"#,
        r#"{"kid":"rsa","alg":"RS256","alg":"none"}"#,
        r#"{"kid":"rsa","alg":"RS256","alg":"RS256"}"#,
        r#"{"kid":"evil","kid":"rsa","alg":"RS256"}"#,
        r#"{"kid":"rsa","\u0061lg":"none","alg":"RS256"}"#,
        r#"{"kid":"rsa","alg":"RS256","\u0061\u006c\u0067":"none"}"#,
        r#"{"kid":"rsa","alg":"RS256","x":{"a":1,"a":2}}"#,
        r#"{"kid":"rsa","alg":"RS256","x":[[{"a":1,"\u0061":2}]]}"#,
    ] {
        let token = sign(rsa(), header, bench.payload(&json!({})));
        assert_eq!(bench.code(&token).await, Some(Code::Malformed), "{header}");
    }
}

#[tokio::test]
async fn duplicate_members_in_the_payload() {
    let bench = Bench::new().await;
    let good = bench.payload(&json!({}));
    let body = good.trim_start_matches('{');
    for more in [
        r#""sub":"admin","#,
        r#""exp":1,"#,
        r#""\u0073ub":"admin","#,
        r#""su\u0062":"user","#,
        r#""x":{"a":1,"a":1},"#,
        r#""x":[0,{"b":{"a":1,"\u0061":1}}],"#,
    ] {
        let token = sign(rsa(), HEADER, format!("{{{more}{body}"));
        assert_eq!(bench.code(&token).await, Some(Code::Malformed), "{more}");
    }
    // Another issuer, last and first.
    let evil = r#""iss":"https://evil.example""#;
    let last = format!("{},{evil}}}", good.trim_end_matches('}'));
    assert_eq!(bench.code(&sign(rsa(), HEADER, last)).await, Some(Code::Malformed));
    let first = format!("{{{evil},{body}");
    assert_eq!(bench.code(&sign(rsa(), HEADER, first)).await, Some(Code::Malformed));
    bench.passes(&sign(rsa(), HEADER, format!("{{\"SUB\":\"other\",{body}"))).await;
}

#[tokio::test]
async fn padding_other_alphabets_and_whitespace() {
    let bench = Bench::new().await;
    let good = bench.token(&json!({}));
    bench.passes(&good).await;
    let parts: Vec<&str> = good.split('.').collect();
    for part in 0..3 {
        for change in [
            |text: &str| format!("{text}="),
            |text: &str| format!("{text}=="),
            |text: &str| format!("{text} "),
            |text: &str| format!(" {text}"),
            |text: &str| format!("{text}\n"),
            |text: &str| format!("{text}\r\n"),
            |text: &str| format!("{text}\0"),
            |text: &str| format!("{text}%3D"),
            |text: &str| format!("\u{feff}{text}"),
            |text: &str| text.replacen(|_: char| true, "+", 1),
            |text: &str| text.replacen(|_: char| true, "/", 1),
            |text: &str| format!("{}\n{}", &text[..4], &text[4..]),
            |_: &str| String::new(),
        ] {
            let mut changed: Vec<String> = parts.iter().map(|&part| part.to_owned()).collect();
            changed[part] = change(parts[part]);
            let token = changed.join(".");
            assert_eq!(bench.code(&token).await, Some(Code::Malformed), "{token:?}");
        }
    }
}

#[tokio::test]
async fn non_canonical_tails() {
    let bench = Bench::new().await;
    // 256 bytes leave a last character with four bits that mean nothing: sixteen spellings.
    let good = bench.token(&json!({}));
    let last = good.chars().last().unwrap();
    let spellings = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']);
    let mut passed = 0;
    for other in spellings {
        let token = format!("{}{other}", &good[..good.len() - 1]);
        match bench.code(&token).await {
            None => passed += 1,
            // Another canonical spelling is of another signature.
            Some(Code::Signature) => assert!("AQgw".contains(other)),
            refused => assert_eq!(refused, Some(Code::Malformed), "{other}"),
        }
        assert_eq!(bench.code(&token).await.is_none(), other == last, "{other}");
    }
    assert_eq!(passed, 1);
}

#[tokio::test]
async fn two_four_or_five_parts() {
    let bench = Bench::new().await;
    let good = bench.token(&json!({}));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    for token in [
        String::new(),
        ".".into(),
        "..".into(),
        signed.into(),
        signature.into(),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{signature}"),
        format!("{good}.{signature}.{signature}"),
        format!("{signed}..{signature}"),
        format!("{signed}.{signature}.."),
    ] {
        assert_eq!(bench.code(&token).await, Some(Code::Malformed), "{token}");
    }
}

#[tokio::test]
async fn the_json_serialization_of_a_signature() {
    let bench = Bench::new().await;
    let good = bench.token(&json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    let (protected, payload, signature) = (parts[0], parts[1], parts[2]);
    for token in [
        json!({"protected": protected, "payload": payload, "signature": signature}),
        json!({"payload": payload, "signatures": [{"protected": protected, "signature": signature}]}),
    ] {
        assert_eq!(bench.code(&token.to_string()).await, Some(Code::Malformed));
    }
}

#[tokio::test]
async fn bom_invalid_utf_8_and_what_is_not_one_object() {
    let bench = Bench::new().await;
    let good = bench.payload(&json!({}));
    let bytes = |parts: &[&[u8]]| parts.concat();
    for wrong in [
        bytes(&["\u{feff}".as_bytes(), good.as_bytes()]),
        bytes(&[good.as_bytes(), b"{}"]),
        bytes(&[good.as_bytes(), b"\0"]),
        bytes(&[b"[", good.as_bytes(), b"]"]),
        bytes(&[b"\"", b"text", b"\""]),
        bytes(&[b"null"]),
        bytes(&[b"{\"x\":\"\xff\",", &good.as_bytes()[1..]]),
        bytes(&[b"{\"x\":\"\xc0\xaf\",", &good.as_bytes()[1..]]),
        bytes(&[b"{\"x\":\"\xed\xa0\x80\",", &good.as_bytes()[1..]]),
        bytes(&[b"{\"x\":\"\\ud800\",", &good.as_bytes()[1..]]),
        bytes(&[b"{\"x\":NaN,", &good.as_bytes()[1..]]),
        bytes(&[b"{\"x\":1e400,", &good.as_bytes()[1..]]),
        bytes(&[b"{\"x\":01,", &good.as_bytes()[1..]]),
        bytes(&[b"{\"x\":1,}"]),
        bytes(&[b"{/**/\"x\":1,", &good.as_bytes()[1..]]),
        good.encode_utf16().flat_map(u16::to_le_bytes).collect(),
    ] {
        let token = sign(rsa(), HEADER, &wrong);
        let shown = String::from_utf8_lossy(&wrong);
        assert_eq!(bench.code(&token).await, Some(Code::Malformed), "{shown}");
    }
    let header = bytes(&["\u{feff}".as_bytes(), HEADER.as_bytes()]);
    assert_eq!(bench.code(&sign(rsa(), header, &good)).await, Some(Code::Malformed));
    let header = b"{\"kid\":\"rsa\",\"alg\":\"RS256\",\"x\":\"\xff\"}";
    assert_eq!(bench.code(&sign(rsa(), header, &good)).await, Some(Code::Malformed));
}

#[tokio::test]
async fn deep_nesting() {
    let bench = Bench::new().await;
    let good = bench.payload(&json!({}));
    let nested = |open: &str, close: &str, levels: usize| {
        format!("{{\"x\":{}1{},{}", open.repeat(levels), close.repeat(levels), &good[1..])
    };
    bench.passes(&sign(rsa(), HEADER, nested("[", "]", 15))).await;
    for levels in [16, 128, 1_000, 3_000] {
        let token = sign(rsa(), HEADER, nested("[", "]", levels));
        assert_eq!(bench.code(&token).await, Some(Code::Malformed), "{levels} lists");
    }
    for levels in [16, 128, 700] {
        let token = sign(rsa(), HEADER, nested("{\"x\":", "}", levels));
        assert_eq!(bench.code(&token).await, Some(Code::Malformed), "{levels} objects");
        let header = nested("[", "]", levels);
        let token = sign(rsa(), header, &good);
        assert_eq!(bench.code(&token).await, Some(Code::Malformed), "{levels} in the header");
    }
}

#[tokio::test]
async fn a_token_over_the_bound() {
    let bench = Bench::new().await;
    let padded = |length: usize| {
        let rest = bench.token(&json!({"x": ""})).len();
        bench.token(&json!({"x": "x".repeat((length - rest) / 4 * 3)}))
    };
    let longest = padded(10_240);
    assert!((10_236..=10_240).contains(&longest.len()));
    bench.passes(&longest).await;
    let long = padded(10_248);
    assert!(long.len() > 10_240);
    assert_eq!(bench.code(&long).await, Some(Code::Malformed));
    let megabytes = unsigned(HEADER, vec![b' '; 8 << 20]);
    assert_eq!(bench.code(&format!("{megabytes}.{}", encode("x"))).await, Some(Code::Malformed));
}

#[tokio::test]
async fn a_token_inside_a_token() {
    let bench = Bench::new().await;
    let inner = bench.token(&json!({}));
    for pair in [rsa(), evil()] {
        let outer = sign(pair, HEADER, &inner);
        assert_eq!(bench.code(&outer).await, Some(Code::Malformed));
    }
}
