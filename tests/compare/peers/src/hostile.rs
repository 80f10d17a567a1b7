//! Tokens that must be refused: each would pass but for one thing.
//!
//! All but the forged ones are signed by the genuine key, so that only what they say can refuse
//! them. A name tells what is wrong.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA512, RSA_PSS_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::issuer::{CLIENT, HEADER, ISSUER, Issuer, encode};

/// A token and what is wrong with it.
pub(crate) type Hostile = (String, String);

/// All of them, at least a hundred.
pub(crate) fn all(issuer: &Issuer) -> Vec<Hostile> {
    let mut tokens = Vec::new();
    algorithms(issuer, &mut tokens);
    macs(issuer, &mut tokens);
    headers(issuer, &mut tokens);
    times(issuer, &mut tokens);
    identities(issuer, &mut tokens);
    texts(issuer, &mut tokens);
    forgeries(issuer, &mut tokens);
    tokens
}

fn algorithms(issuer: &Issuer, tokens: &mut Vec<Hostile>) {
    for alg in ["none", "None", "NONE", "nOnE", "", "none ", "rs256", "RS256 ", "RS256\u{0}"] {
        let header = json!({"kid": "genuine", "alg": alg}).to_string();
        let signed = issuer.unsigned(&header, &issuer.payload(&json!({})));
        tokens.push((format!("alg {alg:?}, no signature"), format!("{signed}.")));
        let signed = issuer.sign(&header, &issuer.payload(&json!({})));
        tokens.push((format!("alg {alg:?}, signed"), signed));
    }
    for (name, header) in [
        ("missing", json!({"kid": "genuine"})),
        ("null", json!({"kid": "genuine", "alg": null})),
        ("a list", json!({"kid": "genuine", "alg": ["RS256"]})),
        ("a number", json!({"kid": "genuine", "alg": 256})),
        ("ES256", json!({"kid": "genuine", "alg": "ES256"})),
        ("EdDSA", json!({"kid": "genuine", "alg": "EdDSA"})),
    ] {
        let token = issuer.sign(&header.to_string(), &issuer.payload(&json!({})));
        tokens.push((format!("alg {name}"), token));
    }
    for (name, alg, with) in [
        ("PS256", "PS256", &RSA_PSS_SHA256),
        ("RS512", "RS512", &RSA_PKCS1_SHA512),
        ("PS256 called RS256", "RS256", &RSA_PSS_SHA256),
        ("RS512 called RS256", "RS256", &RSA_PKCS1_SHA512),
    ] {
        let header = json!({"kid": "genuine", "alg": alg}).to_string();
        let signed = issuer.unsigned(&header, &issuer.payload(&json!({})));
        let signature = issuer.signature(with, &signed);
        tokens.push((format!("alg {name}"), format!("{signed}.{}", encode(signature))));
    }
}

/// MACs, with what everybody knows as the secret.
fn macs(issuer: &Issuer, tokens: &mut Vec<Hostile>) {
    let public = issuer.genuine.public_key();
    let der: Result<PublicKeyX509Der<'_>, _> = public.as_der();
    let der = der.map(|der| der.as_ref().to_vec()).unwrap_or_default();
    let pem = STANDARD.encode(&der);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n");
    let jwk = issuer.set()["keys"][0].to_string();
    for (name, secret) in
        [("DER", der), ("PEM", pem.into_bytes()), ("JWK", jwk.into_bytes()), ("empty", Vec::new())]
    {
        for alg in ["HS256", "RS256"] {
            let header = json!({"kid": "genuine", "alg": alg}).to_string();
            let signed = issuer.unsigned(&header, &issuer.payload(&json!({})));
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
            tokens.push((
                format!("HMAC by the public key's {name}, called {alg}"),
                format!("{signed}.{}", encode(tag.as_ref())),
            ));
        }
    }
}

