//! Confirmation on a terminal of commands that cannot be undone.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use nix::pty::openpty;

use crate::support::{PLAN, Tollgate, with_table};

/// Runs a command whose standard input is a terminal on which `typed` is typed.
pub(crate) fn type_to(tollgate: &Tollgate, line: &[&str], typed: &str) -> (i32, String) {
    let terminal = openpty(None, None).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(line)
        .env_clear()
        .envs(tollgate.environment.clone())
        .stdin(terminal.slave)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keyboard = File::from(terminal.master);
    keyboard.write_all(typed.as_bytes()).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code().unwrap(), said)
}

#[test]
fn only_a_typed_yes_lets_on() {
    let tollgate = with_table();
    tollgate.feed(&["plan", "put", "FREE", "-"], PLAN).done();
    let delete = |typed| type_to(&tollgate, &["plan", "delete", "FREE"], typed);
    let question = "To delete the plan `FREE`, version 1, can't be undone. Type yes to do it: ";
    // Ctrl-D ends the input without an answer.
    for typed in ["no\n", "y\n", "\n", "yes, or rather not\n", "\u{4}"] {
        let (code, said) = delete(typed);
        let refused = format!("{question}tollgate: not confirmed: nothing was done\n");
        assert_eq!((code, said), (1, refused), "{typed:?}");
    }
    tollgate.run(&["plan", "show", "FREE"]).done();
    assert_eq!(delete("yes\n"), (0, question.to_owned()));
    tollgate.run(&["plan", "show", "FREE"]).failed(1);
}
