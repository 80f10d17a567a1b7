//! Measures the layer around a service while a lease is held.
//!
//! One subject, named by a header, under a plan with a rate and a quota; a service that answers at
//! once with an empty body; the clock is the machine's. `bare` is that service by itself, and
//! making and dropping the request is in all figures: the layer's cost is the difference.
//! Each future is polled once, since nothing is waited for.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a bench may fail loudly")]

mod clock;

use std::convert::Infallible;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use clock::Standing;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{Request, Response};
use tollgate_throttle::layer::{By, Limits, Plans};
use tollgate_throttle::{Clock, Leases, MemoryStore, Plan, PlanId, SystemClock, Throttle};
use tower::{Layer, Service, service_fn};

fn request() -> Request<String> {
    Request::get("/orders").header("x-client", "orders-reader").body(String::new()).unwrap()
}

fn call<S>(service: &mut S) -> Response<String>
where
    S: Service<Request<String>, Response = Response<String>, Error = Infallible>,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    let response = pin!(service.call(black_box(request())));
    match response.poll(&mut cx) {
        Poll::Ready(response) => response.unwrap(),
        Poll::Pending => panic!("nothing is waited for"),
    }
}

fn layer(criterion: &mut Criterion) {
    let (store, clock) = (MemoryStore::new(), SystemClock::new());
    let free = PlanId::new("free").unwrap();
    let plan = r#"{"throttle": {"rateLimit": 1000000, "burstLimit": 100000000},
        "quota": {"limit": 1000000000000, "period": "DAY"}}"#;
    store.put_plan(free.clone(), Plan::from_json(plan).unwrap(), clock.now());
    let throttle = Throttle::new(store, Standing(clock)).leases(Leases::adaptive());
    let throttle = Arc::new(throttle);
    let by = By::header("x-client");
    let limits = Limits::new(Arc::clone(&throttle), by, Plans::fixed(free));

    let mut bare = service_fn(|_: Request<String>| async {
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let mut limited = limits.layer(bare);
    criterion.bench_function("bare", |bencher| bencher.iter(|| call(&mut bare)));
    criterion.bench_function("layer", |bencher| bencher.iter(|| call(&mut limited)));
    let counts = throttle.stats();
    assert!(counts.leased * 10 > counts.allowed * 9, "{counts:?}");
    println!("{counts:?}");
}

criterion_group!(benches, layer);
criterion_main!(benches);
