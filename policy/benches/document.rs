//! The cost of one evaluation: rules, document and its size check; then its JSON.
//!
//! Half of the rules apply to the caller; see `tests/shop/mod.rs`.
#![expect(clippy::unwrap_used, reason = "a benchmark may fail loudly")]

#[path = "../tests/shop/mod.rs"]
mod shop;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Map, json};
use tollgate_policy::{Caller, MethodArn};

fn evaluate(criterion: &mut Criterion) {
    let claims =
        Map::from_iter([("sub".to_owned(), json!("7e1a2b3c-0000-4000-8000-000000000001"))]);
    let arn = format!("{}/GET/resource-0", shop::STAGE);
    for count in [10, 20, 200] {
        let rules = shop::rules(count);
        let mut group = criterion.benchmark_group(format!("{count} rules"));
        let evaluate = || {
            let arn = MethodArn::parse(black_box(&arn)).unwrap();
            let caller = Caller::new(&claims).with_scopes(["even"]);
            rules.evaluate(&caller, &arn).document.unwrap()
        };
        group.bench_function("evaluate", |bencher| bencher.iter(evaluate));
        group.bench_function("evaluate and serialize", |bencher| {
            bencher.iter(|| serde_json::to_string(&evaluate()).unwrap());
        });
    }
}

criterion_group!(benches, evaluate);
criterion_main!(benches);
