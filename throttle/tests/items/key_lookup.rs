//! Look-ups for a request: kept for a while, and never too long.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use table::{Assignment, Assignments, ChainProblem, Key, KeyDetails, KeyRecord, Keys};
use tollgate_throttle::{
    ApiKey, Failure, KeyAnswer, KeyLookup, ManualClock, Parent, ParentsError, PlanId, StoreError,
    Subject,
};

use crate::common::{Served, TABLE, serve, serve_table};
use crate::counted::Counted;
use crate::{after, edit, now};

const KEEP: Duration = Duration::from_secs(60);

struct Desk {
    lookup: KeyLookup<ManualClock>,
    clock: ManualClock,
    counted: Counted,
    keys: Keys,
    assignments: Assignments,
}

fn desk(served: &Served) -> Desk {
    let (clock, counted) = (ManualClock::default(), Counted::default());
    let client = counted.client(&served.client);
    Desk {
        lookup: KeyLookup::new(&client, TABLE, clock.clone(), KEEP),
        clock,
        counted,
        keys: Keys::new(served.client.clone(), TABLE),
        assignments: Assignments::new(served.client.clone(), TABLE),
    }
}

async fn create(keys: &Keys, details: KeyDetails) -> (Key, KeyRecord) {
    let key = Key::generate().unwrap();
    let record = keys.put(&key, details, now()).await.unwrap();
    (key, record)
}

/// The key of an answer that accepts it.
#[track_caller]
fn valid(answer: Result<KeyAnswer, StoreError>) -> Arc<ApiKey> {
    let Ok(KeyAnswer::Valid(key)) = answer else { panic!("{answer:?}") };
    key
}

fn details() -> KeyDetails {
    KeyDetails::new("maria")
}

#[tokio::test]
async fn a_key_is_looked_up_once_a_minute() {
    let served = serve_table().await;
    let desk = desk(&served);
    let (key, record) = create(&desk.keys, details()).await;
    for calls in [1, 0, 0] {
        let found = valid(desk.lookup.key(key.expose(), None).await);
        assert_eq!(found.record, record);
        assert_eq!((found.subject.as_str(), &found.plan), ("maria", &None));
        assert_eq!(desk.counted.take().calls, calls);
    }
    // Disabled meanwhile: noticed when the minute is over.
    desk.keys.set_enabled(&record.digest, false).await.unwrap();
    desk.clock.advance(KEEP - Duration::from_nanos(1));
    valid(desk.lookup.key(key.expose(), None).await);
    desk.clock.advance(Duration::from_nanos(1));
    assert_eq!(desk.lookup.key(key.expose(), None).await, Ok(KeyAnswer::Disabled));
    assert_eq!(desk.counted.take().calls, 1);
}

#[tokio::test]
async fn a_kept_key_expires_to_the_nanosecond() {
    let served = serve_table().await;
    let desk = desk(&served);
    let expiring = KeyDetails { expires: Some(after(30).into()), ..details() };
    let (key, _) = create(&desk.keys, expiring).await;
    desk.clock.advance(Duration::from_secs(30) - Duration::from_nanos(1));
    valid(desk.lookup.key(key.expose(), None).await);
    desk.clock.advance(Duration::from_nanos(1));
    assert_eq!(desk.lookup.key(key.expose(), None).await, Ok(KeyAnswer::Expired));
    assert_eq!(desk.counted.take().calls, 1, "kept");
}

#[tokio::test]
async fn an_unknown_key_is_looked_up_once_and_none_that_cannot_be_one() {
    let served = serve_table().await;
    let desk = desk(&served);
    let unknown = Key::generate().unwrap();
    for calls in [1, 0] {
        assert_eq!(desk.lookup.key(unknown.expose(), None).await, Ok(KeyAnswer::Unknown));
        assert_eq!(desk.counted.take().calls, calls);
    }
    let mut mistyped = unknown.expose().to_owned();
    mistyped.pop();
    mistyped.push('g');
    for text in ["", "short", &"x".repeat(129), "apikey1234 with a space in it", "\0", &mistyped] {
        assert_eq!(desk.lookup.key(text, None).await, Ok(KeyAnswer::Malformed));
    }
    assert_eq!(desk.counted.take().calls, 0);
}

