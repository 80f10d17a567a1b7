//! `tollgate man`.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_mangen::{Man as Page, generate_to};
use serde_json::json;

use crate::error::Error;
use crate::output::{Output, write};

/// Print the manual page, or write one for every command.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Man {
    /// Write all pages into this folder.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self, command: Command, output: Output) -> Result<(), Error> {
        let Some(dir) = &self.dir else {
            let mut page = Vec::new();
            Page::new(command)
                .render(&mut page)
                .map_err(|error| Error::unavailable(format!("can't make the page: {error}")))?;
            return write(String::from_utf8_lossy(&page));
        };
        let shown = dir.display().to_string();
        generate_to(command, dir).map_err(|error| {
            Error::misuse(format!("can't write into `{shown}`: {error}; name a folder"))
        })?;
        output.print(format!("wrote the pages into `{shown}`"), &json!({"dir": shown}))
    }
}

const EXAMPLES: &str = "\
Examples:
  tollgate man | man -l -
  tollgate man --dir ~/.local/share/man/man1";
