//! The layer around services, from outside.
//!
//! - `flow`: readiness, cancellation, costs, refunds and settlements, several layers
//! - `answers`: refusals, failures, shadow mode, reports, the fields' style
//! - `callers`: the subjects of requests, and addresses as they arrive
//! - `fields`: the fields parsed as structured fields, and what must hold of them
//! - `lambda`: events of API Gateway and load balancers through `lambda_http`
//! - `loopback`: axum over real connections, many clients at once
//! - `body`, `events`, `ends`, `hang_up`: amounts that are known when a response's body ends
//! - `counted`: requests that the authorizer has counted, and those of cost 0
//! - `within`: users within tenants
//! - `mistakes`: settings that do not fit together
//! - `names`: several layers with buckets of their own

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail loudly"
)]

mod answers;
mod body;
mod callers;
mod counted;
mod ends;
mod events;
mod fields;
mod flow;
mod hang_up;
mod lambda;
mod loopback;
mod meters;
mod mistakes;
mod names;
mod setting;
mod within;

/// The crate's front page is compiled and run, so the README shows the very same lines.
#[test]
fn the_readme_shows_the_three_lines_that_are_run() {
    let (readme, page) = (include_str!("../../../README.md"), include_str!("../../README.md"));
    let block = readme.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(block.lines().count(), 3);
    for line in block.lines() {
        assert!(page.contains(&format!("{line}\n")), "{line}");
    }
}

/// The guide shows the program that its session runs.
#[test]
fn the_guide_shows_the_example_service() {
    let guide = include_str!("../../SERVICE.md").replace("use tollgate_table::", "use table::");
    assert!(guide.contains(include_str!("../../examples/service.rs")));
    let test = include_str!("../service.rs").split_once("\n\n").unwrap().1;
    assert!(guide.contains(test));
}

/// The guide to meters shows the plans and the layer of its example.
#[test]
fn the_guide_to_tokens_shows_the_example() {
    let (guide, example) =
        (include_str!("../../TOKENS.md"), include_str!("../../examples/llm_axum.rs"));
    let documented = include_str!("../../src/layer/body.rs").replace("/// ", "");
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let code = plain(example) + &plain(&documented);
    let blocks: Vec<_> = guide.split("```").skip(1).step_by(2).collect();
    let shown = blocks.iter().filter_map(|block| {
        let (language, text) = block.split_once('\n')?;
        let is_code = text.starts_with("let limits") || text.starts_with('|');
        (language == "json" || is_code).then_some(text)
    });
    assert_eq!(shown.clone().count(), 5);
    for text in shown {
        assert!(code.contains(&plain(text)), "{text}");
    }
}
