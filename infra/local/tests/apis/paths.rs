//! Values of a request in an integration's address: each stays in its place.

use local::gateway::{Address, Integration, Kind, Mapping, Payload, Route};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::api::{Api, policy};

const REST: Kind = Kind::RestToken;
const V2: Kind = Kind::Http(Payload::V2);

/// A service that answers with the target of a request.
async fn service() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 65536];
            let read = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let target = request.split(' ').nth(1).unwrap_or_default();
            let length = target.len();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close");
            let _ = stream.write_all(format!("{head}\r\n\r\n{target}").as_bytes()).await;
        }
    });
    url
}

/// An API with this route, whose integration has an address below `/in` at a service.
async fn api(kind: Kind, route: &str, address: &str, mappings: Vec<Mapping>) -> Api {
    let text = format!("{}{address}", service().await);
    let integration = Integration::Address(Address { text, mappings, ..Address::default() });
    serving(kind, route, integration).await
}

async fn serving(kind: Kind, route: &str, integration: Integration) -> Api {
    Api::start_with(kind, Ok(policy(kind, &[("Allow", "*")])), |options| {
        options.integration = integration;
        options.responses = Some(std::sync::Arc::default());
        options.routes = vec![Route::parse(route).unwrap()];
    })
    .await
}

/// The answer to a path as it is here: other clients resolve it first. A success is its body.
async fn answer(api: &Api, path: &str) -> Result<String, u16> {
    let address = api.gateway.url().replace("http://", "");
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: t");
    stream.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    match head.split(' ').nth(1).unwrap() {
        "200" => Ok(body.to_owned()),
        other => Err(other.parse().unwrap()),
    }
}

/// Endings of a path that lead out of the folder they are in.
const OUT: [&str; 11] = [
    "..",
    ".",
    "..%2fadmin",
    "..%2F..%2Fadmin",
    "%2e%2e",
    "%2e%2e%2fadmin",
    "..%5cadmin",
    "a%2f..%2f..",
    "..;x%2fadmin",
    "..%00",
    "%25252e%25252e",
];

#[tokio::test]
async fn a_parameter_is_one_step_and_a_greedy_one_stays_below_the_prefix() {
    for kind in [REST, V2] {
        let one = api(kind, "GET /a/{id}", "/in/{id}/end", Vec::new()).await;
        let all = api(kind, "GET /a/{id+}", "/in/{id}", Vec::new()).await;
        for path in OUT {
            assert_eq!(answer(&one, &format!("/a/{path}")).await, Err(400), "{kind:?} {path}");
            assert_eq!(answer(&all, &format!("/a/{path}")).await, Err(400), "{kind:?} {path}");
        }
        for path in ["../admin", "b/../../admin", "b/%2e%2e/admin"] {
            assert_eq!(answer(&all, &format!("/a/{path}")).await, Err(400), "{kind:?} {path}");
        }
        assert_eq!(answer(&one, "/a/b%2Fc").await.unwrap(), "/in/b%2Fc/end", "{kind:?}");
        assert_eq!(answer(&one, "/a/b..c%20d").await.unwrap(), "/in/b..c%20d/end", "{kind:?}");
        assert_eq!(answer(&all, "/a/b/c.d").await.unwrap(), "/in/b/c.d", "{kind:?}");
    }
}

#[tokio::test]
async fn parameters_side_by_side_stay_in_their_place_together() {
    for kind in [REST, V2] {
        let beside = api(kind, "GET /c/{a}/{b}", "/in/{a}{b}", Vec::new()).await;
        let dot = api(kind, "GET /c/{a}/{b}", "/in/{a}.{b}", Vec::new()).await;
        assert_eq!(answer(&beside, "/c/x%20/y").await.unwrap(), "/in/x%20y", "{kind:?}");
        assert_eq!(answer(&dot, "/c/x/y").await.unwrap(), "/in/x.y", "{kind:?}");
        for path in ["/c/%2525/2e", "/c/%252/e"] {
            assert_eq!(answer(&beside, path).await, Err(400), "{kind:?} {path}");
        }
        assert_eq!(answer(&dot, "/c/%20/%20").await, Err(400), "{kind:?}");
    }
    let beside = api(REST, "GET /c/{a}/{b}", "/in/{a}{b}", Vec::new()).await;
    for path in ["/c/%2/e%2e%2fadmin", "/c/%/2e", "/c/x%2/e"] {
        assert_eq!(answer(&beside, path).await, Err(400), "{path}");
    }
}

#[tokio::test]
async fn a_mapped_value_stays_in_its_place_too() {
    let from = |from| vec![Mapping::of_rest("integration.request.path.to", from).unwrap()];
    let path = api(REST, "GET /a/{id}", "/in/{to}", from("method.request.path.id")).await;
    let query = from("method.request.querystring.q");
    let query = api(REST, "GET /a", "/in/{to}", query).await;
    for out in OUT {
        assert_eq!(answer(&path, &format!("/a/{out}")).await, Err(400), "{out}");
        assert_eq!(answer(&query, &format!("/a?q={out}")).await, Err(400), "{out}");
    }
    assert_eq!(answer(&query, "/a?q=b/c").await.unwrap(), "/in/b%2Fc?q=b/c");
    let whole = vec![Mapping::of_http("overwrite:path", "/v2${request.path}").unwrap()];
    let whole = api(V2, "$default", "/in", whole).await;
    for path in ["/../admin", "/a/..%2fadmin", "/%2e%2e"] {
        assert_eq!(answer(&whole, path).await, Err(400), "{path}");
    }
    assert_eq!(answer(&whole, "/a/b.c").await.unwrap(), "/v2/a/b.c");
}

#[tokio::test]
async fn a_parameter_adds_no_parameter_to_a_query_and_no_part_to_a_host() {
    let query = api(REST, "GET /a/{id}", "/in?own={id}", Vec::new()).await;
    assert_eq!(answer(&query, "/a/1&role=admin").await.unwrap(), "/in?own=1%26role%3Dadmin");
    let port = service().await.rsplit_once(':').unwrap().1.to_owned();
    let text = format!("http://{{id}}:{port}/in");
    let integration = Integration::Address(Address { text, ..Address::default() });
    let host = serving(REST, "GET /a/{id}", integration).await;
    assert_eq!(answer(&host, "/a/127.0.0.1").await.unwrap(), "/in");
    assert_eq!(answer(&host, "/a/x@127.0.0.1").await, Err(400));
}

#[tokio::test]
async fn an_upstreams_own_path_is_not_left() {
    let url = service().await;
    let below =
        serving(REST, "ANY /{proxy+}", Integration::Http(format!("{url}/in").parse().unwrap()));
    let below = below.await;
    for path in OUT {
        assert_eq!(answer(&below, &format!("/{path}")).await, Err(400), "{path}");
    }
    assert_eq!(answer(&below, "/a/b%20c").await.unwrap(), "/in/a/b%20c");
    // There is nothing above the root.
    let root = serving(REST, "ANY /{proxy+}", Integration::Http(url.parse().unwrap())).await;
    assert_eq!(answer(&root, "/..%2fa").await.unwrap(), "/..%2fa");
}
