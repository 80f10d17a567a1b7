//! `tollgate console`.

use clap::Args;
use console::{Options, Source};
use serde_json::json;

use crate::args::ConfigFile;
use crate::context::{Common, Context};
use crate::error::Error;
use crate::output::note;
use crate::read::read;

/// Serve a page of the table's buckets, plans, keys, assignments and revocations.
///
/// Listens on 127.0.0.1 alone, until Ctrl-C. With a configuration it also shows the rules. Lists
/// read the table in parts until they have 100 matches: a megabyte costs 128 read units. The
/// credentials need dynamodb:GetItem and dynamodb:Scan; with --allow-writes also PutItem,
/// UpdateItem and DeleteItem.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Console {
    #[command(flatten)]
    config: ConfigFile,
    /// Allow changes of the table; without it the page only reads.
    #[arg(long)]
    allow_writes: bool,
    /// Port, 0 for a free one; by default 9406, or a free one if that is taken.
    #[arg(long)]
    port: Option<u16>,
}

impl Console {
    /// Runs until the process ends.
    pub(crate) fn run(self, common: &Common) -> Result<(), Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| Error::unavailable(format!("can't start: {error}")))?;
        runtime.block_on(self.serve(common))
    }

    async fn serve(self, common: &Common) -> Result<(), Error> {
        let source = self.source()?;
        let context = Context::open(common).await;
        let limits = source.as_ref().and_then(|source| source.config.throttle.as_ref());
        if let Some(limits) = limits.filter(|limits| limits.table != context.table) {
            note(format_args!(
                "this page shows the table `{}`, but the configuration's limits are in `{1}`: add \
                 `--table {1}`",
                context.table, limits.table
            ));
        }
        let listener = console::bind(self.port, USUAL).await;
        let failed = |error| Error::misuse(format!("--port: can't listen: {error}"));
        let options = Options {
            at: context.at.clone(),
            sources: source.into_iter().collect(),
            writes: self.allow_writes,
            local: None,
        };
        let running =
            console::Console::start(listener.map_err(failed)?, options).map_err(failed)?;
        let url = running.url();
        let how = if self.allow_writes { "allows changes" } else { "reads only" };
        let text = format!("{url}\nOpen it in a browser. It {how}. Ctrl-C ends it.");
        context.output.print(text, &json!({"console": url, "writes": self.allow_writes}))?;
        running.serve().await;
        Err(Error::unavailable("the console's listener failed: start it again"))
    }

    fn source(&self) -> Result<Option<Source>, Error> {
        let Some(config) = self.config.read_if_named()? else { return Ok(None) };
        let file = self.config.config.clone();
        let text = match &file {
            Some(file) => String::from_utf8_lossy(&read(file, MOST)?).into_owned(),
            None => String::new(),
        };
        let place = file.map_or_else(|| "tollgate.toml".to_owned(), |it| it.display().to_string());
        Ok(Some(Source { place, text, config }))
    }
}

const EXAMPLES: &str = "\
Examples:
  tollgate console --table tollgate --config tollgate.toml
  tollgate console --allow-writes --port 0
  tollgate console --endpoint-url http://127.0.0.1:9402";

/// The port unless another is given; `local` has the one before.
const USUAL: u16 = 9406;

/// The most bytes that a configuration may have, as the authorizer reads it.
const MOST: u64 = 256 * 1024;