#[tokio::test]
async fn a_plan_is_the_keys_or_the_subjects() {
    let served = serve_table().await;
    let desk = desk(&served);
    let [free, gold] = ["free", "gold"].map(|plan| PlanId::new(plan).unwrap());
    let maria = Subject::new("maria").unwrap();
    let plain = create(&desk.keys, details()).await.0;
    let own = create(&desk.keys, details().with_plan(gold.as_str())).await.0;
    let plain = valid(desk.lookup.key(plain.expose(), None).await);
    let own = valid(desk.lookup.key(own.expose(), None).await);
    assert_eq!(desk.counted.take().calls, 2);
    assert_eq!(desk.lookup.plan_of_key(&own).await, Ok(Some(gold)));
    assert_eq!(desk.counted.take().calls, 0);
    assert_eq!(desk.lookup.plan_of_key(&plain).await, Ok(None));
    desk.assignments.put(Assignment::new("maria").with_plan("free")).await.unwrap();
    assert_eq!(desk.lookup.plan_of(&maria).await, Ok(None), "kept");
    desk.clock.advance(KEEP);
    assert_eq!(desk.lookup.plan_of_key(&plain).await, Ok(Some(free)));
    assert_eq!(desk.counted.take().calls, 2);
}

#[tokio::test]
async fn parents_are_found_nearest_first_and_cached_as_plans_are() {
    let served = serve_table().await;
    let desk = desk(&served);
    let assign = async |subject: &str, plan: Option<&str>, parent: Option<&str>| {
        let assignment = Assignment {
            plan: plan.map(str::to_owned),
            parent: parent.map(str::to_owned),
            ..Assignment::new(subject)
        };
        desk.assignments.put(assignment).await.unwrap();
    };
    let parents = async |subject: &str| {
        let found = desk.lookup.parents_of(&Subject::new(subject).unwrap()).await;
        found.map(|all| {
            let shown =
                |it: Parent| (it.subject.as_str().to_owned(), it.plan.map(|plan| plan.to_string()));
            all.into_iter().map(shown).collect::<Vec<_>>()
        })
    };
    assign("maria", None, Some("team")).await;
    assign("team", Some("gold"), Some("acme")).await;
    assign("acme", Some("silver"), Some("holding")).await;
    let known = |name: &str, plan: Option<&str>| (name.to_owned(), plan.map(str::to_owned));
    let all =
        vec![known("team", Some("gold")), known("acme", Some("silver")), known("holding", None)];
    assert_eq!(parents("maria").await, Ok(all.clone()));
    assert_eq!(desk.counted.take().calls, 4);
    assert_eq!(parents("maria").await, Ok(all.clone()));
    assert_eq!(parents("team").await, Ok(all[1..].to_vec()));
    assert_eq!(parents("holding").await, Ok(vec![]));
    let maria = Subject::new("maria").unwrap();
    assert_eq!(desk.lookup.plan_of(&maria).await, Ok(None));
    assert_eq!(desk.counted.take().calls, 0, "cached, with the plans");
    assert_eq!(parents("nobody").await, Ok(vec![]));
    assert_eq!(desk.counted.take().calls, 1);

    // A fifth level refuses the lowest, and only it.
    assign("holding", Some("gold"), Some("world")).await;
    desk.clock.advance(KEEP);
    assert_eq!(parents("maria").await, Err(ParentsError::Chain(ChainProblem::TooLong)));
    assert_eq!(parents("team").await.map(|all| all.len()), Ok(3));
    assert!(desk.counted.take().calls <= 6);
}

