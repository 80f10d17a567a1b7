//! Assignments: which plan a subject is under.

use table::{Assignments, Error, WriteError};

use crate::common::{TABLE, serve_table};
use crate::{edit, number, text};

#[tokio::test]
async fn an_assignment_is_put_replaced_and_ended() {
    let served = serve_table().await;
    let assignments = Assignments::new(served.client.clone(), TABLE);
    let maria = "maria";
    let [free, gold] = ["free", "gold"];
    assert_eq!(assignments.get(maria).await.unwrap(), None);
    let first = assignments.put(maria, free, None).await.unwrap();
    assert_eq!((first.plan.as_str(), first.version), (free, 1));
    let conflict = Err(WriteError::Conflict { item: "assignment" });
    assert_eq!(assignments.put(maria, gold, None).await, conflict);
    assert_eq!(assignments.put(maria, gold, Some(2)).await, conflict);
    let second = assignments.put(maria, gold, Some(1)).await.unwrap();
    assert_eq!(assignments.get(maria).await.unwrap(), Some(second.clone()));
    assert_eq!(assignments.put(maria, free, Some(1)).await, conflict);
    assert_eq!(assignments.list(None).await.unwrap().items, [second]);
    assert_eq!(assignments.delete(maria).await, Ok(true));
    assert_eq!(assignments.delete(maria).await, Ok(false));
    assert_eq!(assignments.put(maria, free, Some(2)).await, conflict);
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
        ("version", None),
        ("version", Some(text("1"))),
    ] {
        let _ = assignments.delete(maria).await;
        assignments.put(maria, "free", None).await.unwrap();
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
