//! The calls in a shell's command line, and what can be said about them without running them.

use std::process::Command;

use super::markdown::root;

/// One program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Call(Vec<String>);

/// The calls in a command line: in front of, behind and within pipes, lists and substitutions.
pub(super) fn calls(text: &str) -> Vec<Call> {
    let (mut calls, mut words, mut word) = (Vec::new(), Vec::new(), String::new());
    let (mut quote, mut escaped) = (None, false);
    for c in text.replace("\\\n", " ").chars().chain(['\n']) {
        match (c, quote) {
            _ if escaped => {
                word.push(c);
                escaped = false;
            }
            ('\\', None | Some('"')) => escaped = true,
            (_, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => quote = Some(c),
            (' ' | '\n' | '|' | ';' | '&' | '(' | ')' | '<' | '>', None) => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                if c != ' ' {
                    calls.push(Call(std::mem::take(&mut words)));
                }
            }
            _ => word.push(c),
        }
    }
    calls.into_iter().filter_map(Call::normal).collect()
}

impl Call {
    /// Drops assignments and the words of a shell in front of the program.
    fn normal(self) -> Option<Self> {
        let shell = ["do", "exec", "time", "env"];
        let begins = |word: &String| !word.contains('=') && !shell.contains(&&**word);
        let words: Vec<String> = self.0.into_iter().skip_while(|word| !begins(word)).collect();
        (!words.is_empty()).then_some(Self(words))
    }

    /// Checks the arguments of the project's own programs, and the names of packages and scripts.
    pub(super) fn check(&self) -> Result<(), String> {
        let Self(words) = self;
        let after = |flag| words.iter().skip_while(move |it| *it != flag).skip(1);
        let call = words.iter().take(2).chain(after("-p").take(1)).map(String::as_str);
        let own = match call.collect::<Vec<_>>()[..] {
            ["tollgate", ..] => Some((tests::tollgate(), words[1..].iter().collect())),
            ["cargo", "run", "local"] => Some((tests::local(), after("--").collect::<Vec<_>>())),
            ["tollgate-local", ..] => Some((tests::local(), words[1..].iter().collect())),
            ["local", ..] => return Err("`local` is a word of the shell".into()),
            _ => None,
        };
        if let Some((path, arguments)) = own {
            let output = Command::new(path).args(arguments).arg("--help").output().unwrap();
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into_owned());
            }
        }
        if let Some(package) = after("-p").next().filter(|_| words[0] == "cargo") {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["pkgid", "--offline", package]).current_dir(root());
            if !cargo.output().unwrap().status.success() {
                return Err(format!("no package `{package}`"));
            }
        }
        let scripts = words.iter().filter(|it| it.starts_with("tests/") || it.starts_with(".ci/"));
        match scripts.into_iter().find(|it| !root().join(it).exists()) {
            Some(missing) => Err(format!("no file `{missing}`")),
            None => Ok(()),
        }
    }
}
