//! Tollgate beside its peers, part by part; `tests/compare/run` makes one table of it.
//!
//! Each subcommand prints one line of JSON. Times are nanoseconds, medians of several passes.

mod counter;
mod hostile;
mod issuer;
mod memory;
mod start;
mod table;
mod verify;
mod worker;

use anyhow::bail;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["verify", folder] => verify::run(folder.as_ref()).await?,
        ["memory"] => memory::run().await?,
        ["table"] => return table::serve().await,
        ["throttle", url, counter] => table::run(url, counter).await?,
        ["worker", url] => return worker::run(url).await,
        ["start", executable, runs] => start::run(executable.as_ref(), runs.parse()?).await?,
        _ => bail!("usage: peers verify FOLDER | memory | table | throttle URL COUNTER | worker URL | start FILE RUNS"),
    };
    println!("{result}");
    Ok(())
}

/// The value in the middle.
fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}
