//! Token issuers on loopback: Cognito user pools and other OpenID Connect issuers.
//!
//! Each signs real RS256 tokens with the claims of its [`Form`]. The `iss` of a token is the
//! issuer's address here, or the one that the options name: a real pool's. Each issuer serves,
//! below `/{pool}`:
//!
//! - `GET /.well-known/jwks.json` and `/.well-known/openid-configuration`;
//! - `POST /oauth2/token`: client credentials, authorization codes with PKCE, refresh tokens; and
//!   `/oauth2/revoke`, `/oauth2/userInfo`;
//! - `GET /oauth2/authorize`, `/login` and `/logout`: signing in in a browser;
//! - `POST /` with a target of `AWSCognitoIdentityProviderService`: signing in by password, SRP or
//!   refresh token, signing up, `GetUser`, `GlobalSignOut` and `RevokeToken`, for the AWS CLI, SDKs
//!   and Amplify;
//! - `GET /local/token?client=…` or `?user=…`: a token as plain text, **not part of Cognito**. It
//!   asks for no secret and no password, so that a command to paste is short;
//! - `POST /local/rotate`, with `?drop=true`: the operator's hand, **not part of Cognito**. New
//!   keys sign from then on; the old ones stay published until the next rotation, or leave at once.
//!
//! The first issuer answers all but the documents at the root too, as the demonstration's pool.
//! Pages of other origins can call everything but `/local`, which also answers to no other `Host`
//! than its own.
//!
//! Not here: other challenges, devices, changes of passwords, and the implicit grant. Passwords and
//! secrets are held as given: this is for demonstration users on one's own machine.

mod account;
mod api;
mod claims;
mod cors;
mod discovery;
mod door;
mod exception;
mod form;
mod hosted;
mod keys;
mod mint;
mod pool;
mod session;
mod sign_in;
mod sign_up;
mod srp;
#[cfg(test)]
mod tests;
mod token;
mod user_info;
mod verify;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use console::Hosts;
use futures_util::future::try_join_all;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use form::Form;
pub(crate) use hosted::is_own;
pub use keys::Retired;
pub(crate) use mint::Mint;
use pool::Pool;
pub use sign_up::CODE;

/// The largest request body that is read, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// The time that open requests have after the issuer is asked to stop.
const GRACE: Duration = Duration::from_millis(500);

/// The issuer's clock, in Unix seconds.
pub type Now = Box<dyn Fn() -> u64 + Send + Sync>;

/// Settings of an issuer.
pub struct Options {
    /// The user pool's id, like `us-east-1_LocalDemo`; the first part of every path.
    pub pool: String,
    /// The `iss` of the tokens; `None`: the address here.
    pub iss: Option<String>,
    /// The form of the tokens.
    pub form: Form,
    /// The app clients; ids are distinct.
    pub clients: Vec<AppClient>,
    /// The users; names are distinct.
    pub users: Vec<User>,
    /// The lifetime of access and ID tokens, in whole seconds.
    pub token_lifetime: Duration,
    /// The clock.
    pub now: Now,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("pool", &self.pool)
            .field("clients", &self.clients)
            .field("users", &self.users)
            .field("token_lifetime", &self.token_lifetime)
            .finish_non_exhaustive()
    }
}

/// An app client of the pool. Debug shows its id and scopes alone.
#[derive(Clone)]
pub struct AppClient {
    /// The client id.
    pub id: String,
    /// Its secret. Only a client with one can have tokens for itself.
    pub secret: Option<String>,
    /// The scopes of tokens for the client itself, such as `orders/read`. Tokens of users lack them.
    pub scopes: Vec<String>,
    /// True if users may sign in through the client without its secret.
    pub is_public: bool,
    /// Extra claims in access tokens, as a pre-token-generation trigger adds them: `custom:plan`.
    pub claims: Map<String, Value>,
}

impl fmt::Debug for AppClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppClient")
            .field("id", &self.id)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// A user of the pool. Debug shows the name and groups alone.
