//! Execution environments that die.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::Stack;

use crate::caller::Caller;

#[tokio::test]
async fn a_killed_environment_is_replaced() {
    let stack = Stack::start(&["--environments", "1"]).await;
    let caller = Caller::of(&stack);
    let token = caller.token("orders-writer").await;
    assert_eq!(caller.status("GET /orders", &token).await, 200);

    let [environment] = stack.ready.environments[..] else { panic!("{:?}", stack.ready) };
    kill(Pid::from_raw(environment), Signal::SIGKILL).unwrap();

    // The one request that was handed to the dead environment may fail; none after it.
    let first = caller.status("GET /orders", &token).await;
    assert!([200, 500].contains(&first), "{first}");
    for _ in 0..5 {
        assert_eq!(caller.status("GET /orders", &token).await, 200);
    }
    assert!(kill(Pid::from_raw(environment), None).is_err(), "and it is gone");
}

#[tokio::test]
async fn malformed_requests_cost_no_environment() {
    let stack = Stack::start(&["--environments", "1"]).await;
    let caller = Caller::of(&stack);
    let deep = format!("Bearer {}", "a.".repeat(2000));
    for authorization in [
        "Bearer eyJhbGciOiJub25lIn0.e30.".to_owned(),
        "Bearer ..".to_owned(),
        deep,
        format!("Bearer {}", "A".repeat(8000)),
        "Bearer \u{e9}".to_owned(),
    ] {
        let status = caller.call("GET /orders", Some(&authorization)).await.status();
        assert_eq!(status, 401, "{authorization}");
    }
    let token = caller.token("orders-writer").await;
    assert_eq!(caller.status("GET /orders", &token).await, 200);
    let [environment] = stack.ready.environments[..] else { panic!("{:?}", stack.ready) };
    assert!(kill(Pid::from_raw(environment), None).is_ok(), "still the same process");
}
