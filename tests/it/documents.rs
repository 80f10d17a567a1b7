//! The project's Markdown files: links, command lines, configurations, and outputs.
//!
//! - A link to a file or heading must resolve.
//! - A `toml` block is a configuration of the authorizer, or a part of one. Blocks with
//!   `[dependencies]`, `[[user]]` or `[[client]]` are other files and must be valid TOML.
//! - A `json` block is valid JSON.
//! - In a `console` block each command line of `tollgate` and `local` is accepted by the executable,
//!   and the packages and scripts that a command names exist.
//! - The `console run` blocks of a file are one session in a new folder: see [`session`].

use std::collections::HashSet;

use authorizer::Config;

mod command;
mod markdown;
mod session;

use markdown::{Block, Document, root};

/// Fails with all faults at once, one a line.
fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Applies a check to each block of a language; a fault is told with its file and line.
fn check(language: &str, mut check: impl FnMut(&Block) -> Result<(), String>) {
    let mut faults = Vec::new();
    for document in Document::all() {
        for block in document.blocks().iter().filter(|block| block.is(language)) {
            if let Err(fault) = check(block) {
                faults.push(format!("{}:{}: {fault}", document.path.display(), block.line));
            }
        }
    }
    none(&faults);
}

#[test]
fn links_resolve() {
    let documents = Document::all();
    assert!(documents.len() > 10, "{}", documents.len());
    let mut faults = Vec::new();
    for document in &documents {
        let folder = root().join(&document.path).parent().unwrap().to_owned();
        for (line, link) in document.links() {
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let path = if file.is_empty() { document.path.clone() } else { folder.join(file) };
            let path = root().join(path);
            let at = format!("{}:{line}", document.path.display());
            if !path.exists() {
                faults.push(format!("{at}: no file `{file}`"));
            } else if !heading.is_empty() && !Document::read(&path).has_heading(heading) {
                faults.push(format!("{at}: no heading `#{heading}` in `{}`", path.display()));
            }
        }
    }
    none(&faults);
}

/// The parts of a configuration that a fragment may leave out.
const ISSUER: &str = "[[issuer]]\nname = \"staff-pool\"\nuser_pool = \"us-east-1_abcDEF123\"\n\
                      clients = [\"c\"]\ntoken_use = \"access\"\n";
const RULE: &str = "[[rule]]\nname = \"any\"\nallow = [\"GET /any\"]\neveryone = true\n";

#[test]
fn configurations_are_valid() {
    check("toml", |block| {
        let text = &block.text;
        if ["[dependencies]", "[[user]]", "[[client]]"].iter().any(|it| text.contains(it)) {
            return toml::from_str::<toml::Table>(text).map(drop).map_err(|it| it.to_string());
        }
        let issuer = if text.contains("[[issuer]]") { "" } else { ISSUER };
        let rule = if text.contains("[[rule]]") { "" } else { RULE };
        // Fields in front of the first table belong to an issuer.
        let whole = format!("{issuer}{text}\n{rule}");
        Config::parse(&whole, "block").map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn json_is_json() {
    check("json", |block| {
        serde_json::from_str::<serde_json::Value>(&block.text)
            .map(drop)
            .map_err(|error| error.to_string())
    });
}

#[test]
fn command_lines_are_accepted() {
    let (mut seen, mut count) = (HashSet::new(), 0);
    check("console", |block| {
        for shown in block.commands() {
            for call in command::calls(&shown.text) {
                if seen.insert(call.clone()) {
                    count += 1;
                    call.check().map_err(|fault| format!("`{}`: {fault}", shown.text))?;
                }
            }
        }
        Ok(())
    });
    assert!(count > 10, "{count}");
}

#[tokio::test]
async fn sessions_give_the_outputs_that_are_shown() {
    let (mut faults, mut count) = (Vec::new(), 0);
    for document in Document::all() {
        if document.blocks().iter().any(Block::runs) {
            count += 1;
            faults.extend(session::run(&document).await);
        }
    }
    assert!(count > 0, "no document has a `console run` block");
    none(&faults);
}
