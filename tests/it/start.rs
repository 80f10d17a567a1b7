//! Starting, refusing to start, and ending without a trace.

use std::net::TcpListener;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::Stack;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::caller::Caller;

#[tokio::test]
async fn ends_with_ctrl_c_and_leaves_nothing_behind() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let stack = Stack::start(&["--environments", "3"]).await;
        let environments = stack.ready.environments.clone();
        assert_eq!(environments.len(), 3);
        let ended = stack.end(signal).await;
        assert!(ended.status.success(), "{signal}: {:?}", ended.status);
        assert_eq!(ended.stdout, "", "one line on standard output, and no more");
        for environment in environments {
            assert_eq!(kill(Pid::from_raw(environment), None), Err(Errno::ESRCH), "{signal}");
        }
    }
}

#[tokio::test]
async fn its_environments_end_with_it_even_when_it_is_killed() {
    let stack = Stack::start(&[]).await;
    let environments = stack.ready.environments.clone();
    stack.end(Signal::SIGKILL).await;
    for environment in environments {
        for attempt in 0.. {
            if kill(Pid::from_raw(environment), None) == Err(Errno::ESRCH) {
                break;
            }
            assert!(attempt < 100, "{environment} lives on");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test]
async fn a_taken_port_is_one_line_and_exit_code_2() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flag in ["--api-port", "--issuer-port", "--dynamodb-port"] {
        let ended = Stack::fail(&[flag, &port]).await;
        assert_eq!(ended.status.code(), Some(2), "{flag}");
        assert_eq!(ended.stdout, "");
        assert_eq!(ended.logs.trim_end().lines().count(), 1, "{}", ended.logs);
        assert!(ended.logs.contains(flag) && ended.logs.contains(&port), "{}", ended.logs);
    }
}

#[tokio::test]
async fn a_wrong_configuration_is_one_line_that_names_the_place_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.toml");
    let good = "[[issuer]]\nuser_pool = \"us-east-1_abc\"\nclients = [\"a\"]\n\
                token_use = \"access\"\n\n[[rule]]\nname = \"all\"\nallow = [\"GET /*\"]\n\
                everyone = true\n";
    for (from, to, line, says) in [
        ("everyone", "everybody", 9, "unknown field `everybody`"),
        ("[\"a\"]", "[]", 3, "an empty list of `clients`"),
        ("\"GET /*\"", "\"GET *\"", 8, "GET *"),
        ("[[rule]]", "[[rule]", 6, ""),
        ("everyone = true\n", "", 6, "`all` requires nothing"),
    ] {
        std::fs::write(&path, good.replace(from, to)).unwrap();
        let ended = Stack::fail(&["--config", path.to_str().unwrap()]).await;
        assert_eq!(ended.status.code(), Some(2), "{to}: {}", ended.logs);
        assert_eq!(ended.stdout, "");
        assert_eq!(ended.logs.trim_end().lines().count(), 1, "{to}: {}", ended.logs);
        let place = format!("{}:{line}: ", path.display());
        assert!(ended.logs.contains(&place) && ended.logs.contains(says), "{to}: {}", ended.logs);
    }
    let missing = folder.path().join("missing.toml");
    let ended = Stack::fail(&["--config", missing.to_str().unwrap()]).await;
    assert_eq!(ended.status.code(), Some(2));
    assert!(ended.logs.contains("missing.toml"), "{}", ended.logs);
}

#[tokio::test]
async fn a_configuration_of_one_s_own_is_served() {
    let stack = own(&["GET /only/this"], "").await;
    let caller = Caller::of(&stack);
    let token = caller.token("orders-reader").await;
    assert_eq!(caller.status("GET /only/this", &token).await, 200);
    assert_eq!(caller.status("GET /orders", &token).await, 403);
}

#[tokio::test]
async fn dots_below_a_caller_s_own_path_are_403() {
    let stack = own(&["GET /clients/{client_id}/*"], "").await;
    let token = Caller::of(&stack).token("orders-reader").await;
    for (rest, status) in [
        ("x", 200),
        ("a.b/.c", 200),
        ("../orders-writer/x", 403),
        ("%2e%2e/orders-writer/x", 403),
        (".%2E/orders-writer/x", 403),
        ("..;/orders-writer/x", 403),
        ("./x", 403),
        ("a..b", 403),
    ] {
        let path = format!("/clients/orders-reader/{rest}");
        assert_eq!(as_written(&stack, &path, &token).await, status, "{path}");
    }
}

/// The status of a GET whose path is sent as it is written. Clients resolve dots before they send.
async fn as_written(stack: &Stack, path: &str, token: &str) -> u16 {
    let address = stack.ready.api.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         connection: close\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn limits_without_their_table_let_nobody_through_and_are_no_401() {
    let throttle = "[throttle]\ntable = \"nowhere\"\nsubject = \"client_id\"\n\
                    plan = { default = \"free\" }\nrefuse = \"deny\"\n";
    let stack = own(&["GET /*"], throttle).await;
    assert_eq!(stack.ready.table, "nowhere");
    let client = table::Connect::emulator(&stack.ready.dynamodb).client().await;
    client.delete_table().table_name("nowhere").send().await.unwrap();
    let caller = Caller::of(&stack);
    let token = caller.token("orders-reader").await;
    let response = caller.call("GET /orders", Some(&format!("Bearer {token}"))).await;
    assert_eq!(response.status(), 500);
    assert_eq!(response.text().await.unwrap(), r#"{"message":null}"#);
    let logs = stack.end(Signal::SIGINT).await.logs;
    assert_eq!(logs.matches(r#""code":"config""#).count(), 1, "{logs}");
}

/// A stack with a configuration of one's own, which lets every token call these routes.
async fn own(allow: &[&str], more: &str) -> Stack {
    // A port that is known beforehand, because the configuration has to name the issuer's.
    let issuer = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.toml");
    let text = format!(
        "[[issuer]]\nurl = \"http://127.0.0.1:{issuer}/us-east-1_LocalDemo\"\nclients = \"any\"\n\
         token_use = \"access\"\n\n[[rule]]\nname = \"all\"\nallow = {allow:?}\n\
         everyone = true\n\n{more}"
    );
    std::fs::write(&path, text).unwrap();
    // Every environment has read it when this returns, and the folder goes.
    Stack::start(&["--config", path.to_str().unwrap(), "--issuer-port", &issuer]).await
}

#[tokio::test]
async fn what_is_kept_in_a_folder_is_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = ["--data", data.to_str().unwrap()];
    for _ in 0..2 {
        let stack = Stack::start(&arguments).await;
        let caller = Caller::of(&stack);
        let token = caller.token("orders-reader").await;
        assert_eq!(caller.status("GET /orders", &token).await, 200);
        assert!(stack.end(Signal::SIGINT).await.status.success());
    }
}
