//! Each outcome as its line.

use super::*;

fn explain() -> Explain {
    Explain { tollgate: "tollgate".into(), config: "tollgate.toml".into(), first: None }
}

fn report(call: &str, status: u16) -> Report {
    let (method, path) = call.split_once(' ').unwrap();
    Report {
        method: method.into(),
        path: path.into(),
        status,
        caller: Some(Caller { name: "orders-reader".into(), verified: true }),
        stage: "local".to_owned(),
        invocation: Some("id".into()),
        took: Duration::from_millis(3),
        ..Report::default()
    }
}

fn free(remaining: u64) -> Option<Usage> {
    Some(Usage { plan: "free".into(), left: Some((remaining, 10)), ..Usage::default() })
}

fn record(code: &str, detail: Option<&str>) -> Record {
    Record { request_id: "id".into(), code: code.into(), detail: detail.map(str::to_owned) }
}

fn plain(report: &Report, record: Option<&Record>) -> String {
    render(report, record, &explain(), false)
}

#[test]
fn an_allowed_request_shows_its_plan() {
    let report = Report { usage: free(9), ..report("GET /orders", 200) };
    assert_eq!(plain(&report, None), "GET /orders  200  orders-reader  free 9/10  3 ms");
    assert_eq!(report.awaits(), None, "nothing to wait for");
    let cached = Report { cached: true, took: Duration::from_micros(400), ..report.clone() };
    assert_eq!(plain(&cached, None), "GET /orders  200  orders-reader  free 9/10  cached  <1 ms");
    let unlimited = Usage { plan: "gold".into(), ..Usage::default() };
    let of_parent = free(9).map(|usage| Usage { of: Some("custom:tenant".into()), ..usage });
    let tight = Report { usage: of_parent, ..report.clone() };
    let line = "GET /orders  200  orders-reader  free, 9/10 of custom:tenant  3 ms";
    assert_eq!(plain(&tight, None), line);
    let http = Report { usage: Some(unlimited), api: Some("HTTP API"), ..report };
    let line = "GET /orders  200  orders-reader  gold unlimited  3 ms  HTTP API";
    assert_eq!(plain(&http, None), line);
}

#[test]
fn a_401_has_the_authorizer_s_reason_and_a_name_that_is_marked() {
    let refused = Report {
        caller: Some(Caller { name: "orders-reader".into(), verified: false }),
        ..report("GET /orders", 401)
    };
    assert_eq!(refused.awaits(), Some("id"));
    let record = record("claim", Some("the token has expired"));
    assert_eq!(
        plain(&refused, Some(&record)),
        "GET /orders  401  orders-reader (unverified)  claim: the token has expired  3 ms"
    );
    let missing = Report {
        caller: None,
        reason: Some("no Authorization header".into()),
        invocation: None,
        ..refused
    };
    assert_eq!(plain(&missing, None), "GET /orders  401  no Authorization header  3 ms");
}

#[test]
fn the_demonstration_s_configuration_has_a_file_and_the_port_of_its_own() {
    let first = |port| Explain::of(None, port).first.unwrap();
    assert!(first(9401).ends_with(" --print-config > demo.toml"));
    assert!(!first(9401).contains("--issuer-port"));
    assert!(first(9501).ends_with(" --issuer-port 9501 --print-config > demo.toml"));
    assert_eq!(Explain::of(None, 9501).config, "demo.toml");
}

#[test]
fn only_a_checkout_has_tollgate_by_cargo() {
    assert_eq!(tollgate(false, true), "cargo run -q -p admin --");
    for (installed, is_cargos) in [(true, true), (true, false), (false, false)] {
        assert_eq!(tollgate(installed, is_cargos), "tollgate");
    }
}

#[test]
fn a_403_names_the_command_that_explains_it() {
    let refused = Report {
        forbidden: true,
        reason: Some("no rule allows it".into()),
        ..report("DELETE /orders/1", 403)
    };
    let line = "DELETE /orders/1  403  orders-reader  no rule allows it  3 ms";
    let file = "  why? echo \"$TOKEN\" | tollgate policy explain tollgate.toml \\\n         \
                --token --stage local --route 'DELETE /orders/1'";
    let forbidden = record("forbidden", None);
    assert_eq!(plain(&refused, Some(&forbidden)), format!("{line}\n{file}"));
    assert_eq!(plain(&refused, None), format!("{line}\n{file}"), "a cached policy has no record");

    let first = Some("tollgate-local --print-config > tollgate.toml".into());
    let tollgate = "cargo run -q -p admin --".to_owned();
    let demo = Explain { tollgate, first, ..explain() };
    assert_eq!(
        render(&refused, Some(&forbidden), &demo, false).split_once('\n').unwrap().1,
        "  why? tollgate-local --print-config > tollgate.toml\n       \
         echo \"$TOKEN\" | cargo run -q -p admin -- policy explain tollgate.toml \\\n         \
         --token --stage local --route 'DELETE /orders/1'"
    );

    let socket = Report { method: "WS".into(), path: "$connect".into(), ..refused.clone() };
    assert!(plain(&socket, None).ends_with("--route '$connect'"));
    for (code, reason) in [
        ("no_plan", "the caller has no plan"),
        ("long_policy", "the caller's claims make the policy too long"),
    ] {
        let line = format!("DELETE /orders/1  403  orders-reader  {reason}  3 ms");
        assert_eq!(plain(&refused, Some(&record(code, None))), line);
    }
    let looped = record("wrong_parents", Some("the assigned parents form a loop"));
    let line = "DELETE /orders/1  403  orders-reader  \
                wrong_parents: the assigned parents form a loop  3 ms";
    assert_eq!(plain(&refused, Some(&looped)), line);
    // An HTTP API may deny a token that is not good.
    let key = record("key", Some("the issuer publishes no such key"));
    let line = "DELETE /orders/1  403  orders-reader (unverified)  \
                key: the issuer publishes no such key  3 ms";
    assert_eq!(plain(&refused, Some(&key)), line);
}

