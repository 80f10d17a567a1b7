//! The subjects of requests: addresses as they arrive, and names of different sources.
//!
//! Rebuilt from public bug reports: see `tests/cases/throttle` of the repository.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use axum::extract::ConnectInfo;
use http::{HeaderName, HeaderValue, Request};
use tollgate_throttle::layer::{Authorizer, By};
use tower::{Layer, service_fn};

use crate::setting::{Setting, answer, client, yes};

/// The subject of a request, and the status of its response.
async fn told(by: &By, request: Request<String>) -> (Option<String>, u16) {
    let setting = Setting::burst(1);
    let told = Arc::new(Mutex::new(None));
    let tell = Arc::clone(&told);
    let limits = setting.limits_by(by.clone()).report(move |report| {
        *tell.lock().unwrap() = report.subject().map(|subject| subject.as_str().to_owned());
    });
    let status = answer(&limits.layer(service_fn(yes)), request).await.status().as_u16();
    (told.lock().unwrap().take(), status)
}

async fn subject(by: &By, request: Request<String>) -> Option<String> {
    told(by, request).await.0
}

/// A request with these lines of a header.
fn lines(name: &'static str, lines: &[&[u8]]) -> Request<String> {
    let mut request = Request::new(String::new());
    for line in lines {
        request.headers_mut().append(name, HeaderValue::from_bytes(line).unwrap());
    }
    request
}

async fn forwarded(by: &By, hops: &[&[u8]]) -> Option<String> {
    subject(by, lines("x-forwarded-for", hops)).await
}

fn proxies(count: usize) -> By {
    By::forwarded_for(NonZeroUsize::new(count).unwrap())
}

#[tokio::test]
async fn a_port_is_no_part_of_an_address() {
    for hop in [&b"203.0.113.9:51234"[..], b"203.0.113.9", b"1.1.1.1,  203.0.113.9:1 "] {
        assert_eq!(forwarded(&proxies(1), &[hop]).await.as_deref(), Some("address-203.0.113.9"));
    }
}

#[tokio::test]
async fn brackets_and_a_port_are_no_part_of_an_address() {
    for hop in [&b"[2001:db8:1:2::3]:443"[..], b"[2001:db8:1:2::3]", b"2001:db8:1:2::3"] {
        let subject = forwarded(&proxies(1), &[hop]).await;
        assert_eq!(subject.as_deref(), Some("address-2001:db8:1:2::/64"));
    }
}

#[tokio::test]
async fn bytes_of_the_callers_do_not_hide_the_proxys_hop() {
    for by in [proxies(1), proxies(1).or_anonymous()] {
        let subject = forwarded(&by, &[b"\xff, 203.0.113.9"]).await;
        assert_eq!(subject.as_deref(), Some("address-203.0.113.9"));
    }
}

#[tokio::test]
async fn a_line_that_can_not_be_read_is_not_skipped() {
    let hops: [&[u8]; 2] = [b"198.51.100.66", b"\xff, 203.0.113.9"];
    assert_eq!(forwarded(&proxies(1), &hops).await.as_deref(), Some("address-203.0.113.9"));
    // The second hop from the right is the caller's: nothing to the left of it may take its place.
    assert_eq!(forwarded(&proxies(2), &hops).await, None);
    assert_eq!(forwarded(&proxies(3), &hops).await, None);
    assert_eq!(forwarded(&proxies(2).or_anonymous(), &hops).await.as_deref(), Some("anonymous"));
}

#[tokio::test]
async fn a_hop_that_is_not_an_address_ends_the_search() {
    for hop in [
        &b"unknown"[..],
        b"",
        b"203.0.113.9,",
        b"203.0.113.9 ,, 203.0.113",
        b"\"[2001:db8::1]\"",
        b"fe80::1%eth0",
        b"_hidden",
    ] {
        let hops: [&[u8]; 2] = [b"198.51.100.66", hop];
        for count in [1, 2] {
            let (subject, status) = told(&proxies(count), lines("x-forwarded-for", &hops)).await;
            assert_eq!((subject, status), (None, 403), "{}", hop.escape_ascii());
        }
    }
}

