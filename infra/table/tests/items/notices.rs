//! Notices: who tells them, and that each is told once.

use std::time::Duration;

use table::{Claim, Error, Failure, NoticeId, Notices};

use crate::common::{TABLE, serve_table};
use crate::{after, edit, now, raw, since_epoch, text};

const KEEP: Duration = Duration::from_secs(1_000);

fn id(percent: u8) -> NoticeId {
    NoticeId::new("pool#maria", "d20261121", percent).unwrap()
}

#[test]
fn one_id_is_one_item() {
    for (subject, counter) in
        [("", "d20261121"), ("a", "d1#80#a"), ("a", "d-"), ("a", ""), ("a", "x1"), ("a", "d1 ")]
    {
        assert_eq!(NoticeId::new(subject, counter, 80), None, "{subject} {counter}");
    }
}

#[tokio::test]
async fn a_notice_is_claimed_by_one_and_told_once() {
    let served = serve_table().await;
    let notices = Notices::new(served.client.clone(), TABLE);
    assert_eq!(notices.claim(&id(80), now(), after(60), KEEP).await, Ok(Claim::Ours));
    assert_eq!(notices.claim(&id(80), after(59), after(119), KEEP).await, Ok(Claim::Theirs));
    assert_eq!(notices.claim(&id(100), now(), after(60), KEEP).await, Ok(Claim::Ours), "another");
    notices.sent(&id(80), after(1)).await.unwrap();
    for later in [1, 60, 61, 100_000] {
        let claim = notices.claim(&id(80), after(later), after(later + 60), KEEP).await;
        assert_eq!(claim, Ok(Claim::Sent), "{later}");
    }
    let stored = notices.get(&id(80)).await.unwrap().unwrap();
    assert_eq!((stored.claimed_until, stored.sent_at), (after(60), Some(after(1))));
    let item = raw(&served, "NOTICE#d20261121#80#pool#maria").await.unwrap();
    let expires = since_epoch(after(1_060)).as_secs().to_string();
    assert_eq!(item["expires_at"].as_n().unwrap(), &expires);
}

#[tokio::test]
async fn a_claim_ends_by_itself_or_is_given_back_by_its_owner() {
    let served = serve_table().await;
    let notices = Notices::new(served.client.clone(), TABLE);
    notices.claim(&id(80), now(), after(60), KEEP).await.unwrap();
    assert_eq!(notices.claim(&id(80), after(60), after(120), KEEP).await, Ok(Claim::Ours), "ended");
    // The first owner comes late: the claim is another's.
    notices.release(&id(80), after(60)).await.unwrap();
    assert_eq!(notices.claim(&id(80), after(61), after(121), KEEP).await, Ok(Claim::Theirs));
    notices.release(&id(80), after(120)).await.unwrap();
    assert_eq!(notices.claim(&id(80), after(62), after(122), KEEP).await, Ok(Claim::Ours));
    // What was deleted meanwhile is not made again by saying that it was told.
    notices.sent(&id(100), now()).await.unwrap();
    assert_eq!(notices.get(&id(100)).await, Ok(None));
}

#[tokio::test]
async fn damaged_notices_and_a_table_that_is_gone_are_errors() {
    let served = serve_table().await;
    let notices = Notices::new(served.client.clone(), TABLE);
    notices.claim(&id(80), now(), after(60), KEEP).await.unwrap();
    edit(&served, "NOTICE#d20261121#80#pool#maria", "claimed_until", Some(text("soon"))).await;
    let claim = notices.claim(&id(80), after(100), after(160), KEEP).await;
    match claim {
        Err(Error::Damaged(damage)) => {
            assert_eq!((damage.item, damage.attribute.as_str()), ("notice", "claimed_until"));
        }
        other => panic!("{other:?}"),
    }
    served.client.delete_table().table_name(TABLE).send().await.unwrap();
    let gone = Err(Error::Failure(Failure::NoTable));
    assert_eq!(notices.claim(&id(80), now(), after(60), KEEP).await, gone);
    assert_eq!(notices.sent(&id(80), now()).await, Err(Error::Failure(Failure::NoTable)));
}
