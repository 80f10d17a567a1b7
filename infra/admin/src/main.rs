#![doc = include_str!("../README.md")]

mod args;
mod chart;
mod cli;
mod commands;
mod confirm;
mod context;
mod error;
mod hierarchy;
mod layout;
mod listing;
mod openapi;
mod output;
mod pages;
#[allow(dead_code, reason = "lines are drawn by the load tests, which share this file")]
mod plot;
mod progress;
mod read;
mod time;
mod who;
mod yaml;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            output::misused(&error.render().to_string());
            return ExitCode::from(MISUSED);
        }
        // Help or a version, which quotes nothing.
        Err(error) => error.exit(),
    };
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::report(&error),
    }
}

/// The exit code of a wrong command line.
const MISUSED: u8 = 2;