#[tokio::test]
async fn an_address_in_a_header_stands_there_alone() {
    let by = By::address_header(HeaderName::from_static("x-real-ip"));
    let find = async |values: &[&[u8]]| subject(&by, lines("x-real-ip", values)).await;
    for (value, expected) in [
        (&b"203.0.113.9"[..], "address-203.0.113.9"),
        (b"203.0.113.9:443", "address-203.0.113.9"),
        (b"[2001:db8:1:2::3]:443", "address-2001:db8:1:2::/64"),
        (b"::ffff:203.0.113.9", "address-203.0.113.9"),
    ] {
        assert_eq!(find(&[value]).await.as_deref(), Some(expected));
    }
    let malformed: [&[&[u8]]; 6] = [
        &[],
        &[b""],
        &[b"198.51.100.66, 203.0.113.9"],
        &[b"198.51.100.66", b"203.0.113.9"],
        &[b"\xff"],
        &[b"maria"],
    ];
    for values in malformed {
        assert_eq!(find(values).await, None, "{values:?}");
    }
}

fn peer() -> By {
    By::peer_address(|peer: &ConnectInfo<SocketAddr>| peer.0.ip())
}

fn from(address: &str) -> Request<String> {
    let mut request = Request::new(String::new());
    request.extensions_mut().insert(ConnectInfo::<SocketAddr>(address.parse().unwrap()));
    request
}

#[tokio::test]
async fn one_network_is_one_caller() {
    let setting = Setting::burst(2);
    let service = setting.limits_by(peer()).layer(service_fn(yes));
    let mut through = 0;
    for host in 0..100 {
        let response = answer(&service, from(&format!("[2001:db8::{host:x}]:9"))).await;
        through += u32::from(response.status() == 200);
    }
    assert_eq!(through, 2, "of one /64");
    assert_eq!(answer(&service, from("[2001:db8:0:1::]:9")).await.status(), 200);
}

#[tokio::test]
async fn the_size_of_a_network_is_an_option() {
    for (by, expected) in [
        (peer(), "address-2001:db8:1:2ff::/64"),
        (peer().ipv6_prefix(56), "address-2001:db8:1:200::/56"),
        (peer().ipv6_prefix(128), "address-2001:db8:1:2ff::3/128"),
        (client().or(peer()).ipv6_prefix(48), "address-2001:db8:1::/48"),
        (client().or(peer().ipv6_prefix(56)).ipv6_prefix(48), "address-2001:db8:1:200::/56"),
    ] {
        let request = from("[2001:db8:1:2ff::3]:9");
        assert_eq!(subject(&by, request).await.as_deref(), Some(expected));
        let request = from("[::ffff:192.0.2.1]:9");
        assert_eq!(subject(&by, request).await.as_deref(), Some("address-192.0.2.1"));
    }
    assert_eq!(subject(&peer(), Request::new(String::new())).await, None);
}

