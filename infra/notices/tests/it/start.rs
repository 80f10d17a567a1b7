//! The start of the executable.

use std::process::Command;

#[test]
fn a_name_that_no_table_has_is_an_error_at_the_start() {
    let ran = Command::new(env!("CARGO_BIN_EXE_notices"))
        .envs([("TOLLGATE_TABLE", "t"), ("NOTICES_TOPIC", "arn:aws:sns:us-east-1:1:quotas")])
        .output()
        .unwrap();
    let logged = String::from_utf8(ran.stdout).unwrap();
    assert!(!ran.status.success() && logged.contains("`t` cannot name a table"), "{logged}");
}
