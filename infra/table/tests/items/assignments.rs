//! Assignments: the plan and the parent of a subject.

use table::{Assignment, Assignments, Error, WriteError};

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