#[derive(Clone)]
struct User(&'static str);

fn user() -> By {
    By::extension(|user: &User| user.0)
}

/// The status of a request from an address, after one of this user, with one token for each.
async fn second(by: By, name: &'static str) -> u16 {
    let setting = Setting::burst(1);
    let service = setting.limits_by(by).layer(service_fn(yes));
    let mut first = lines("x-forwarded-for", &[b"203.0.113.1"]);
    first.extensions_mut().insert(User(name));
    answer(&service, first).await;
    answer(&service, lines("x-forwarded-for", &[b"198.51.100.7"])).await.status().as_u16()
}

#[tokio::test]
async fn a_users_name_is_no_address() {
    assert_eq!(second(user().or(proxies(1)), "address-198.51.100.7").await, 200);
}

#[tokio::test]
async fn a_users_name_is_not_anonymous() {
    assert_eq!(second(user().or_anonymous(), "anonymous").await, 200);
}

const KEY: &str = "key-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn only_names_that_collide_are_escaped() {
    let issuer = "https://issuer.example";
    let alone = client();
    let chained = client().or(By::authorizer(Authorizer::headers("x-a-"), "sub").of_issuer(issuer));
    let of_issuer = format!("{issuer}#maria");
    let names = [
        ("anonymous", true),
        ("~anonymous", true),
        ("~~anonymous", true),
        ("address-198.51.100.7", true),
        ("address-2001:db8::/64", true),
        ("address-2001:db8::1/128", true),
        ("~address-2001:db8::/64", true),
        (KEY, true),
        ("everyone", true),
        ("#", true),
        ("#tenant#acme", true),
        ("~#tenant#acme", true),
        ("everyone-1", false),
        ("tenant#acme", false),
        ("maria", false),
        ("~maria", false),
        ("~", false),
        ("Anonymous", false),
        ("anonymous-1", false),
        ("address-", false),
        ("address-book", false),
        ("address-198.51.100.7/32", false),
        ("key-", false),
        ("key-0123", false),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for (name, escaped) in names {
        let expected = if escaped { format!("~{name}") } else { name.to_owned() };
        for by in [&alone, &chained] {
            let found = subject(by, lines("x-client", &[name.as_bytes()])).await;
            assert_eq!(found.as_deref(), Some(expected.as_str()));
        }
        assert!(seen.insert(expected), "two names became one");
    }
    // What an issuer stands in front of collides only where another source has that issuer.
    let with = || lines("x-client", &[of_issuer.as_bytes()]);
    assert_eq!(subject(&alone, with()).await.as_deref(), Some(of_issuer.as_str()));
    assert_eq!(subject(&chained, with()).await, Some(format!("~{of_issuer}")));
    let mut claimed = Request::new(String::new());
    claimed.headers_mut().insert("x-a-sub", HeaderValue::from_static("maria"));
    assert_eq!(subject(&chained, claimed).await, Some(of_issuer));
}

#[tokio::test]
async fn an_authorizers_names_stay_as_it_counts_them() {
    let issuer = "https://issuer.example";
    let authorizer = |name| By::authorizer(Authorizer::headers("x-a-"), name);
    let find = async |by: &By, name: &'static str, value: &str| {
        subject(by, lines(name, &[value.as_bytes()])).await.unwrap()
    };
    let buckets = authorizer("subject").or(authorizer("sub").of_issuer(issuer)).or_anonymous();
    // The name of a bucket, of a key or of a token.
    assert_eq!(find(&buckets, "x-a-subject", KEY).await, KEY);
    let of_issuer = format!("{issuer}#maria");
    assert_eq!(find(&buckets, "x-a-subject", &of_issuer).await, of_issuer);
    assert_eq!(find(&buckets, "x-a-subject", "anonymous").await, "~anonymous");
    // A claim with an issuer in front is no other name.
    let claim = authorizer("sub").of_issuer(issuer);
    for name in ["anonymous", "address-198.51.100.7", KEY, "~anonymous"] {
        assert_eq!(find(&claim, "x-a-sub", name).await, format!("{issuer}#{name}"));
    }
    // Two sources behind one issuer are still two.
    let both = authorizer("sub").or_anonymous().of_issuer(issuer);
    assert_eq!(find(&both, "x-a-sub", "anonymous").await, format!("{issuer}#~anonymous"));
    assert_eq!(find(&both, "x-other", "").await, format!("{issuer}#anonymous"));
}

#[tokio::test]
async fn a_context_that_can_not_be_read_is_not_absent() {
    let by = By::authorizer(Authorizer::headers("x-a-"), "sub");
    let values: [&[&[u8]]; 2] = [&[b"maria", b"paul"], &[b"mar\xc3\xada"]];
    for values in values {
        assert_eq!(told(&by, lines("x-a-sub", values)).await, (None, 403));
    }
    // What the authorizer counted is counted again rather than believed.
    for (name, value) in [("x-a-remaining", &b"9\xff"[..]), ("x-a-throttled", b"\xff")] {
        let setting = Setting::burst(1);
        let limits = setting.limits().counted_by(Authorizer::headers("x-a-"));
        let service = limits.layer(service_fn(yes));
        let mut request = lines("x-client", &[b"maria"]);
        request.headers_mut().insert("x-a-remaining", HeaderValue::from_static("9"));
        request.headers_mut().insert(name, HeaderValue::from_bytes(value).unwrap());
        assert_eq!(answer(&service, request).await.status(), 200);
        assert!(!setting.ask("maria").await.is_allowed(), "{name}");
    }
}
