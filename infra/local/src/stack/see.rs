//! The console of a stack.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use authorizer::Config;
use console::{Address, Caller, Console, Live, Local, Source, Switch, TableAt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::{Error, Options};
use crate::options::ConsolePort;
use crate::ready::Ready;
use crate::setup::Setup;
use crate::table::Table;

/// The kind of a REST API, as the stack names it.
const REST: &str = "REST API";
/// The console's port unless another is given.
const USUAL: u16 = 9405;
/// The looks at the table's port until it is as it should be, and the time between two.
const LOOKS: u32 = 60;
const LOOK: Duration = Duration::from_millis(50);

/// Binds the console's port, where there is to be one.
pub(super) async fn bind(options: &Options) -> Result<Option<TcpListener>, Error> {
    let asked = match options.console {
        ConsolePort::Off => return Ok(None),
        ConsolePort::Usual => None,
        ConsolePort::At(port) => Some(port),
    };
    let bound = console::bind(asked, USUAL).await;
    let port = asked.unwrap_or(USUAL);
    bound.map(Some).map_err(|source| Error::Port { flag: "--console-port", port, source })
}

/// Starts the console of a stack that is ready.
pub(super) fn start(
    listener: TcpListener,
    setup: &Setup,
    table: &Table,
    ready: &Ready,
    live: Live,
) -> Result<Console, Error> {
    let place = setup.file.clone().unwrap_or_else(|| "tollgate.toml".to_owned());
    let sources = setup.functions.iter().map(|one| {
        let config = Config::parse(&one.text, &place).map_err(crate::setup::Error::from)?;
        Ok(Source { place: place.clone(), text: one.written.clone(), config })
    });
    let options = console::Options {
        at: TableAt {
            client: table.client(),
            table: ready.table.clone(),
            endpoint: Some(ready.dynamodb.clone()),
        },
        sources: sources.collect::<Result<_, Error>>()?,
        writes: true,
        local: Some(local(table, ready, live)),
    };
    Console::start(listener, options).map_err(Error::Address)
}

fn local(table: &Table, ready: &Ready, live: Live) -> Local {
    let issuers = ready.issuers.iter().map(|issuer| {
        let base = issuer.local_token.trim_end_matches("/token");
        (issuer.name.clone(), base.to_owned())
    });
    let clients = ready.clients.iter().map(|client| Caller {
        kind: "client",
        name: client.id.clone(),
        issuer: client.issuer.clone(),
        grants: client.scopes.clone(),
    });
    let users = ready.users.iter().map(|user| Caller {
        kind: "user",
        name: user.username.clone(),
        issuer: user.issuer.clone(),
        grants: user.groups.clone(),
    });
    Local {
        live,
        apis: apis(ready),
        issuers: BTreeMap::from_iter(issuers),
        callers: clients.chain(users).collect(),
        api_key: ready.caller_key().map(str::to_owned),
        switch: switch(table),
    }
}

/// The APIs that HTTP requests can be sent to; of several of a kind each has its name.
fn apis(ready: &Ready) -> Vec<Address> {
    let api = |kind: &str, name: &str, url: &str| Address {
        name: if name.is_empty() { kind.to_owned() } else { format!("{kind} {name}") },
        url: url.to_owned(),
        is_rest: kind == REST,
    };
    if ready.apis.is_empty() {
        let rest = (!ready.api.is_empty()).then(|| api(REST, "", &ready.api));
        let http = ready.http_api.as_ref().map(|url| api("HTTP API", "", url));
        return rest.into_iter().chain(http).collect();
    }
    let served = ready.apis.iter().filter(|one| one.url.starts_with("http:"));
    served.map(|one| api(one.kind, &one.name, &one.url)).collect()
}

/// Takes the table away or brings it back, and waits until its port says so.
fn switch(table: &Table) -> Switch {
    let sender = table.there();
    let address = table.url().trim_start_matches("http://").to_owned();
    Arc::new(move |there| {
        let (sender, address) = (sender.clone(), address.clone());
        Box::pin(async move {
            sender.send_replace(there);
            for _ in 0..LOOKS {
                if TcpStream::connect(&address).await.is_ok() == there {
                    return Ok(());
                }
                sleep(LOOK).await;
            }
            Err(match there {
                true => format!("another program has taken {address}"),
                false => "the table still answers".to_owned(),
            })
        })
    })
}
