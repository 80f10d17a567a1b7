//! The common setting of these tests.

use std::convert::Infallible;
use std::sync::{Arc, LazyLock};

use http::{Request, Response, StatusCode};
use tollgate_throttle::layer::{By, Limits, Plans};
use tollgate_throttle::testing::Faulty;
use tollgate_throttle::{
    Clock, Decision, ManualClock, MemoryStore, Plan, PlanId, Subject, Throttle, Timestamp,
};
use tower::{Service, ServiceExt};

pub(crate) type Memory = Throttle<Faulty<MemoryStore>, ManualClock>;

/// A throttle on a store in memory, with a clock that is moved by hand.
pub(crate) struct Setting {
    pub(crate) clock: ManualClock,
    pub(crate) memory: MemoryStore,
    pub(crate) store: Faulty<MemoryStore>,
    pub(crate) throttle: Arc<Memory>,
}

impl Setting {
    /// The plan `free`, in API Gateway's JSON.
    pub(crate) fn new(plan: &str) -> Self {
        // A day has just begun.
        Self::at(plan, Timestamp::from_secs(86_400))
    }

    pub(crate) fn at(plan: &str, now: Timestamp) -> Self {
        let memory = MemoryStore::new();
        let (store, clock) = (Faulty::new(memory.clone()), ManualClock::at(now));
        let throttle = Arc::new(Throttle::new(store.clone(), clock.clone()));
        let it = Self { clock, memory, store, throttle };
        it.put("free", plan);
        it
    }

    /// A burst of so many, and one more a second.
    pub(crate) fn burst(burst: u32) -> Self {
        Self::new(&format!(r#"{{"throttle": {{"rateLimit": 1, "burstLimit": {burst}}}}}"#))
    }

    pub(crate) fn put(&self, id: &str, plan: &str) {
        self.memory.put_plan(self::plan(id), Plan::from_json(plan).unwrap(), self.clock.now());
    }

    /// By `x-client`, under `free`.
    pub(crate) fn limits(&self) -> Limits {
        self.limits_by(client())
    }

    pub(crate) fn limits_by(&self, by: By) -> Limits {
        Limits::new(Arc::clone(&self.throttle), by, Plans::fixed(plan("free")))
    }

    /// The tokens left to a subject under `free`; takes one.
    pub(crate) async fn left(&self, subject: &str) -> u64 {
        self.ask(subject).await.remaining() + 1
    }

    pub(crate) async fn ask(&self, subject: &str) -> Decision {
        let (subject, plan) = (Subject::new(subject).unwrap(), plan("free"));
        self.throttle.decide(&tollgate_throttle::Request::new(&subject, &plan)).await.unwrap()
    }
}

pub(crate) fn client() -> By {
    By::header("x-client")
}

pub(crate) fn plan(id: &str) -> PlanId {
    PlanId::new(id).unwrap()
}

/// A request of maria's.
pub(crate) fn request() -> Request<String> {
    Request::get("/orders").header("x-client", "maria").body(String::new()).unwrap()
}

/// The same request, as a throttle is asked.
pub(crate) fn asked() -> tollgate_throttle::Request<'static> {
    static ASKED: LazyLock<(Subject, PlanId)> =
        LazyLock::new(|| (Subject::new("maria").unwrap(), plan("free")));
    tollgate_throttle::Request::new(&ASKED.0, &ASKED.1)
}

/// A service that says yes.
pub(crate) async fn yes(_: Request<String>) -> Result<Response<String>, Infallible> {
    Ok(Response::new("yes".to_owned()))
}

/// The answer to a request, by a clone of the service.
pub(crate) async fn answer<S>(service: &S, request: Request<String>) -> Response<String>
where
    S: Service<Request<String>, Response = Response<String>> + Clone,
    S::Error: std::fmt::Debug,
{
    service.clone().oneshot(request).await.unwrap()
}

pub(crate) async fn status<S>(service: &S) -> StatusCode
where
    S: Service<Request<String>, Response = Response<String>> + Clone,
    S::Error: std::fmt::Debug,
{
    answer(service, request()).await.status()
}

pub(crate) fn field<'a>(response: &'a Response<impl Sized>, name: &str) -> Option<&'a str> {
    let mut values = response.headers().get_all(name).iter();
    let value = values.next()?.to_str().unwrap();
    assert!(values.next().is_none(), "one field of a name");
    Some(value)
}
