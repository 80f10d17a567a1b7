//! The help of every command: it fits 80 columns, and sets global options apart.

use crate::doctor::COMMANDS;
use crate::support::Tollgate;

/// Every command line that has a help of its own.
fn commands() -> Vec<Vec<&'static str>> {
    let mut all = vec![vec![]];
    for (group, commands) in COMMANDS {
        all.push(vec![group]);
        all.extend(commands.iter().map(|command| vec![group, command]));
    }
    all
}

#[test]
fn every_help_fits_80_columns() {
    let tollgate = Tollgate::with([]);
    let mut faults = Vec::new();
    for command in commands() {
        for flag in ["-h", "--help"] {
            let help = tollgate.run(&[&command[..], &[flag]].concat()).done();
            // An example that is wrapped could not be pasted.
            let examples = help.split_once("\nExample").map_or("", |(_, examples)| examples);
            let commands = ["  tollgate ", "  echo ", "  printenv ", "  aws ", "  source "];
            let mut goes_on = false;
            let is_broken = |line: &&str| {
                let starts = commands.iter().any(|start| line.starts_with(start));
                let is_right = if goes_on { line.starts_with("    ") } else { starts };
                goes_on = line.ends_with(['\\', '|']);
                !is_right
            };
            let broken = examples.lines().skip(1).filter(is_broken);
            faults.extend(broken.map(|line| format!("{} {flag}: {line}", command.join(" "))));
            for line in help.lines().filter(|line| line.chars().count() > 80) {
                faults.push(format!("{} {flag}: {line}", command.join(" ")));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn global_options_have_a_heading_of_their_own() {
    let tollgate = Tollgate::with([]);
    for command in commands() {
        for flag in ["-h", "--help"] {
            let help = tollgate.run(&[&command[..], &[flag]].concat()).done();
            let (own, global) = help.split_once("\nGlobal options:\n").unwrap();
            for option in ["--table <TABLE>", "--endpoint-url <URL>", "--json"] {
                let has = |text: &str| text.lines().any(|it| it.trim_start().starts_with(option));
                assert!(has(global) && !has(own), "{command:?}: {help}");
            }
        }
    }
}

#[test]
fn a_summary_is_one_line_and_begins_with_a_verb() {
    let tollgate = Tollgate::with([]);
    for command in commands().into_iter().skip(1) {
        let help = tollgate.run(&[&command[..], &["--help"]].concat()).done();
        let summary = help.split("\n\n").next().unwrap();
        assert_eq!(summary.lines().count(), 1, "{command:?}: {summary}");
        let first = summary.split_whitespace().next().unwrap();
        let verbs = [
            "Allow", "Assign", "Check", "Create", "Delete", "Disable", "Enable", "Export", "Fetch",
            "Give", "Import", "List", "Print", "Replace", "Revoke", "Show", "Store", "Verify",
            "Write",
        ];
        assert!(verbs.contains(&first.trim_end_matches(',')), "{command:?}: {summary}");
    }
}
