//! Arguments that several commands have.

use std::path::{Path, PathBuf};
use std::time::Duration;

use authorizer::{Config, EVERYONE, Issuer};
use clap::{Args, ValueEnum};
use throttle::{Meter, OffsetMeans, Plan, PlanError, PlanId, Subject};

use crate::error::Error;
use crate::output::note;

pub(crate) fn plan_id(text: &str) -> Result<PlanId, String> {
    PlanId::new(text).map_err(|error| error.to_string())
}

/// The name of a meter; `requests` for requests.
pub(crate) fn meter(text: &str) -> Result<Meter, String> {
    if text == Meter::REQUESTS.as_str() {
        return Ok(Meter::REQUESTS);
    }
    Meter::new(text).map_err(|error| error.to_string())
}

/// The name of a plan that an assignment holds.
pub(crate) fn stored_plan_id(text: &str) -> Result<PlanId, Error> {
    plan_id(text).map_err(|error| Error::refused(format!("the assigned plan's name {error}")))
}

/// A file to write. `-` would be a file of that name.
pub(crate) fn output_file(text: &str) -> Result<PathBuf, String> {
    match text {
        "-" | "" => Err("give a file's name".to_owned()),
        name => Ok(PathBuf::from(name)),
    }
}

pub(crate) fn subject(text: &str) -> Result<Subject, String> {
    Subject::new(text).map_err(|error| error.to_string())
}

/// Refuses `*` as a subject or a parent: only `parents` in the configuration has it.
pub(crate) fn check_subject(name: &str) -> Result<(), Error> {
    if name != "*" {
        return Ok(());
    }
    Err(Error::misuse(format!(
        "`*` stands for all callers in `parents` of the configuration only: write `{EVERYONE}`, \
         their subject"
    )))
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Offset {
    /// Meaning of a quota's `offset`, which AWS leaves open. `requests`, as AWS's reference says:
    /// the first period starts with that many requests used. `day`, as older documentation of the
    /// SDK says, and as the numbers that AWS allows suggest: the day that a period starts, of a week
    /// 0 for Sunday to 6, of a month 0 for the first to 27. `ignore`: nothing.
    #[arg(long, value_name = "MEANING")]
    offset_means: Option<Meaning>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Meaning {
    Requests,
    Day,
    Ignore,
}

impl Offset {
    pub(crate) fn means(self) -> Option<OffsetMeans> {
        self.offset_means.map(|meaning| match meaning {
            Meaning::Requests => OffsetMeans::Requests,
            Meaning::Day => OffsetMeans::Day,
            Meaning::Ignore => OffsetMeans::Ignore,
        })
    }
}

/// Says that a rate of a plan is the highest there is, which a higher one counts as.
pub(crate) fn note_highest_rate(id: &PlanId, plan: &Plan) {
    let of_meters = plan.every_meter().filter_map(|(_, limits)| limits.throttle());
    let of_methods = plan.api_stages().iter().flat_map(|stage| stage.throttle().values().copied());
    let mut rates = of_meters.chain(of_methods).map(throttle::Throttling::rate);
    if rates.any(|rate| rate.interval() <= SHORTEST) {
        note(format_args!(
            "the plan `{id}` has the highest rate, 1000000000 a second; a higher one counts as that"
        ));
    }
}

/// The interval of the highest rate.
const SHORTEST: Duration = Duration::from_nanos(1);

/// A plan's error, with the option that fixes it.
pub(crate) fn plan_error(error: &PlanError) -> String {
    if error.is_ambiguous_offset() {
        format!(
            "{error}; add `--offset-means requests`, `--offset-means day` or `--offset-means ignore`"
        )
    } else {
        error.to_string()
    }
}

#[derive(Args, Debug)]
pub(crate) struct Source {
    /// The authorizer's configuration, or - for standard input.
    pub(crate) file: PathBuf,
}

/// Reads the authorizer's configuration from a file.
pub(crate) fn config(file: &Path) -> Result<Config, Error> {
    Config::read(file).map_err(|error| Error::misuse(error.to_string()))
}

#[derive(Args, Debug)]
pub(crate) struct ConfigFile {
    /// The authorizer's configuration; by default the environment's, as the authorizer reads it.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl ConfigFile {
    /// Reads the configuration if the command line or the environment names one.
    pub(crate) fn read_if_named(&self) -> Result<Option<Config>, Error> {
        let is_named = self.config.is_some()
            || ["AUTHORIZER_CONFIG", "USER_POOL_ID", "CLIENT_IDS"]
                .iter()
                .any(|name| std::env::var_os(name).is_some());
        if is_named { self.read().map(Some) } else { Ok(None) }
    }

    pub(crate) fn read(&self) -> Result<Config, Error> {
        match &self.config {
            Some(file) => config(file),
            None => Config::from_env()
                .map_err(|error| Error::misuse(format!("{error}; or give a file by `--config`"))),
        }
    }
}

/// Finds an issuer of a configuration by its short name or one of its `iss`.
pub(crate) fn issuer<'a>(config: &'a Config, name: &str) -> Result<&'a Issuer, Error> {
    let is_named = |issuer: &&Issuer| {
        issuer.checks.issuer == name
            || issuer.stored_name(name).is_some()
            || issuer.identities.iter().any(|it| it.iss == name)
    };
    config.issuers.iter().find(is_named).ok_or_else(|| {
        let names = config.issuers.iter().map(|issuer| format!("`{}`", issuer.checks.issuer));
        let names = names.collect::<Vec<_>>().join(", ");
        Error::refused(format!("the configuration has no issuer `{name}`: name one of {names}"))
    })
}
