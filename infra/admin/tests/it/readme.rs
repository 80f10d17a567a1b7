//! The README of this crate: each command in it is run, and its output compared.
//!
//! `README=write cargo test --workspace --test it readme` writes the outputs of now into it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::doctor::COMMANDS;
use crate::issuer::Issuer;
use crate::support::{Tollgate, fill, serve_database};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

/// The issuer of the README's configuration.
const URL: &str = "http://127.0.0.1:9401/us-east-1_LocalDemo";

/// The longest README, in bytes.
const MOST: usize = 10 * 1024;

/// Splits a block of a shell's session into commands and their outputs.
fn steps(block: &str) -> Vec<(String, String)> {
    let mut steps: Vec<(String, String)> = Vec::new();
    let mut goes_on = false;
    for line in block.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push((command.to_owned(), String::new())),
            (None, Some((command, _))) if goes_on => *command += &format!("\n{line}"),
            (None, Some((_, output))) => *output += &format!("{line}\n"),
            (None, None) => assert_eq!(line, "", "output before a command"),
        }
        let is_command = goes_on || line.starts_with("$ ");
        goes_on = is_command && line.ends_with(['\\', '|']);
    }
    steps
}

/// Runs the commands of a block in one shell; returns their outputs.
fn run(tollgate: &Tollgate, folder: &Path, token: &str, commands: &[String]) -> Vec<String> {
    const END: &str = "<end of the output>";
    let script: String =
        commands.iter().map(|command| format!("{command}\necho '{END}'\n")).collect();
    let path = Path::new(env!("CARGO_BIN_EXE_tollgate")).parent().unwrap().to_str().unwrap();
    let ran = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{script}")])
        .current_dir(folder)
        .env_clear()
        .envs(tollgate.environment.clone())
        .env("PATH", format!("{path}:{}", std::env::var("PATH").unwrap()))
        .env("TOKEN", token)
        .output()
        .unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    let outputs: Vec<_> = said.split(&format!("{END}\n")).map(str::to_owned).collect();
    assert_eq!(outputs.len(), commands.len() + 1, "{said}");
    outputs
}

/// Replaces times, dates and digests, which differ from run to run.
fn normal(text: &str) -> String {
    let shape = |word: &str| {
        let shape: String =
            word.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        match shape.as_str() {
            "0000-00-00" => "DATE".to_owned(),
            "0000-00-00T00:00:00Z" => "TIME".to_owned(),
            _ if [64, 72].contains(&word.len()) && word.bytes().all(|b| b.is_ascii_hexdigit()) => {
                "HEX".to_owned()
            }
            _ => word.to_owned(),
        }
    };
    let is_word = |c: char| c.is_ascii_alphanumeric() || "-:".contains(c);
    let mut normal = String::new();
    for part in text.split_inclusive(|c| !is_word(c)) {
        let word = part.trim_end_matches(|c| !is_word(c));
        let key = word.strip_prefix("key-");
        normal += if key.is_some() { "key-" } else { "" };
        normal += &shape(key.unwrap_or(word));
        normal.extend(part.chars().skip(word.chars().count()));
    }
    // The answer may come in the next second.
    normal.replace("within 1 s", "within 0 s")
}

#[test]
fn each_command_of_the_readme_prints_what_it_says() {
    let readme = fs::read_to_string(FILE).unwrap();
    let ((url, database), issuer) = (serve_database(), Issuer::start());
    let (tollgate, folder) = (Tollgate::at(&url), tempfile::tempdir().unwrap());
    let token = issuer.token(&json!({"scope": "orders/read"}));

    let (mut written, mut seen) = (String::new(), String::new());
    for (at, part) in readme.split("```").enumerate() {
        let fence =
            |text: &str| if at % 2 == 1 { format!("```{text}```") } else { text.to_owned() };
        if let Some(config) = part.strip_prefix("toml\n") {
            let here = format!("{}\"\nalgorithms = [\"ES256\"]", issuer.url);
            let config = config.replace(&format!("{URL}\""), &here);
            fs::write(folder.path().join("tollgate.toml"), config).unwrap();
        }
        let Some(block) = part.strip_prefix("console\n") else {
            written += &fence(part);
            continue;
        };
        if block.contains("usage show") {
            let bucket = json!({"pk": "BUCKET#demo#maria", "pv": "1.free",
                "d20261119": 12, "d20261120": 100, "d20261121": 85});
            fill(&database, [bucket]);
        }
        let steps = steps(block);
        let commands: Vec<_> = steps.iter().map(|(command, _)| command.clone()).collect();
        let mut text = "console\n".to_owned();
        for ((command, shown), output) in
            steps.iter().zip(run(&tollgate, folder.path(), &token, &commands))
        {
            let output = output.replace(&issuer.url, URL);
            let is_same = normal(shown.trim_end()) == normal(output.trim_end());
            text += &format!("$ {command}\n{}", if is_same { shown } else { &output });
            seen += &format!("{command}\n");
        }
        written += &fence(&text);
    }
    if std::env::var_os("README").is_some_and(|value| value == "write") {
        fs::write(FILE, &written).unwrap();
    } else {
        assert!(written == readme, "the outputs differ from the README:\n{written}");
    }
    assert!(written.len() <= MOST, "the README has {} bytes", written.len());
    for (group, commands) in COMMANDS {
        let commands = if commands.is_empty() { &[""][..] } else { commands };
        for command in commands {
            let line = format!("tollgate {group} {command}");
            assert!(readme.contains(line.trim_end()), "the README has no `{line}`");
            let run = seen.contains(line.trim_end());
            assert!(run || ["completion", "man"].contains(&group), "`{line}` is not run");
        }
    }
}

#[test]
fn times_and_digests_are_not_compared_and_all_else_is() {
    let digest = "0123456789abcdef".repeat(4);
    let text = format!("key-{digest} `{digest}` 2026-11-29 at 2026-11-29T06:50:12Z, 5/s\n");
    assert_eq!(normal(&text), "key-HEX `HEX` DATE at TIME, 5/s\n");
    let block = "$ one |\n  two\nsaid\n\n$ three\n";
    let expected = [("one |\n  two", "said\n\n"), ("three", "")];
    assert_eq!(steps(block), expected.map(|(c, o)| (c.to_owned(), o.to_owned())));
}
