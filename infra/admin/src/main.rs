//! `tollgate`: the operator's command line.

mod args;
mod ask;
mod chart;
mod cli;
mod commands;
mod desk;
mod exit;
mod output;
mod progress;
mod read;
mod time;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => failed.report(),
    }
}
