//! Assignments: the plan and the parent of a subject.

use table::{Assignment, Assignments, ChainProblem, Error, ParentError, WriteError};

use crate::common::{TABLE, serve_table};
use crate::{edit, number, text};

#[tokio::test]
async fn an_assignment_is_put_replaced_and_ended() {
    let served = serve_table().await;
    let assignments = Assignments::new(served.client.clone(), TABLE);
    let maria = "maria";
    let [free, gold] = ["free", "gold"].map(|plan| Assignment::new(maria).with_plan(plan));
    let version = |assignment: &Assignment, version| Assignment { version, ..assignment.clone() };
    assert_eq!(assignments.get(maria).await.unwrap(), None);
    let first = assignments.put(free.clone()).await.unwrap();
    assert_eq!((first.plan.as_deref(), first.version), (Some("free"), 1));
    let conflict = Err(WriteError::Conflict { item: "assignment" });
    assert_eq!(assignments.put(gold.clone()).await, conflict);
    assert_eq!(assignments.put(version(&gold, 2)).await, conflict);
    let second = assignments.put(first.clone().with_plan("gold")).await.unwrap();
    assert_eq!(second, version(&gold, 2));
    assert_eq!(assignments.get(maria).await.unwrap(), Some(second.clone()));
    assert_eq!(assignments.put(first).await, conflict);
    assert_eq!(assignments.list(None).await.unwrap().items, [second]);
    assert_eq!(assignments.delete(maria).await, Ok(true));
    assert_eq!(assignments.delete(maria).await, Ok(false));
    assert_eq!(assignments.put(version(&free, 2)).await, conflict);
}

#[tokio::test]
async fn a_parent_is_stored_with_or_without_a_plan() {
    let served = serve_table().await;
    let assignments = Assignments::new(served.client.clone(), TABLE);
    let of_tenant = Assignment::new("maria").with_parent("acme");
    let first = assignments.put(of_tenant).await.unwrap();
    assert_eq!(assignments.get("maria").await.unwrap(), Some(first.clone()));
    assert_eq!((first.plan.as_deref(), first.parent.as_deref()), (None, Some("acme")));
    // What was read is written back whole.
    let second = assignments.put(first.with_plan("gold")).await.unwrap();
    assert_eq!((second.plan.as_deref(), second.parent.as_deref()), (Some("gold"), Some("acme")));
    assert_eq!(assignments.get("maria").await.unwrap(), Some(second));
}

#[tokio::test]
async fn an_assignment_of_nothing_or_of_itself_is_not_written() {
    let served = serve_table().await;
    let assignments = Assignments::new(served.client.clone(), TABLE);
    for (assignment, attribute) in [
        (Assignment::new("maria"), "plan_id"),
        (Assignment::new("maria").with_plan(""), "plan_id"),
        (Assignment::new("maria").with_plan("free").with_parent("maria"), "parent"),
        (Assignment::new("maria").with_parent(""), "parent"),
        (Assignment::new("maria").with_parent("a\nb"), "parent"),
        (Assignment::new("maria").with_parent("x".repeat(513)), "parent"),
    ] {
        match assignments.put(assignment).await {
            Err(WriteError::Damaged(damage)) => assert_eq!(damage.attribute, attribute),
            other => panic!("{attribute}: {other:?}"),
        }
    }
    assert_eq!(assignments.get("maria").await.unwrap(), None);
}

