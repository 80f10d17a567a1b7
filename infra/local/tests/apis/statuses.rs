//! Statuses that do not end a request, wherever they come from.

use local::gateway::{
    Address, Expression, GatewayResponse, Integration, IntegrationResponse, Kind, Payload,
    Templates,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::api::{Api, is, policy, seen};

const REST: Kind = Kind::RestToken;
const V2: Kind = Kind::Http(Payload::V2);
const FAILED: &str = r#"{"message": "Internal server error"}"#;

/// A service that answers each connection with this status line.
async fn service(line: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let answer = format!("HTTP/1.1 {line}\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

async fn api(kind: Kind, integration: Integration) -> Api {
    Api::start_with(kind, Ok(policy(kind, &[("Allow", "*")])), |options| {
        options.integration = integration;
    })
    .await
}

/// A MOCK that answers this status.
fn mock(status: u16) -> Integration {
    let json = |text| vec![("application/json".to_owned(), Expression::text(text))];
    let response =
        IntegrationResponse { status: Some(status), bodies: json("own"), ..Default::default() };
    let requests = json(r#"{"statusCode": 200}"#);
    Integration::Mock(Templates { requests, responses: vec![response], ..Templates::default() })
}

/// The status line of an answer: a client of its own would take 101 for an upgrade.
async fn status_line(api: &Api) -> String {
    let address = api.gateway.url().replace("http://", "");
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let request = format!(
        "GET /a HTTP/1.1\r\nhost: {address}\r\nauthorization: t\r\nconnection: upgrade, close\r\n\
         upgrade: other\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap().lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_service_that_answers_no_final_status_is_a_failed_integration() {
    for line in ["101 Switching Protocols\r\nupgrade: other", "600 Odd", "999 Odd"] {
        let url = service(line).await;
        let address = Address { text: url.clone(), ..Address::default() };
        for (kind, expected) in
            [(REST, "HTTP/1.1 502 Bad Gateway"), (V2, "HTTP/1.1 500 Internal Server Error")]
        {
            for integration in
                [Integration::Http(url.parse().unwrap()), Integration::Address(address.clone())]
            {
                let api = api(kind, integration).await;
                assert_eq!(status_line(&api).await, expected, "{line}");
            }
        }
    }
    let url = service("200 OK\r\ncontent-length: 0").await;
    let api = api(REST, Integration::Http(url.parse().unwrap())).await;
    assert_eq!(status_line(&api).await, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_mock_that_answers_no_final_status_has_failed() {
    for status in [42, 101, 199, 600, 1000] {
        let api = api(REST, mock(status)).await;
        assert_eq!(status_line(&api).await, "HTTP/1.1 502 Bad Gateway", "{status}");
        assert_eq!(seen(api.call("GET /a").await).await, is(502, FAILED), "{status}");
    }
    let api = api(REST, mock(599)).await;
    assert_eq!(seen(api.call("GET /a").await).await, is(599, "own"));
}

#[tokio::test]
async fn a_gateway_response_keeps_its_types_status_in_place_of_one_that_is_not_final() {
    for status in [101, 199, 600] {
        let response = GatewayResponse { status: Some(status), ..GatewayResponse::default() };
        let responses = [("ACCESS_DENIED".to_owned(), response)].into();
        let api = Api::start_with(REST, Ok(policy(REST, &[("Deny", "*")])), |options| {
            options.responses = Some(std::sync::Arc::new(responses));
            options.routes = local::gateway::Route::everything();
        })
        .await;
        assert_eq!(status_line(&api).await, "HTTP/1.1 403 Forbidden", "{status}");
    }
}
