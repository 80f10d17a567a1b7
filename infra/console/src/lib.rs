#![doc = include_str!("../README.md")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use authorizer::Config;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

mod assets;
mod change;
mod family;
mod guard;
mod levels;
mod lists;
mod live;
mod one_subject;
mod permission;
mod problem;
mod requests;
mod rules;
mod search;
mod stack;
mod state;
mod stream;
mod subject;
mod table_at;
mod trial;

pub use guard::{COOKIE, Hosts, Stranger};
pub use levels::{Level, Levels};
pub use live::{Decider, Detail, Live, Request};
pub use stack::{Address, Caller, Local, Switch};
pub use table_at::TableAt;

use guard::Guard;
use state::State;

/// The largest request body, in bytes: an edited configuration.
const MAX_BODY: usize = 512 * 1024;

/// Settings of a console.
pub struct Options {
    /// The table.
    pub at: TableAt,
    /// The configurations: the first is shown, the last is that of HTTP and WebSocket APIs.
    pub sources: Vec<Source>,
    /// True to allow changes of the table.
    pub writes: bool,
    /// The stack of `local` around it, if there is one.
    pub local: Option<Local>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("at", &self.at)
            .field("writes", &self.writes)
            .finish_non_exhaustive()
    }
}

/// A configuration of the authorizer.
#[derive(Debug)]
pub struct Source {
    /// Its file, for messages and commands.
    pub place: String,
    /// Its text.
    pub text: String,
    /// Its meaning.
    pub config: Config,
}

/// A running console. Dropping it ends it.
#[derive(Debug)]
pub struct Console {
    url: String,
    server: JoinHandle<()>,
}

impl Console {
    /// Serves the console on `listener` until it is shut down or dropped.
    ///
    /// # Errors
    /// The listener has no address.
    pub fn start(listener: TcpListener, options: Options) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let guard = Arc::new(Guard::new(address.port()));
        let url = format!("http://{address}{}", guard.path());
        let routes = routes(Arc::new(State::new(options)), guard);
        let server = tokio::spawn(async move {
            // It ends with an error only if the listener does.
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { url, server })
    }

    /// The address of the page, with its token.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits until the server ends, which it does by itself only on an error.
    pub async fn serve(mut self) {
        // An aborted task ends with an error that says so.
        let _ = (&mut self.server).await;
    }

    /// Closes the listener and every connection.
    pub async fn shutdown(self) {
        self.server.abort();
        self.serve().await;
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Binds the port that is asked for; without one the usual port, or a free one if it is taken.
///
/// # Errors
/// The port is taken or not allowed.
pub async fn bind(asked: Option<u16>, usual: u16) -> std::io::Result<TcpListener> {
    let listen =
        async |port: u16| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await;
    match asked {
        Some(port) => listen(port).await,
        None => match listen(usual).await {
            Ok(listener) => Ok(listener),
            Err(_) => listen(0).await,
        },
    }
}

fn routes(state: Arc<State>, guard: Arc<Guard>) -> Router {
    let page = Router::new().route("/", get(assets::index)).with_state(Arc::clone(&guard));
    Router::new()
        .route("/assets/{*path}", get(assets::file))
        .route("/api/about", get(trial::about))
        .route("/api/buckets", get(lists::buckets))
        .route("/api/subject", get(one_subject::show))
        .route("/api/children", get(family::children))
        .route("/api/plans", get(lists::plans))
        .route("/api/keys", get(lists::keys))
        .route("/api/assignments", get(lists::assignments))
        .route("/api/revocations", get(lists::revocations))
        .route("/api/change", post(change::change))
        .route("/api/requests", get(stream::follow))
        .route("/api/requests/{id}", get(requests::show))
        .route("/api/rules", get(rules::show))
        .route("/api/rules/check", post(rules::check))
        .route("/api/trial/send", post(trial::send))
        .route("/api/trial/rotate", post(trial::rotate))
        .route("/api/trial/table", post(trial::switch))
        .route("/api/trial/token", post(trial::renew))
        .route("/api/trial/revoke", post(trial::revoke))
        .layer(middleware::from_fn_with_state(Arc::clone(&state), permission::explain))
        .with_state(state)
        .merge(page)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(guard, guard::check))
}
