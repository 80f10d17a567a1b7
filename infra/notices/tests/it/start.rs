//! The start of the executable.

use std::process::Command;

#[test]
fn a_wrong_variable_is_named_at_the_start() {
    let topic = "arn:aws:sns:us-east-1:123456789012:quotas";
    for (table, topic, says) in [
        ("t", topic, "`t` cannot name a table"),
        ("tollgate", "quotas", "`NOTICES_TOPIC` is not a topic's ARN"),
        ("tollgate", "arn:aws:sqs:us-east-1:123456789012:quotas", "is not a topic's ARN"),
        ("tollgate", "arn:aws:sns:us-east-1:123456789012:", "is not a topic's ARN"),
    ] {
        let ran = Command::new(env!("CARGO_BIN_EXE_notices"))
            .envs([("TOLLGATE_TABLE", table), ("NOTICES_TOPIC", topic)])
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .output()
            .unwrap();
        let logged = String::from_utf8(ran.stdout).unwrap();
        assert!(!ran.status.success() && logged.contains(says), "{topic}: {logged}");
    }
}
