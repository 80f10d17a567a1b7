//! The cost of an invocation through the real Runtime API, beside a function that does nothing.
//!
//!     cargo bench -p tests --bench invocation [-- --json]
//!
//! Three questions, each asked of the release executables: how long after the event is handed out
//! its answer is there; how long after its start a process asks for its first event; and how much
//! memory it holds after 10,000 tokens. The Runtime API is served by a thread of this process over
//! loopback, so each figure has the same few system calls and two context switches in it: the
//! difference to the `hello world` row is the authorizer's own. Rounds alternate between the
//! processes, so that a busy moment of the machine hits all of them. Linux alone: memory is read
//! from /proc.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark that can't measure should say so loudly"
)]

mod function;
mod http;
mod report;
mod runtime_api;
mod table;
mod tokens;

use std::path::Path;
use std::time::Duration;

use function::{Function, Setting};
use report::Report;
use runtime_api::Answer;
use tokens::Issuer;

/// Rounds of invocations, and invocations of each kind a round.
const ROUNDS: usize = 20;
const A_ROUND: usize = 100;

/// Starts of each process.
const STARTS: usize = 15;

/// Tokens after which the memory is read.
const TOKENS: usize = 10_000;

fn main() {
    // `cargo test --benches` and `cargo bench` both end up here; only the latter is to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let json = std::env::args().any(|argument| argument == "--json");
    eprintln!("building the release executables");
    let hello = tests::release(&["--package", "tests", "--example", "hello"], "examples/hello");
    let authorizer = tests::release(&["--package", "tollgate-authorizer"], "authorizer");

    let issuer = Issuer::start();
    let table = table::serve();
    let without = issuer.setting();
    let with = issuer.setting_with_table(&table);

    let mut report = Report::default();
    starts(&mut report, &hello, &authorizer, &without, &with);
    invocations(&mut report, &hello, &authorizer, &issuer, [&without, &with]);
    memory(&mut report, &authorizer, &issuer, &without);
    report.executables(&[("hello world", &hello), ("authorizer", &authorizer)]);
    if json { report.print_json() } else { report.print() }
}

fn starts(report: &mut Report, hello: &Path, authorizer: &Path, without: &Setting, with: &Setting) {
    eprintln!("{STARTS} starts of each");
    let none = Setting::default();
    let rows = [
        ("hello world", hello, &none),
        ("authorizer", authorizer, without),
        ("authorizer with a table", authorizer, with),
    ];
    let mut times = rows.map(|_| Vec::new());
    for _ in 0..STARTS {
        for ((_, executable, setting), times) in rows.iter().zip(&mut times) {
            times.push(Function::start(executable, setting).time_to_first_poll());
        }
    }
    for ((name, ..), times) in rows.iter().zip(times) {
        report.start(name, times);
    }
}

fn invocations(
    report: &mut Report,
    hello: &Path,
    authorizer: &Path,
    issuer: &Issuer,
    [without, with]: [&Setting; 2],
) {
    eprintln!("{ROUNDS} rounds of {A_ROUND} invocations of each kind");
    let tokens = issuer.tokens(ROUNDS * A_ROUND);
    let known = issuer.event(&issuer.tokens(1).pop().unwrap());
    let events: Vec<String> = tokens.iter().map(|token| issuer.event(token)).collect();
    let mut hello = Function::start(hello, &Setting::default());
    let mut plain = Function::start(authorizer, without);
    let mut limited = Function::start(authorizer, with);
    for function in [&mut hello, &mut plain, &mut limited] {
        for _ in 0..20 {
            function.invoke(&known);
        }
    }
    let mut times: [Vec<Duration>; 4] = Default::default();
    for round in events.chunks(A_ROUND) {
        let again = vec![known.clone(); round.len()];
        let [empty, new, seen, counted] = &mut times;
        empty.extend(hello.invoke_all(round).iter().map(|answer| answer.took));
        new.extend(allowed(&plain.invoke_all(round)));
        seen.extend(allowed(&plain.invoke_all(&again)));
        counted.extend(allowed(&limited.invoke_all(&again)));
    }
    let names = [
        "hello world",
        "authorizer, new token",
        "authorizer, known token",
        "authorizer, known token, with a table",
    ];
    for (name, times) in names.into_iter().zip(times) {
        report.invocation(name, times);
    }
}

/// The times of answers, each of which must allow its request.
fn allowed(answers: &[Answer]) -> impl Iterator<Item = Duration> {
    answers.iter().for_each(Answer::must_allow);
    answers.iter().map(|answer| answer.took)
}

fn memory(report: &mut Report, authorizer: &Path, issuer: &Issuer, setting: &Setting) {
    eprintln!("memory after {TOKENS} tokens");
    let mut function = Function::start(authorizer, setting);
    let first = issuer.event(&issuer.tokens(1).pop().unwrap());
    function.invoke(&first).must_allow();
    let before = function.memory();
    for _ in 0..TOKENS / 1000 {
        for token in issuer.tokens(1000) {
            function.invoke(&issuer.event(&token)).must_allow();
        }
    }
    report.memory("authorizer, after its first token", before);
    report.memory("authorizer, after 10,000 tokens", function.memory());
}