#[derive(Clone)]
pub struct User {
    /// The name to sign in with.
    pub username: String,
    /// The password, as given.
    pub password: String,
    /// The `sub` of the tokens; `None`: a UUID that is made from pool and name.
    pub sub: Option<String>,
    /// The groups, in both tokens.
    pub groups: Vec<String>,
    /// The scopes of access tokens, beside those that every sign-in has.
    pub scopes: Vec<String>,
    /// Extra claims in the ID token: `email`, `custom:*`.
    pub attributes: Map<String, Value>,
    /// Extra claims in access tokens; they override the client's.
    pub claims: Map<String, Value>,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("username", &self.username)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}

/// The tokens of a signed-in user. Debug shows none of them.
#[derive(Clone)]
pub struct Tokens {
    /// The access token, for calling an API.
    pub access: String,
    /// The ID token, which describes the user to the app.
    pub id: String,
    /// The refresh token, valid for 30 days while this issuer runs.
    pub refresh: String,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

/// Errors of starting an issuer or making a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The pool's id is not of Cognito's form.
    #[error("user pool id `{0}` is not of the form `us-east-1_Example`")]
    Pool(String),
    /// Two app clients or two users share a name.
    #[error("`{0}` is defined twice; give each app client and each user a different name")]
    Twice(String),
    /// An extra claim would replace one that tokens have anyway.
    #[error("claim `{claim}` of `{owner}` is set by the issuer itself; leave it out")]
    Claim {
        /// The app client or user.
        owner: String,
        /// The claim's name.
        claim: String,
    },
    /// No app client has this id.
    #[error("there is no app client `{0}`")]
    UnknownClient(String),
    /// No user has this name.
    #[error("there is no user `{0}`")]
    UnknownUser(String),
    /// A user needs an app client to sign in through.
    #[error("there is no app client for `{0}` to sign in through; define one")]
    NoClient(String),
    /// The listener has no address to put into the issuer's URL.
    #[error("the issuer's listener has no address")]
    Listener(#[source] std::io::Error),
    /// The cryptography failed.
    #[error("{0}")]
    Crypto(&'static str),
    /// Claims can't be written as JSON.
    #[error("claims can't be written as JSON")]
    Claims(#[from] serde_json::Error),
}

/// The `iss` of the tokens of a pool that is served at `origin`, a URL without a path.
#[must_use]
pub fn url(origin: &str, pool: &str) -> String {
    format!("{origin}/{pool}")
}

/// Returns the key set's address of an issuer that is served at `url`.
#[must_use]
pub fn jwks_uri(url: &str) -> String {
    format!("{url}/.well-known/jwks.json")
}

/// A running issuer. Dropping it ends it too, without waiting for requests under way.
pub struct Issuer {
    /// Never empty.
    pools: Vec<Arc<Pool>>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Issuer {
    /// Makes the pool's keys and serves it on `listener`, which gives the URL.
    ///
    /// # Errors
    /// Where `options` contradict themselves, or keys can't be made.
    pub async fn start(listener: TcpListener, options: Options) -> Result<Self, Error> {
        Self::start_all(listener, vec![options]).await
    }

    /// The same for several issuers, each with keys of its own, and at least one.
    ///
    /// # Errors
    /// As [`Issuer::start`].
    pub async fn start_all(listener: TcpListener, all: Vec<Options>) -> Result<Self, Error> {
        let address = listener.local_addr().map_err(Error::Listener)?;
        let origin = format!("http://{address}");
        let open = |(at, options)| Pool::open(origin.clone(), at == 0, options);
        let pools = try_join_all(all.into_iter().enumerate().map(open)).await?;
        let pools: Vec<Arc<Pool>> = pools.into_iter().map(Arc::new).collect();
        let mut routes = Router::new();
        for (at, pool) in pools.iter().enumerate() {
            let own = own_routes(&Hosts::new(address.port())).with_state(Arc::clone(pool));
            let known = format!("/{}/.well-known", pool.id);
            let public = Router::new()
                .route(&format!("{known}/jwks.json"), get(discovery::jwks))
                .route(&format!("{known}/openid-configuration"), get(discovery::configuration))
                .layer(from_fn(cors::allow))
                .with_state(Arc::clone(pool));
            if at == 0 {
                routes = routes.merge(own.clone());
            }
            routes = routes.merge(public).nest(&format!("/{}", pool.id), own);
        }
        let routes = routes.layer(DefaultBodyLimit::max(BODY_LIMIT));
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = axum::serve(listener, routes).with_graceful_shutdown(async {
            // A dropped sender ends the issuer like one that speaks.
            drop(stopped.await);
        });
        Ok(Self { pools, stop, server: tokio::spawn(serve.into_future()) })
    }

    /// The first issuer, which is always there.
    fn first(&self) -> Option<&Pool> {
        self.pools.first().map(Arc::as_ref)
    }

    /// The first issuer's `iss`.
    #[must_use]
    pub fn url(&self) -> &str {
        self.first().map_or("", |pool| &pool.issuer)
    }

    /// The address for the AWS CLI and SDKs (`--endpoint-url`).
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.first().map_or("", |pool| &pool.base)
    }

    /// The address of the first issuer's key set.
    #[must_use]
    pub fn jwks_uri(&self) -> String {
        self.first().map(Pool::jwks_uri).unwrap_or_default()
    }

    /// The first issuer's token endpoint for clients.
    #[must_use]
    pub fn token_endpoint(&self) -> String {
        self.first().map(Pool::token_endpoint).unwrap_or_default()
    }

    /// An access token for a client itself, with all its scopes.
    ///
    /// # Errors
    /// [`Error::UnknownClient`]; [`Error::Crypto`] where signing fails.
    pub fn access_token(&self, client_id: &str) -> Result<String, Error> {
        let pool = self.of_client(client_id)?;
        pool.mint(&Mint { client: Some(client_id.to_owned()), ..Mint::default() })
    }

    /// The tokens of a user who signs in through a client, without the password.
    ///
    /// # Errors
    /// [`Error::UnknownClient`], [`Error::UnknownUser`]; [`Error::Crypto`] where signing fails.
    pub fn sign_in(&self, client_id: &str, username: &str) -> Result<Tokens, Error> {
        let pool = self.of_client(client_id)?;
        pool.sign_in(pool.client(client_id)?, &pool.user(username)?)
    }

    /// A token of the issuer at this place in the options, as `/local/token` makes it.
    pub(crate) fn mint(&self, issuer: usize, wanted: &Mint) -> Result<String, Error> {
        let pool = self.pools.get(issuer).ok_or_else(|| Error::Pool(issuer.to_string()))?;
        pool.mint(wanted)
    }

    /// The address below which an issuer gives tokens.
    pub(crate) fn base(&self, issuer: usize) -> &str {
        self.pools.get(issuer).map_or("", |pool| &pool.base)
    }

    /// The first issuer that has this client.
    fn of_client(&self, client_id: &str) -> Result<&Pool, Error> {
        let pool = self.pools.iter().find(|pool| pool.clients.contains_key(client_id));
        pool.map(Arc::as_ref).ok_or_else(|| Error::UnknownClient(client_id.to_owned()))
    }

    /// Makes new keys for every issuer, which sign from now on.
    ///
    /// # Errors
    /// [`Error::Crypto`] where no key can be made; the old ones then go on.
    pub async fn rotate(&self, retired: Retired) -> Result<(), Error> {
        try_join_all(self.pools.iter().map(|pool| pool.rotate(retired))).await.map(drop)
    }

    /// Ends the issuer; requests under way have half a second.
    pub async fn shutdown(self) {
        let Self { stop, mut server, .. } = self;
        // If the server has ended already, there is nothing to stop.
        let _ = stop.send(());
        if timeout(GRACE, &mut server).await.is_err() {
            server.abort();
        }
    }
}

/// The routes of an issuer beside its public documents.
fn own_routes(hosts: &Hosts) -> Router<Arc<Pool>> {
    let open = Router::new()
        .route("/", post(api::answer))
        .route("/oauth2/token", post(token::token))
        .route("/oauth2/revoke", post(user_info::revoke))
        .route("/oauth2/userInfo", get(user_info::user_info).post(user_info::user_info))
        .layer(from_fn(cors::allow));
    // A page of another origin can navigate to these, and read nothing.
    let pages = Router::new()
        .route("/oauth2/authorize", get(hosted::authorize))
        .route("/login", get(hosted::page))
        .route("/logout", get(hosted::logout));
    let closed = Router::new()
        .route("/login", post(hosted::login))
        .route("/local/token", get(mint::token))
        .route("/local/rotate", post(discovery::rotate))
        .layer(from_fn_with_state(hosts.clone(), door::check));
    open.merge(pages).merge(closed)
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("url", &self.url()).finish_non_exhaustive()
    }
}