#[tokio::test]
async fn parents_that_lead_back_are_an_error_each_time_and_never_endless() {
    let served = serve_table().await;
    let desk = desk(&served);
    for (subject, parent) in
        [("a", "b"), ("b", "c"), ("c", "a"), ("d", "e"), ("e", "f"), ("f", "e")]
    {
        desk.assignments.put(Assignment::new(subject).with_parent(parent)).await.unwrap();
    }
    for _ in 0..2 {
        for subject in ["a", "b", "c", "d", "e", "f"] {
            let found = desk.lookup.parents_of(&Subject::new(subject).unwrap()).await;
            assert_eq!(found, Err(ParentsError::Chain(ChainProblem::Loop)), "{subject}");
        }
    }
    assert_eq!(desk.counted.take().calls, 6);
    // One that is its own parent is damaged when it is read.
    desk.assignments.put(Assignment::new("g").with_parent("h")).await.unwrap();
    edit(&served, "SUBJECT#g", "parent", Some(crate::text("g"))).await;
    let found = desk.lookup.parents_of(&Subject::new("g").unwrap()).await;
    match found {
        Err(ParentsError::Store(StoreError::Damaged(damage))) => {
            let says = "the assignment item is damaged: `parent` is the subject itself";
            assert!(damage.to_string().starts_with(says), "{damage}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_cannot_be_looked_up_is_an_error_each_time() {
    let served = serve().await;
    let desk = desk(&served);
    let key = Key::generate().unwrap();
    for _ in 0..2 {
        let failed = StoreError::Failure(Failure::NoTable);
        assert_eq!(desk.lookup.key(key.expose(), None).await, Err(failed.clone()));
        assert_eq!(desk.lookup.plan_of(&Subject::new("maria").unwrap()).await, Err(failed));
        assert_eq!(desk.counted.take().calls, 2);
    }
}

#[tokio::test]
async fn a_damaged_key_lets_nobody_through() {
    let served = serve_table().await;
    let desk = desk(&served);
    let (key, record) = create(&desk.keys, details()).await;
    edit(&served, &format!("KEY#{}", record.digest), "enabled", None).await;
    assert!(matches!(desk.lookup.key(key.expose(), None).await, Err(StoreError::Damaged(_))));
}

#[tokio::test]
async fn a_hundred_thousand_unknown_keys_make_few_reads_and_evict_no_known_key() {
    let served = serve_table().await;
    let desk = desk(&served);
    let known = create(&desk.keys, details()).await.0;
    valid(desk.lookup.key(known.expose(), None).await);
    assert_eq!((desk.counted.take().calls, desk.lookup.reads()), (1, 1));
    let mut over = 0;
    for number in 0..100_000_u32 {
        // From a thousand addresses.
        let from = Some(IpAddr::V4((number % 1_000).into()));
        match desk.lookup.key(&format!("an-unknown-key-{number:06}"), from).await {
            Ok(KeyAnswer::OverBudget) => over += 1,
            answer => assert_eq!(answer, Ok(KeyAnswer::Unknown)),
        }
        if number % 1_000 == 0 {
            valid(desk.lookup.key(known.expose(), from).await);
        }
    }
    // One for each address, because together they are more than 600.
    assert_eq!((desk.counted.take().calls, over), (1_000, 99_000));
    assert_eq!(desk.lookup.reads(), 1_001);
    // A key that was found before is read again from any address, and a new one from another.
    desk.clock.advance(KEEP - Duration::from_secs(1));
    let new = create(&desk.keys, details()).await.0;
    let spent = Some(IpAddr::V4(0.into()));
    assert_eq!(desk.lookup.key(new.expose(), spent).await, Ok(KeyAnswer::OverBudget));
    valid(desk.lookup.key(new.expose(), Some(IpAddr::V4(5_000.into()))).await);
    desk.clock.advance(Duration::from_secs(1));
    valid(desk.lookup.key(known.expose(), spent).await);
    assert_eq!(desk.counted.take().calls, 2);
}

#[tokio::test]
async fn many_requests_with_one_unknown_key_at_once_read_it_once_or_not_at_all() {
    let served = serve_table().await;
    let desk = desk(&served);
    let unknown = Key::generate().unwrap();
    let all = (0..50).map(|_| desk.lookup.key(unknown.expose(), None));
    let answers = futures_util::future::join_all(all).await;
    let refused = |answer: &Result<KeyAnswer, _>| {
        matches!(answer, Ok(KeyAnswer::Unknown | KeyAnswer::OverBudget))
    };
    assert!(answers.iter().all(refused), "{answers:?}");
    assert_eq!(desk.counted.take().calls, 1);
}
