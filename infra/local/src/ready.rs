//! The output when everything runs: one line for a program, commands to paste for a person.

use std::fmt;

use serde::Serialize;

use crate::demo;
use crate::issuer;

/// Every address, and the demonstration's callers. Their secrets are public and throwaway.
#[derive(Debug, Clone, Serialize)]
pub struct Ready {
    /// The REST API.
    pub api: String,
    /// The HTTP API, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_api: Option<String>,
    /// The WebSocket API, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub websocket_api: Option<String>,
    /// The `iss` of the issuer's tokens.
    pub issuer: String,
    /// The issuer's key set.
    pub jwks_uri: String,
    /// The token endpoint for clients.
    pub token_endpoint: String,
    /// The table's server, for any DynamoDB client.
    pub dynamodb: String,
    /// The table's name.
    pub table: String,
    /// The clients that get tokens for themselves.
    pub clients: Vec<Client>,
    /// The users.
    pub users: Vec<User>,
    /// The public client that users sign in through.
    pub client_id: String,
    /// The API key that an allowed caller's usage is counted under, where one is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// The process ids of the execution environments.
    pub environments: Vec<u32>,
}

/// A client with a secret.
#[derive(Debug, Clone, Serialize)]
pub struct Client {
    /// The client id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// The scopes of its tokens.
    pub scopes: Vec<String>,
}

/// A user.
#[derive(Debug, Clone, Serialize)]
pub struct User {
    /// The name to sign in with.
    pub username: String,
    /// The password.
    pub password: String,
    /// The groups in the user's tokens.
    pub groups: Vec<String>,
}

impl From<&issuer::AppClient> for Option<Client> {
    fn from(client: &issuer::AppClient) -> Self {
        let secret = client.secret.clone()?;
        Some(Client { id: client.id.clone(), secret, scopes: client.scopes.clone() })
    }
}

impl From<issuer::User> for User {
    fn from(user: issuer::User) -> Self {
        Self { username: user.username, password: user.password, groups: user.groups }
    }
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { api, issuer, dynamodb, table, client_id, .. } = self;
        let pids: Vec<String> = self.environments.iter().map(ToString::to_string).collect();
        writeln!(f, "Tollgate runs on this machine alone; Ctrl-C ends it.\n")?;
        writeln!(f, "  REST API      {api}")?;
        if let Some(api) = &self.http_api {
            writeln!(f, "  HTTP API      {api}")?;
        }
        if let Some(api) = &self.websocket_api {
            writeln!(f, "  WebSocket API {api}")?;
        }
        writeln!(f, "  token issuer  {issuer}")?;
        writeln!(f, "  DynamoDB      {dynamodb}  (table {table})")?;
        writeln!(f, "  authorizer    {} processes: {}\n", pids.len(), pids.join(" "))?;

        writeln!(f, "Callers, all of them throwaway:")?;
        for Client { id, secret, scopes } in &self.clients {
            writeln!(f, "  client {id:<14} secret {secret:<27} {}", scopes.join(" "))?;
        }
        for User { username, password, groups } in &self.users {
            let groups = if groups.is_empty() { "no group".into() } else { groups.join(" ") };
            writeln!(f, "  user   {username:<14} password {password:<25} {groups}")?;
        }
        writeln!(f, "  Users sign in through the client {client_id}, with the AWS CLI say:")?;
        if let Some(User { username, password, .. }) = self.users.first() {
            let endpoint = self.token_endpoint.trim_end_matches("/oauth2/token");
            writeln!(
                f,
                "    aws cognito-idp initiate-auth --endpoint-url {endpoint} --region us-east-1 \
                 --no-sign-request \\\n      --auth-flow USER_PASSWORD_AUTH --client-id {client_id} \
                 --auth-parameters 'USERNAME={username},PASSWORD={password}'"
            )?;
        }
        match self.clients.iter().find(|client| client.id == demo::READER) {
            Some(reader) => write!(f, "\n{}", Commands { api, ready: self, reader }),
            None => Ok(()),
        }
    }
}

/// Commands that show what the API answers.
struct Commands<'a> {
    api: &'a str,
    ready: &'a Ready,
    reader: &'a Client,
}

