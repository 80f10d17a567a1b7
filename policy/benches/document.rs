//! What does one decision cost: rules asked, document built, JSON written?
//!
//! Half of the rules apply to the caller; see `tests/shop/mod.rs`. `to_json` is the text that
//! [`policy::Document::to_json`] gives, `serde` the same through serde_json, as a part of a larger
//! answer is written. `verdict` asks for one route alone.
#![expect(clippy::unwrap_used, reason = "a benchmark may fail loudly")]

#[path = "../tests/shop/mod.rs"]
mod shop;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use policy::{Caller, MethodArn};
use serde_json::{Map, json};

fn decide(criterion: &mut Criterion) {
    let claims =
        Map::from_iter([("sub".to_owned(), json!("7e1a2b3c-0000-4000-8000-000000000001"))]);
    let arn = format!("{}/GET/resource-0", shop::STAGE);
    for count in [20, 200] {
        let rules = shop::rules(count);
        let mut group = criterion.benchmark_group(format!("{count} rules"));
        let caller = || Caller::new(&claims).with_scopes(["even"]);
        group.bench_function("to_json", |bencher| {
            bencher.iter(|| {
                let arn = MethodArn::parse(black_box(&arn)).unwrap();
                rules.document(&caller(), &arn).unwrap().to_json()
            });
        });
        group.bench_function("serde", |bencher| {
            bencher.iter(|| {
                let arn = MethodArn::parse(black_box(&arn)).unwrap();
                serde_json::to_vec(&rules.document(&caller(), &arn).unwrap()).unwrap()
            });
        });
        group.bench_function("verdict", |bencher| {
            bencher.iter(|| {
                let arn = MethodArn::parse(black_box(&arn)).unwrap();
                rules.verdict(&caller(), &arn).is_authorized()
            });
        });
    }
}

criterion_group!(benches, decide);
criterion_main!(benches);