fn headers(issuer: &Issuer, tokens: &mut Vec<Hostile>) {
    for (name, more) in [
        ("jwk", json!({"jwk": issuer.set()["keys"][0]})),
        ("jku", json!({"jku": "https://evil.example/keys"})),
        ("x5u", json!({"x5u": "https://evil.example/chain"})),
        ("x5c", json!({"x5c": ["MIIB"]})),
        ("crit, empty", json!({"crit": []})),
        ("crit of exp", json!({"crit": ["exp"], "exp": 1})),
        ("crit of b64", json!({"crit": ["b64"], "b64": false})),
        ("b64 false", json!({"b64": false})),
        ("zip", json!({"zip": "DEF"})),
        ("enc", json!({"enc": "A256GCM"})),
        ("cty JWT", json!({"cty": "JWT"})),
        ("typ of a logout token", json!({"typ": "logout+jwt"})),
        ("typ of a proof of possession", json!({"typ": "dpop+jwt"})),
        ("typ of a security event", json!({"typ": "secevent+jwt"})),
        ("typ null", json!({"typ": null})),
        ("typ a list", json!({"typ": ["JWT"]})),
        ("kid missing", json!({"kid": null})),
        ("kid empty", json!({"kid": ""})),
        ("kid a number", json!({"kid": 0})),
        ("kid a list", json!({"kid": ["genuine"]})),
        ("kid in capitals", json!({"kid": "GENUINE"})),
        ("kid with a NUL", json!({"kid": "genuine\u{0}"})),
        ("kid a path", json!({"kid": "../../../dev/null"})),
        ("kid of SQL", json!({"kid": "genuine' OR '1'='1"})),
    ] {
        let mut header = json!({"kid": "genuine", "alg": "RS256"});
        merge(&mut header, &more);
        let token = issuer.sign(&header.to_string(), &issuer.payload(&json!({})));
        tokens.push((format!("header: {name}"), token));
    }
    for (name, header) in [
        ("alg twice, none first", r#"{"kid":"genuine","alg":"none","alg":"RS256"}"#),
        ("alg twice, escaped", r#"{"kid":"genuine","\u0061lg":"none","alg":"RS256"}"#),
        ("kid twice", r#"{"kid":"other","kid":"genuine","alg":"RS256"}"#),
        ("text after it", r#"{"kid":"genuine","alg":"RS256"}{}"#),
        ("a byte order mark", "\u{feff}{\"kid\":\"genuine\",\"alg\":\"RS256\"}"),
    ] {
        let token = issuer.sign(header, &issuer.payload(&json!({})));
        tokens.push((format!("header: {name}"), token));
    }
}

fn times(issuer: &Issuer, tokens: &mut Vec<Hostile>) {
    let now = issuer.now;
    for (name, changes) in [
        ("exp missing", json!({"exp": null})),
        ("exp now", json!({"exp": now})),
        ("exp ten seconds ago", json!({"exp": now - 10})),
        ("exp an hour ago", json!({"exp": now - 3_600})),
        ("exp zero", json!({"exp": 0})),
        ("exp below zero", json!({"exp": -1})),
        ("exp a text", json!({"exp": (now + 3_600).to_string()})),
        ("exp true", json!({"exp": true})),
        ("exp a list", json!({"exp": [now + 3_600]})),
        ("exp an object", json!({"exp": {}})),
        ("nbf in an hour", json!({"nbf": now + 3_600})),
        ("nbf in half a minute", json!({"nbf": now + 30})),
        ("nbf a text", json!({"nbf": "0"})),
        ("iat in an hour", json!({"iat": now + 3_600})),
        ("iat a text", json!({"iat": "0"})),
        ("iat below zero", json!({"iat": -1})),
    ] {
        tokens.push((name.to_owned(), issuer.token(&changes)));
    }
    for (name, exp) in [
        ("1e19", "1e19".to_owned()),
        ("1e300", "1e300".to_owned()),
        ("above 64 bits", "18446744073709551616".to_owned()),
        ("null", "null".to_owned()),
        ("a fraction that is past", format!("{}.5", now - 10)),
    ] {
        let payload = issuer.payload(&json!({"exp": null}));
        let payload = format!("{{\"exp\":{exp},{}", payload.trim_start_matches('{'));
        tokens.push((format!("exp {name}"), issuer.sign(HEADER, &payload)));
    }
}

fn identities(issuer: &Issuer, tokens: &mut Vec<Hostile>) {
    let iss = ISSUER;
    let others = [
        ("missing", Value::Null),
        ("empty", json!("")),
        ("with a slash", json!(format!("{iss}/"))),
        ("as a prefix", json!(format!("{iss}.evil.example"))),
        ("as userinfo", json!(format!("{iss}@evil.example"))),
        ("in capitals", json!(iss.to_uppercase())),
        ("with a blank", json!(format!("{iss} "))),
        ("without its end", json!(iss.trim_end_matches('F'))),
        ("over http", json!(iss.replace("https", "http"))),
        ("in a list", json!([iss])),
        ("first of a list", json!([iss, "https://evil.example"])),
        ("last of a list", json!(["https://evil.example", iss])),
        ("a number", json!(1)),
        ("another pool", json!(iss.replace("DEF", "XYZ"))),
    ];
    for (name, other) in others {
        tokens.push((format!("iss {name}"), issuer.token(&json!({"iss": other}))));
    }
    for (name, changes) in [
        ("client_id of another", json!({"client_id": "other"})),
        ("client_id missing", json!({"client_id": null})),
        ("client_id a list", json!({"client_id": [CLIENT]})),
        ("client_id in capitals", json!({"client_id": CLIENT.to_uppercase()})),
        ("client_id of another, aud ours", json!({"client_id": "other", "aud": CLIENT})),
        ("aud of another API", json!({"aud": "https://other.example"})),
        ("token_use id", json!({"token_use": "id"})),
        ("token_use id, aud ours", json!({"token_use": "id", "aud": CLIENT})),
        ("token_use missing", json!({"token_use": null})),
        ("token_use a list", json!({"token_use": ["access"]})),
        ("sub missing", json!({"sub": null})),
        ("sub a number", json!({"sub": 1})),
        ("sub with a NUL", json!({"sub": "a\u{0}b"})),
        ("cnf, bound to a key", json!({"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}})),
    ] {
        tokens.push((name.to_owned(), issuer.token(&changes)));
    }
}

fn texts(issuer: &Issuer, tokens: &mut Vec<Hostile>) {
    let good = issuer.token(&json!({}));
    let payload = issuer.payload(&json!({}));
    let (signed, signature) = good.rsplit_once('.').unwrap_or_default();
    let (header, body) = signed.split_once('.').unwrap_or_default();
    for (name, token) in [
        ("two parts", signed.to_owned()),
        ("four parts", format!("{good}.{signature}")),
        ("five parts", format!("{good}.{signature}.{signature}")),
        ("a dot at the end", format!("{good}.")),
        ("a dot at the start", format!(".{good}")),
        ("no signature", format!("{signed}.")),
        ("padded signature", format!("{good}==")),
        ("padded header", format!("{header}=.{body}.{signature}")),
        ("a blank at the end", format!("{good} ")),
        ("a line break in it", format!("{signed}\n.{signature}")),
        ("a NUL at the end", format!("{good}\0")),
        ("another spelling of the signature", respelt(&good)),
        ("JSON serialization", json!({"protected": header, "payload": body, "signature": signature}).to_string()),
        ("a token in a token", issuer.sign(HEADER, &good)),
    ] {
        tokens.push((format!("text: {name}"), token));
    }
    let rest = payload.trim_start_matches('{');
    for (name, payload) in [
        ("sub twice", format!("{{\"sub\":\"admin\",{rest}")),
        ("sub twice, escaped", format!("{{\"\\u0073ub\":\"admin\",{rest}")),
        ("iss twice", format!("{{\"iss\":\"https://evil.example\",{rest}")),
        ("exp twice", format!("{{\"exp\":1,{rest}")),
        ("a member twice, nested", format!("{{\"x\":[{{\"a\":1,\"a\":2}}],{rest}")),
        ("text after it", format!("{payload}{{}}")),
        ("a byte order mark", format!("\u{feff}{payload}")),
        ("in a list", format!("[{payload}]")),
        ("null", "null".to_owned()),
        ("lone surrogate", format!("{{\"x\":\"\\ud800\",{rest}")),
        ("a hundred levels deep", format!("{{\"x\":{}1{},{rest}", "[".repeat(100), "]".repeat(100))),
    ] {
        tokens.push((format!("payload: {name}"), issuer.sign(HEADER, &payload)));
    }
    let long = issuer.token(&json!({"x": "x".repeat(60_000)}));
    tokens.push(("text: 80 kB".to_owned(), long));
}

fn forgeries(issuer: &Issuer, tokens: &mut Vec<Hostile>) {
    let good = issuer.token(&json!({}));
    let (signed, signature) = good.rsplit_once('.').unwrap_or_default();
    let other = issuer.unsigned(HEADER, &issuer.payload(&json!({"sub": "admin"})));
    tokens.push(("another payload under a signature".to_owned(), format!("{other}.{signature}")));
    tokens.push(("a signature of zeros".to_owned(), format!("{signed}.{}", encode([0_u8; 256]))));
    tokens.push(("a short signature".to_owned(), format!("{signed}.{}", encode([1_u8]))));
    let forged = issuer.forge(&issuer.payload(&json!({})));
    tokens.push(("another key under the same kid".to_owned(), forged));
}

/// The same signature with another last character, whose low bits mean nothing.
fn respelt(token: &str) -> String {
    let mut characters: Vec<char> = token.chars().collect();
    if let Some(last) = characters.last_mut() {
        // The last of 342 characters holds two bits; `A` and `B` differ in another.
        *last = char::from_u32(u32::from(*last) + 1).unwrap_or('B');
    }
    characters.into_iter().collect()
}

fn merge(value: &mut Value, more: &Value) {
    let (Some(value), Some(more)) = (value.as_object_mut(), more.as_object()) else { return };
    for (name, member) in more {
        if name == "kid" && member.is_null() {
            value.remove(name);
        } else {
            value.insert(name.clone(), member.clone());
        }
    }
}