impl fmt::Display for Commands<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { api, ready: Ready { token_endpoint, .. }, reader: Client { id, secret, .. } } =
            self;
        let token = r#"-H "Authorization: Bearer $TOKEN""#;
        write!(
            f,
            r#"Paste, in another terminal:

  # a token for the client {id}
  TOKEN=$(curl -s -u {id}:{secret} -d grant_type=client_credentials \
    {token_endpoint} | sed 's/.*"access_token":"\([^"]*\)".*/\1/')

  # 200: it may read orders
  curl -i {token} {api}/orders

  # 401: no token
  curl -i {api}/orders; echo

  # 403: it may not delete them
  curl -i -X DELETE {token} {api}/orders/1; echo

  # 429: 20 requests at once are more than its plan allows
  for i in $(seq 20); do curl -s -o /dev/null -w '%{{http_code}} ' {token} {api}/orders; done; echo
"#
        )?;
        if let Some(http) = &self.ready.http_api {
            write!(
                f,
                r#"
  # the HTTP API: 200, 401, 403; the backend answers 429 for it
  curl -i {token} {http}/orders
  curl -i {http}/orders; echo
  curl -i -X DELETE {token} {http}/orders/1; echo
  for i in $(seq 20); do curl -s -o /dev/null -w '%{{http_code}} ' {token} {http}/orders; done; echo
"#
            )?;
        }
        if let Some(socket) = &self.ready.websocket_api {
            let url = socket.replacen("ws://", "http://", 1);
            write!(
                f,
                r#"
  # the WebSocket API: 401, then a connection and a message on it (Node 22 or newer)
  curl -i --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
    -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' {url}/; echo
  TOKEN=$TOKEN node -e 'const s = new WebSocket("{socket}", ["bearer", process.env.TOKEN]);
    s.onopen = () => s.send(JSON.stringify({{ action: "echo" }}));
    s.onmessage = m => {{ console.log(m.data); s.close() }}'
"#
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn ready() -> Ready {
        Ready {
            api: "http://127.0.0.1:1".into(),
            http_api: None,
            websocket_api: None,
            issuer: "http://127.0.0.1:2/pool".into(),
            jwks_uri: "http://127.0.0.1:2/pool/.well-known/jwks.json".into(),
            token_endpoint: "http://127.0.0.1:2/oauth2/token".into(),
            dynamodb: "http://127.0.0.1:3".into(),
            table: "tollgate".into(),
            clients: demo::clients().iter().filter_map(Into::into).collect(),
            users: demo::users().into_iter().map(Into::into).collect(),
            client_id: "orders-web".into(),
            api_key: None,
            environments: vec![11, 12],
        }
    }

    #[test]
    fn a_program_gets_one_line_with_stable_names() {
        let line = serde_json::to_string(&ready()).unwrap();
        assert!(!line.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        let names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = [
            "api",
            "client_id",
            "clients",
            "dynamodb",
            "environments",
            "issuer",
            "jwks_uri",
            "table",
            "token_endpoint",
            "users",
        ];
        assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from(expected));
        // The public client is not among those that have a secret.
        assert_eq!(value["clients"].as_array().unwrap().len(), 2);
        assert_eq!(value["users"][0]["groups"][0], "admins");
    }

    #[test]
    fn a_person_gets_every_address_and_the_commands() {
        let text = ready().to_string();
        for part in [
            "http://127.0.0.1:1\n",
            "http://127.0.0.1:2/pool\n",
            "http://127.0.0.1:3  (table tollgate)",
            "2 processes: 11 12",
            "curl -s -u orders-reader:reader-secret-for-the-demo -d grant_type=client_credentials",
            "curl -i -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:1/orders\n",
            "-w '%{http_code} '",
            "--endpoint-url http://127.0.0.1:2 ",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn further_apis_are_told_where_there_are_any() {
        let mut ready = ready();
        let bare = ready.to_string();
        assert!(!bare.contains("HTTP API") && !bare.contains("WebSocket API"), "{bare}");
        ready.http_api = Some("http://127.0.0.1:4".into());
        ready.websocket_api = Some("ws://127.0.0.1:5".into());
        let text = ready.to_string();
        for part in [
            "  HTTP API      http://127.0.0.1:4\n",
            "  WebSocket API ws://127.0.0.1:5\n",
            "curl -i -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:4/orders\n",
            "new WebSocket(\"ws://127.0.0.1:5\", [\"bearer\", process.env.TOKEN])",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' http://127.0.0.1:5/; echo",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        let line = serde_json::to_value(&ready).unwrap();
        assert_eq!(line["websocket_api"], "ws://127.0.0.1:5");
    }
}
