//! Faults while load runs: what was promised, and what was seen.
//!
//! Each test drives environments before, during and after a fault, and holds what it saw against
//! the promise: the bound over everything, the table's own count against what was let through, the
//! time that a caller waited, and that the same processes went on. `tests/scripts/faults` prints
//! the table.

mod fleet;
mod proxy;
mod scene;

use std::time::Duration;

use tests::bound::Outcome;
use tokio::time::sleep;

use fleet::Call;
use proxy::Mode;
use scene::{CEILING, Scene};

/// Length of a fault of one connection, far above every time-out.
const LONG: Duration = Duration::from_secs(30);
/// Past the time-out, and still while the load runs.
const LATE: Duration = Duration::from_millis(2_500);
const BEFORE: Duration = Duration::from_millis(1_500);
const DURING: Duration = Duration::from_millis(3_000);

/// A row of the table.
fn row(fault: &str, promised: &str, seen: &str) {
    println!("| {fault} | {promised} | {seen} |");
}

fn longest(calls: &[Call]) -> Duration {
    calls.iter().map(Call::took).max().unwrap_or_default()
}

fn count(calls: &[Call], outcome: Outcome) -> i128 {
    calls.iter().filter(|call| call.span.outcome == outcome).map(|_| 1).sum()
}

/// Charges that a fault of the table may leave.
#[derive(Clone, Copy, PartialEq)]
enum Charge {
    /// A failed request may have been charged.
    Perhaps,
    /// A failed request was not charged.
    Never,
}

/// Puts the proxy before the table into a mode under load, and takes it out again.
async fn table_fault(name: &str, mode: Mode, charge: Charge) {
    let scene = Scene::start(&[0, 0, 0]).await;
    let pids = scene.pids();
    let mut calls = scene.drive(BEFORE).await;
    scene.table.set(mode);
    let during = scene.drive(DURING).await;
    scene.table.set(Mode::Pass);
    let back = scene.recovered().await;
    calls.extend(during.clone());
    calls.extend(back);
    calls.extend(scene.drive(BEFORE).await);

    let account = scene.account(&calls);
    let charged = scene.charged().await;
    let failed = count(&calls, Outcome::Unknown);
    assert_eq!(account.excess(), 0, "{name}: {account:?}");
    assert_eq!(account.undue, 0, "{name}: {account:?}");
    assert!(account.refused > 0, "{name}: the load was over the limit");
    assert!(charged >= account.admitted, "{name}: {charged} charged, {account:?}");
    let most = match charge {
        Charge::Perhaps => account.admitted + failed,
        Charge::Never => account.admitted,
    };
    assert!(charged <= most, "{name}: {charged} charged, {failed} failed, {account:?}");
    assert!(count(&during, Outcome::Unknown) > 0, "{name}: the fault was not met");
    let errors: Vec<&String> = during.iter().filter_map(|call| call.error.as_ref()).collect();
    assert!(errors.iter().all(|error| error.contains("unavailable")), "{name}: {errors:?}");
    assert!(longest(&during) < CEILING, "{name}: {:?}", longest(&during));
    assert_eq!(scene.pids(), pids, "{name}: nobody was restarted");
    let admitted = account.admitted;
    row(
        name,
        match charge {
            Charge::Perhaps => {
                "admits at most burst + rate·w; charges every admitted request, and perhaps failed ones"
            }
            Charge::Never => {
                "admits at most burst + rate·w; charges the admitted requests and no others"
            }
        },
        &format!(
            "{admitted} admitted of {} allowed, {charged} charged, {failed} failed; at most {} ms",
            account.allowed,
            longest(&during).as_millis()
        ),
    );
}

#[tokio::test]
async fn a_table_that_gets_its_requests_too_late() {
    table_fault(
        "table: requests delayed past the time-out",
        Mode::LateRequests(LATE),
        Charge::Perhaps,
    )
    .await;
}

#[tokio::test]
async fn a_table_that_answers_after_the_client_gave_up() {
    let late = Mode::LateAnswers(LONG);
    table_fault("table: answers after the client gave up", late, Charge::Perhaps).await;
}

#[tokio::test]
async fn a_table_whose_connections_are_cut() {
    table_fault("table: connections cut", Mode::Cut, Charge::Perhaps).await;
}

#[tokio::test]
async fn a_table_whose_connections_are_half_closed() {
    table_fault("table: connections half-closed", Mode::HalfClose, Charge::Perhaps).await;
}

#[tokio::test]
async fn an_environment_that_is_frozen_while_its_connection_is_reset() {
    const ROUNDS: i128 = 15;
    let scene = Scene::start(&[0]).await;
    let frozen = &scene.fleet[0];
    let mut calls = Vec::new();
    for _ in 0..ROUNDS {
        frozen.freeze();
        scene.table.set(Mode::ResetIdle);
        // Slower than the plan's rate, so that every call asks the table.
        let thaw = async {
            sleep(Duration::from_millis(300)).await;
            frozen.thaw();
        };
        let (call, ()) = tokio::join!(scene.call(0), thaw);
        calls.push(call);
    }
    let (admitted, charged) = (count(&calls, Outcome::Admitted), scene.charged().await);
    assert_eq!(admitted, ROUNDS, "{calls:?}");
    assert!(admitted <= charged && charged <= 2 * admitted, "{charged} charged");
    row(
        "an environment is frozen, and its idle connection to the table is reset",
        "decides the next event on a new connection; charges at most one token too many for it",
        &format!("{admitted} of {ROUNDS} decided, {charged} charged"),
    );
}

#[tokio::test]
async fn a_table_that_is_throttled() {
    table_fault("table: throttled", Mode::Throttle, Charge::Never).await;
}

