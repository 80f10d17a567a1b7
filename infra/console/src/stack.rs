//! The stack of `local` around a console, and the tokens of its callers.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use http::Method;
use serde::Serialize;
use throttle::SystemClock;
use tokio::sync::Mutex;

use crate::live::Live;
use crate::problem::Problem;

mod fetch;

pub(crate) use fetch::Answer;
use fetch::Fetch;

/// Switches the table off (false) or on (true).
pub type Switch =
    Arc<dyn Fn(bool) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// The stack of `local` around a console.
pub struct Local {
    /// The latest requests.
    pub live: Live,
    /// The APIs.
    pub apis: Vec<Address>,
    /// Addresses below which each issuer has `token` and `rotate`, by its name.
    pub issuers: BTreeMap<String, String>,
    /// The callers.
    pub callers: Vec<Caller>,
    /// The key that each request must bring in `x-api-key`.
    pub api_key: Option<String>,
    /// Switches the table off and on.
    pub switch: Switch,
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("apis", &self.apis).finish_non_exhaustive()
    }
}

/// An API of the stack.
#[derive(Clone, Debug, Serialize)]
pub struct Address {
    /// Its kind, such as `REST API`; of several also its name.
    pub name: String,
    /// Its address, without a slash at the end.
    pub url: String,
    /// True for a REST API, whose configuration is the first.
    #[serde(skip)]
    pub is_rest: bool,
}

/// A client or a user of an issuer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Caller {
    /// `client` or `user`.
    pub kind: &'static str,
    /// The client id or user name.
    pub name: String,
    /// The issuer's name.
    pub issuer: String,
    /// Its scopes or groups.
    pub grants: Vec<String>,
}

/// The stack with the tokens that were taken for its callers.
pub(crate) struct Trial {
    pub(crate) local: Local,
    pub(crate) tokens: Mutex<BTreeMap<usize, String>>,
    pub(crate) is_table_there: AtomicBool,
    pub(crate) fetch: Fetch,
    pub(crate) clock: SystemClock,
}

impl Trial {
    pub(crate) fn new(local: Local) -> Self {
        Self {
            local,
            tokens: Mutex::default(),
            is_table_there: AtomicBool::new(true),
            fetch: Fetch::new(),
            clock: SystemClock::new(),
        }
    }

    pub(crate) fn caller(&self, at: usize) -> Result<&Caller, Problem> {
        self.local
            .callers
            .get(at)
            .ok_or_else(|| Problem::wrong("there is no such caller: load the page again"))
    }

    /// The address of a caller's tokens.
    pub(crate) fn token_url(&self, caller: &Caller) -> Result<String, Problem> {
        let base = self.local.issuers.get(&caller.issuer);
        let base =
            base.ok_or_else(|| Problem::wrong("there is no such issuer: load the page again"))?;
        Ok(format!("{base}/token?{}={}", caller.kind, encoded(&caller.name)))
    }

    /// The token of a caller, the same for each request until a new one is asked for.
    pub(crate) async fn token(&self, at: usize) -> Result<String, Problem> {
        let mut tokens = self.tokens.lock().await;
        if let Some(token) = tokens.get(&at) {
            return Ok(token.clone());
        }
        let url = self.token_url(self.caller(at)?)?;
        let answer = self.fetch.send(Method::GET, &url, &[]).await?;
        if answer.status != 200 {
            return Err(Problem::wrong(format!("the issuer: {}", answer.body.trim())));
        }
        let token = answer.body.trim().to_owned();
        tokens.insert(at, token.clone());
        Ok(token)
    }
}

/// Percent-encodes a query's value.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let encode = |byte: u8| {
        if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(encode).collect()
}
