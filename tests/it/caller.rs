//! A caller of the API: gets tokens as an application would, and calls with them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tests::Stack;

pub(crate) struct Caller<'a> {
    stack: &'a Stack,
    http: Client,
}

impl<'a> Caller<'a> {
    pub(crate) fn of(stack: &'a Stack) -> Self {
        Self { stack, http: Client::new() }
    }

    /// A token by the client credentials grant, with all scopes of the client.
    pub(crate) async fn token(&self, client: &str) -> String {
        let client = self.stack.client(client);
        let request = self
            .http
            .post(&self.stack.ready.token_endpoint)
            .basic_auth(&client.id, client.secret.as_ref())
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        let answer = answer(request).await;
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// A user's access token by `InitiateAuth`.
    pub(crate) async fn sign_in(&self, username: &str) -> String {
        let users = &self.stack.ready.users;
        let user = users.iter().find(|user| user.username == username).unwrap();
        let request = json!({
            "AuthFlow": "USER_PASSWORD_AUTH",
            "ClientId": self.stack.ready.client_id,
            "AuthParameters": {"USERNAME": user.username, "PASSWORD": user.password},
        });
        let request = self
            .http
            .post(self.endpoint())
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", "AWSCognitoIdentityProviderService.InitiateAuth")
            .body(request.to_string());
        let answer = answer(request).await;
        let token = answer["AuthenticationResult"]["AccessToken"].as_str();
        token.unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    pub(crate) async fn post_to_issuer(&self, path: &str) -> StatusCode {
        self.http.post(format!("{}{path}", self.endpoint())).send().await.unwrap().status()
    }

    pub(crate) async fn key_ids(&self) -> Vec<String> {
        let set = answer(self.http.get(&self.stack.ready.jwks_uri)).await;
        let keys = set["keys"].as_array().unwrap();
        keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    /// The endpoint for AWS's tools: the issuer without its pool.
    fn endpoint(&self) -> &str {
        self.stack.ready.issuer.rsplit_once('/').unwrap().0
    }

    /// Calls the API; `authorization` is the header's whole value.
    pub(crate) async fn call(&self, route: &str, authorization: Option<&str>) -> Response {
        let (method, path) = route.split_once(' ').unwrap();
        let mut request =
            self.http.request(method.parse().unwrap(), format!("{}{path}", self.stack.ready.api));
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn status(&self, route: &str, token: &str) -> u16 {
        self.call(route, Some(&format!("Bearer {token}"))).await.status().as_u16()
    }
}

async fn answer(request: RequestBuilder) -> Value {
    request.send().await.unwrap().json().await.unwrap()
}

/// The header and the payload of a token, unverified.
pub(crate) fn decode(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap_or_default())
            .unwrap_or_default()
    });
    (parts.next().unwrap(), parts.next().unwrap())
}
