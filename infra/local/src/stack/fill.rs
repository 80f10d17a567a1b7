//! The table's first items: plans that a configuration names, and a key if callers may have one.

use ::table::{Key, KeyDetails, Keys, WriteError};
use throttle::{Plan, PlanId, Plans};
use tokio::net::TcpListener;

use super::{Error, Options};
use crate::demo;
use crate::ready::Filled;
use crate::setup::Setup;
use crate::table::{Data, DefineError, Table};

/// Starts the table's server and makes each table that the configuration names.
pub(super) async fn start_table(
    listener: TcpListener,
    options: &Options,
    setup: &Setup,
) -> Result<(Table, Filled), Error> {
    let data = options.data.clone().map_or(Data::Memory, Data::Directory);
    let mut settings = crate::table::Options::new(options.now.clone());
    settings.data = data;
    settings.has_partition_limit = options.has_partition_limit;
    settings.sweep = options.ttl_sweep;
    let table = Table::start(listener, settings).await?;
    match fill(&table, options, setup).await {
        Ok(filled) => Ok((table, filled)),
        Err(error) => {
            table.shutdown().await;
            Err(error)
        }
    }
}

async fn fill(table: &Table, options: &Options, setup: &Setup) -> Result<Filled, Error> {
    let client = table.client();
    for name in &setup.tables {
        ::table::create(&client, name).await?;
    }
    let mut filled = Filled::default();
    for wanted in options.template.iter().flat_map(|template| &template.tables) {
        match table.define(wanted.request.clone(), wanted.expiry.clone()).await {
            Ok(label) => {
                filled.streams.extend(label.map(|label| (wanted.name.clone(), label)));
                if !setup.tables.contains(&wanted.name) {
                    filled.tables.push(wanted.name.clone());
                }
            }
            Err(error @ DefineError::Other) => filled.notes.push(format!(
                "{}: the table `{}` is used as it is: {error}",
                wanted.id, wanted.name
            )),
            Err(error) => filled.notes.push(format!(
                "{}: the table `{}` is not created: {error}",
                wanted.id, wanted.name
            )),
        }
    }
    let Some(limits) = setup.tables.first() else { return Ok(filled) };
    let plans = Plans::new(client.clone(), limits);
    let is_known = |name: &str| demo::PLANS.iter().any(|(known, _)| *known == name);
    let named = setup.plans.iter().filter(|name| !is_known(name));
    let named = named.map(|name| (name.as_str(), demo::LIMITS));
    for (name, json) in demo::PLANS.into_iter().chain(named) {
        let plan = Plan::from_json(json)?;
        let Ok(id) = PlanId::new(name) else { continue };
        // A folder that was used before has its own idea of the plan, which stays.
        let is_new = is_new(name, plans.put(&id, &plan, None, options.now.moment()).await)?;
        if is_new && !is_known(name) {
            filled.made_up.push(name.to_owned());
        }
        filled.plans.push(name.to_owned());
    }
    if setup.callers().takes_keys()
        && let Ok(key) = Key::parse(demo::CALLER_KEY)
    {
        let throttle = setup.functions.first().and_then(|one| one.config.throttle.as_ref());
        let default = throttle.and_then(|throttle| throttle.plan.default.as_ref());
        let plan = default.map_or(demo::PLAN, |plan| plan.as_str());
        let rights = setup.key_rights();
        let details = KeyDetails { rights, ..KeyDetails::new(demo::CALLER_KEY_SUBJECT) };
        let details = details.with_plan(plan);
        let keys = Keys::new(client, limits);
        is_new("API key", keys.put(&key, details, options.now.moment()).await)?;
        filled.caller_key = Some(demo::CALLER_KEY.to_owned());
    }
    Ok(filled)
}

/// Returns false for an item that was there.
fn is_new<T>(name: &str, written: Result<T, WriteError>) -> Result<bool, Error> {
    match written {
        Ok(_) => Ok(true),
        Err(WriteError::Conflict { .. }) => Ok(false),
        Err(source) => Err(Error::Fill { name: name.to_owned(), source: Box::new(source) }),
    }
}