#[tokio::test]
async fn a_table_that_is_deleted_and_created() {
    let scene = Scene::start(&[0, 0, 0]).await;
    let pids = scene.pids();
    let before = scene.drive(BEFORE).await;
    let charged = scene.charged().await;
    scene.delete_table().await;
    let during = scene.drive(DURING).await;
    scene.create_table().await;
    let mut after = scene.recovered().await;
    after.extend(scene.drive(BEFORE).await);

    let (first, second) = (scene.account(&before), scene.account(&after));
    assert_eq!((first.excess(), second.excess()), (0, 0), "{first:?} {second:?}");
    assert_eq!(charged, first.admitted);
    assert_eq!(scene.charged().await, second.admitted + count(&after, Outcome::Unknown));
    assert_eq!(count(&during, Outcome::Admitted), 0, "nobody is let through without a table");
    assert!(longest(&during) < CEILING, "{:?}", longest(&during));
    assert!(first.refused > 0 && second.refused > 0);
    assert_eq!(scene.pids(), pids, "nobody was restarted");
    row(
        "table: deleted, then created again",
        "refuses all requests while the table is missing; each table admits at most burst + rate·w",
        &format!(
            "{} of {}, then {} of {}; none of {} between; at most {} ms",
            first.admitted,
            first.allowed,
            second.admitted,
            second.allowed,
            during.len(),
            longest(&during).as_millis()
        ),
    );
}

#[tokio::test]
async fn a_key_endpoint_that_fails_whoever_starts_meanwhile() {
    let scene = Scene::start(&[0, 0]).await;
    let modes = [
        ("delayed past the time-out", Mode::LateRequests(LONG)),
        ("answers after the client gave up", Mode::LateAnswers(LONG)),
        ("connections cut", Mode::Cut),
        ("connections half-closed", Mode::HalfClose),
    ];
    for (name, mode) in modes {
        scene.keys.set(mode);
        scene.fleet[1].kill();
        // The one that was killed while it waited, and the one that its successor answers.
        let (mut missed, mut known) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            missed.push(scene.call(1).await);
            known.push(scene.call(0).await);
        }
        let pids = scene.pids();
        scene.keys.set(Mode::Pass);
        let back = scene.recovered().await;

        assert!(count(&missed, Outcome::Unknown) == 3, "{name}: {missed:?}");
        let errors: Vec<&String> = missed.iter().filter_map(|call| call.error.as_ref()).collect();
        let closed = |error: &&String| error.contains("unavailable") || *error == "killed";
        assert!(errors.iter().all(closed), "{name}: not a 401, but a failure: {errors:?}");
        assert_eq!(count(&known, Outcome::Unknown), 0, "{name}: {known:?}");
        assert!(longest(&missed) < CEILING, "{name}: {:?}", longest(&missed));
        assert_eq!(scene.pids(), pids, "{name}: nobody was restarted");
        row(
            &format!("keys: {name}"),
            "decides with cached keys; an environment without keys fails, never with 401",
            &format!(
                "{} of {} decided with known keys; without, failed after at most {} ms; back after {} calls",
                known.len(),
                known.len(),
                longest(&missed).as_millis(),
                back.len()
            ),
        );
    }
}

#[tokio::test]
async fn environments_that_are_killed_at_random() {
    let scene = Scene::start(&[0, 0, 0]).await;
    let mut kills = 0;
    let killing = async {
        // Not in step with anything that the load does.
        for (victim, pause) in [(0, 410), (2, 370), (1, 530), (0, 290), (2, 610), (1, 450)] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            scene.fleet[victim].kill();
            kills += 1;
        }
    };
    let (mut calls, ()) = tokio::join!(scene.drive(DURING + BEFORE), killing);
    calls.extend(scene.recovered().await);

    let account = scene.account(&calls);
    let (charged, failed) = (scene.charged().await, count(&calls, Outcome::Unknown));
    assert_eq!((account.excess(), account.undue), (0, 0), "{account:?}");
    assert!(account.refused > 0 && account.admitted > 10, "{account:?}");
    assert!(account.admitted <= charged && charged <= account.admitted + failed, "{account:?}");
    assert!(failed <= kills, "{failed} failed of {kills} killed: {calls:?}");
    row(
        "environments killed at random",
        "admits at most burst + rate·w; a killed environment loses only its own call",
        &format!(
            "{kills} killed, {failed} calls lost; {} admitted of {} allowed, {charged} charged",
            account.admitted, account.allowed
        ),
    );
}

#[tokio::test]
async fn a_clock_that_is_two_seconds_off() {
    for offset in [2_000, -2_000] {
        let scene = Scene::start(&[0, 0, offset]).await;
        // Those whose clocks are behind use the burst up, and then the others find time gone by.
        let behind = if offset > 0 { 0..2 } else { 2..3 };
        let mut calls = scene.drive_some(behind, BEFORE).await;
        calls.extend(scene.drive(DURING).await);
        let (account, charged) = (scene.account(&calls), scene.charged().await);
        assert_eq!(account.excess(), 0, "{offset}: {account:?}");
        assert!(account.refused > 0, "{offset}: {account:?}");
        // A call without an answer may have been charged, or not.
        let unknown = count(&calls, Outcome::Unknown);
        let possible = account.admitted..=account.admitted + unknown;
        assert!(possible.contains(&charged), "{offset}: {charged} not in {possible:?}");
        let early = scene.account_of_one_clock(&calls).excess();
        assert!(early > 0, "{offset}: the clock made no difference");
        row(
            &format!("the clock of one environment of three, {offset:+} ms"),
            "admits at most burst + rate·(w + S), with S = 2 s; charges every admitted request",
            &format!(
                "{} admitted of {} allowed, {charged} charged; {early} of them early",
                account.admitted, account.allowed
            ),
        );
    }
}