#[test]
fn a_limit_is_named_whatever_the_status_is() {
    let usage = |left, retry_after| {
        Some(Usage { plan: "free".into(), left, of: None, retry_after, throttled: true })
    };
    for (usage, status, reason) in [
        (usage(Some((0, 10)), Some(1)), 429, "limit 10 of plan free; retry in 1 s"),
        (usage(Some((0, 10)), Some(1)), 403, "limit 10 of plan free; retry in 1 s"),
        (usage(Some((0, 0)), None), 429, "plan free allows no requests"),
        (usage(None, Some(2)), 429, "limit of plan free; retry in 2 s"),
    ] {
        let report = Report { usage, ..report("GET /orders", status) };
        assert_eq!(report.awaits(), None);
        let line = format!("GET /orders  {status}  orders-reader  {reason}  3 ms");
        assert_eq!(plain(&report, None), line);
    }
}

#[test]
fn a_failure_names_its_cause() {
    let failed = Report { reason: Some("the authorizer failed".into()), ..report("GET /", 500) };
    let record = record("config", Some("the default plan is not in the table: create it"));
    assert!(
        plain(&failed, Some(&record))
            .contains("  500  orders-reader (unverified)  config: the default plan is not in the"),
    );
    assert!(plain(&failed, None).contains("  500  orders-reader  the authorizer failed  3 ms"));
}

#[test]
fn a_web_socket_s_events_have_no_status() {
    let message = Report {
        method: "WS".into(),
        path: "echo".into(),
        reason: Some("message of 17 bytes".into()),
        ..report("WS echo", 0)
    };
    assert_eq!(plain(&message, None), "WS echo  orders-reader  message of 17 bytes");
}

#[test]
fn a_long_path_loses_its_middle_and_the_line_fits() {
    let path = format!("GET /orders/{}/lines/last", "0123456789".repeat(20));
    let report = Report { usage: free(9), ..report(&path, 200) };
    let line = plain(&report, None);
    assert_eq!(line.chars().count(), 80, "{line}");
    assert!(line.starts_with("GET /orders/0123") && line.contains("lines/last  200"), "{line}");
    // Where the rest is too long by itself, a path stays legible.
    let name = "n".repeat(500);
    let caller = Some(Caller { name, verified: false });
    let line = plain(&Report { caller, ..report.clone() }, None);
    assert!(line.contains("…") && line.chars().count() < 110, "{line}");
    let refused = Report { forbidden: true, status: 403, ..report };
    assert!(!plain(&refused, None).contains("why?"), "no command with half of a path");
}

#[test]
fn a_caller_cannot_write_to_the_terminal_or_into_a_command() {
    let hostile = "/a\u{1b}[2J\n'$(reboot)`\u{202e}";
    let report = Report {
        path: hostile.into(),
        caller: Some(Caller { name: hostile.into(), verified: true }),
        usage: Some(Usage { plan: hostile.into(), ..Usage::default() }),
        reason: Some(hostile.into()),
        forbidden: true,
        ..report("GET /", 403)
    };
    let text = plain(&report, Some(&record("forbidden", None)));
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()) && !text.contains('\u{202e}'));
    assert!(text.ends_with(r"--route 'GET /a\u001b[2J\n'\''$(reboot)`\u202e'"), "{text}");
    assert_eq!(text.lines().count(), 3, "{text}");
}

#[test]
fn only_a_status_is_coloured() {
    for (status, start) in [(200, "\u{1b}[32m"), (429, "\u{1b}[33m"), (500, "\u{1b}[31m")] {
        let line = render(&report("GET /", status), None, &explain(), true);
        assert_eq!(line, format!("GET /  {start}{status}\u{1b}[0m  orders-reader  3 ms"));
    }
}

#[test]
fn a_reason_of_any_length_is_one_line_that_is_shortened() {
    let reason = Some(format!("begins\n{} ends", "a".repeat(100_000)));
    let line = plain(&Report { reason, ..report("GET /orders", 500) }, None);
    assert!(line.contains("begins\\na") && line.contains("a ends") && !line.contains('\n'));
    assert!(line.chars().count() < 800, "{}", line.len());
}