#[tokio::test]
async fn damaged_assignments_are_refused() {
    let served = serve_table().await;
    let assignments = Assignments::new(served.client.clone(), TABLE);
    let maria = "maria";
    for (attribute, value) in [
        ("plan_id", None),
        ("plan_id", Some(text(&"x".repeat(129)))),
        ("plan_id", Some(number(5))),
        ("parent", Some(text(""))),
        ("parent", Some(text("maria"))),
        ("parent", Some(text(&"x".repeat(513)))),
        ("parent", Some(number(5))),
        ("version", None),
        ("version", Some(text("1"))),
    ] {
        let _ = assignments.delete(maria).await;
        assignments.put(Assignment::new(maria).with_plan("free")).await.unwrap();
        edit(&served, "SUBJECT#maria", attribute, value).await;
        match assignments.get(maria).await {
            Err(Error::Damaged(damage)) => {
                assert_eq!((damage.item, damage.attribute.as_str()), ("assignment", attribute));
                assert!(!damage.to_string().contains("maria"));
            }
            other => panic!("{attribute}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_chain_is_followed_to_its_end_a_loop_or_the_fifth_level() {
    let served = serve_table().await;
    let assignments = Assignments::new(served.client.clone(), TABLE);
    let pairs =
        [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("x", "y"), ("y", "x"), ("z", "x")];
    for (subject, parent) in pairs {
        assignments.put(Assignment::new(subject).with_parent(parent)).await.unwrap();
    }
    for (subject, names, problem) in [
        ("e", "`e`", None),
        ("d", "`d` → `e`", None),
        ("b", "`b` → `c` → `d` → `e`", None),
        ("a", "`a` → `b` → `c` → `d` → `e`", Some(ChainProblem::TooLong)),
        ("x", "`x` → `y` → `x`", Some(ChainProblem::Loop)),
        ("z", "`z` → `x` → `y` → `x`", Some(ChainProblem::Loop)),
    ] {
        let own = assignments.get(subject).await.unwrap();
        let own = own.unwrap_or_else(|| Assignment::new(subject));
        let chain = assignments.chain(&own).await.unwrap();
        assert_eq!((chain.shown().as_str(), chain.problem), (names, problem));
        assert!(chain.parents.len() <= table::MAX_PARENTS);
    }
}

#[tokio::test]
async fn a_parent_that_became_wrong_meanwhile_is_taken_back() {
    let served = serve_table().await;
    let assignments = Assignments::new(served.client.clone(), TABLE);
    assignments.put(Assignment::new("b").with_parent("a")).await.unwrap();
    // Both were read before the other's write.
    let [new, old] = [Assignment::new("a"), Assignment::new("a").with_plan("gold")];
    let refused = assignments.put_within(new.clone().with_parent("b"), &new).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`a` → `b` → `a` is a loop: name another parent; it was assigned meanwhile, so nothing was \
         changed"
    );
    assert_eq!(assignments.get("a").await.unwrap(), None);
    let old = assignments.put(old).await.unwrap();
    assert!(assignments.put_within(old.clone().with_parent("b"), &old).await.is_err());
    let kept = assignments.get("a").await.unwrap().unwrap();
    assert_eq!((kept.plan.as_deref(), kept.parent, kept.version), (Some("gold"), None, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parents_that_are_assigned_at_once_never_form_a_loop() {
    let served = serve_table().await;
    let assignments = Assignments::new(served.client.clone(), TABLE);
    let mut refused = 0;
    for round in 0..40 {
        // A ring of two or three, each of which is checked before any is written.
        let ring: Vec<_> = (0..2 + round % 2).map(|at| format!("{round}-{at}")).collect();
        let tasks: Vec<_> = (0..ring.len())
            .map(|at| {
                let (assignments, own) = (assignments.clone(), Assignment::new(ring[at].as_str()));
                let parent = ring[(at + 1) % ring.len()].clone();
                tokio::spawn(async move {
                    assignments.put_within(own.clone().with_parent(parent), &own).await
                })
            })
            .collect();
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => {}
                Err(ParentError::Chain { problem: ChainProblem::Loop, .. }) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        for subject in &ring {
            let Some(own) = assignments.get(subject).await.unwrap() else { continue };
            let chain = assignments.chain(&own).await.unwrap();
            assert_eq!(chain.problem, None, "{}", chain.shown());
        }
    }
    assert!(refused >= 40, "each ring would be a loop: {refused}");
}
