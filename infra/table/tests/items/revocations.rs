//! Revocations, and the moments at which they apply.

use std::time::SystemTime;

use table::{Error, Failure, Revocable, Revocation, RevocationKind, Revocations};

use crate::common::{Served, TABLE, serve, serve_table};
use crate::counted::{Counted, Counts};
use crate::{after, edit, now, number, raw, since_epoch, text};

const ISSUER: &str = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abc";

fn revocations(served: &Served) -> Revocations {
    Revocations::new(served.client.clone(), TABLE)
}

#[tokio::test]
async fn each_kind_is_put_found_and_taken_back() {
    let served = serve_table().await;
    let revocations = revocations(&served);
    let targets = [
        Revocable::token(ISSUER, "jti-1"),
        Revocable::session(ISSUER, "origin-1"),
        Revocable::user(ISSUER, "maria"),
        Revocable::client(ISSUER, "orders"),
    ];
    assert_eq!(revocations.get_many(&targets).await.unwrap(), []);
    for target in targets {
        let revocation = Revocation::new(target, now(), after(3_600));
        let revocation = revocation.with_reason("lost laptop").unwrap();
        assert_eq!(revocations.put(&revocation).await.unwrap(), revocation);
        assert_eq!(revocations.get(&target).await.unwrap(), Some(revocation.clone()));
        assert_eq!(revocations.get_many(&[target]).await.unwrap(), [revocation]);
    }
    let mut found = revocations.get_many(&targets).await.unwrap();
    found.sort_by_key(Revocation::target);
    assert_eq!(found.iter().map(Revocation::target).collect::<Vec<_>>(), targets);
    assert_eq!(revocations.list(None).await.unwrap().items.len(), 4);
    for target in targets {
        let [before, after] = [(); 2].map(|()| revocations.delete(&target));
        assert_eq!((before.await, after.await), (Ok(true), Ok(false)));
    }
    assert_eq!(revocations.get_many(&targets).await.unwrap(), []);
}

#[tokio::test]
async fn an_item_holds_no_id_and_expires_by_itself() {
    let served = serve_table().await;
    let target = Revocable::user(ISSUER, "maria");
    revocations(&served).put(&Revocation::new(target, now(), after(60))).await.unwrap();
    let item = raw(&served, &format!("REVOKED#{target}")).await.unwrap();
    assert!(!format!("{item:?}").contains("maria"));
    assert_eq!(item["expires_at"], number(since_epoch(after(60)).as_secs()));
    assert_eq!(item["issued_before"], number(since_epoch(now()).as_nanos()));
    assert_eq!(item.len(), 4, "{item:?}");
}

#[tokio::test]
async fn a_look_up_of_four_is_one_call() {
    let served = serve_table().await;
    let counted = Counted::default();
    let revocations = Revocations::new(counted.client(&served.client), TABLE);
    let targets = ["a", "b", "c"].map(|id| Revocable::token(ISSUER, id));
    let [a, b, c] = targets;
    assert_eq!(revocations.get_many(&[]).await.unwrap(), []);
    assert_eq!(counted.take(), Counts::default());
    // One that is asked for twice is read once.
    assert_eq!(revocations.get_many(&[a, b, c, a]).await.unwrap(), []);
    assert_eq!(counted.take(), Counts { calls: 1, tenths: 30 });
}

#[tokio::test]
async fn a_revocation_is_not_weakened_by_another() {
    let served = serve_table().await;
    let revocations = revocations(&served);
    let user = Revocable::user(ISSUER, "maria");
    let long = Revocation::new(user, now(), after(3_600));
    revocations.put(&long).await.unwrap();
    // Shorter, and of more tokens: what is stored is of more tokens, and as long as before.
    let wide = Revocation::new(user, after(10), after(60));
    let both = revocations.put(&wide).await.unwrap();
    assert_eq!((both.issued_before(), both.expires()), (Some(after(10)), after(3_600)));
    assert_eq!(revocations.get(&user).await.unwrap(), Some(both.clone()));
    // Weaker in both: nothing changes that counts.
    let weak = Revocation::new(user, after(11), after(60)).with_issued_before(now());
    let stored = revocations.put(&weak).await.unwrap();
    assert_eq!((stored.issued_before(), stored.expires()), (Some(after(10)), after(3_600)));
    // What no longer counts doesn't count here either.
    let fresh = Revocation::new(user, after(3_600), after(3_660)).with_issued_before(now());
    assert_eq!(revocations.put(&fresh).await.unwrap(), fresh);
}

#[tokio::test]
async fn two_who_revoke_at_once_both_do() {
    let served = serve_table().await;
    let revocations = revocations(&served);
    let client = Revocable::client(ISSUER, "orders");
    let long = Revocation::new(client, now(), after(3_600));
    let wide = Revocation::new(client, after(5), after(60));
    let (one, other) = tokio::join!(revocations.put(&long), revocations.put(&wide));
    one.unwrap();
    other.unwrap();
    let stored = revocations.get(&client).await.unwrap().unwrap();
    assert_eq!((stored.issued_before(), stored.expires()), (Some(after(5)), after(3_600)));
}

#[tokio::test]
async fn what_expired_and_is_still_there_no_longer_counts() {
    let served = serve_table().await;
    let revocations = revocations(&served);
    let token = Revocable::token(ISSUER, "jti-1");
    revocations.put(&Revocation::new(token, now(), after(60))).await.unwrap();
    let found = revocations.get_many(&[token]).await.unwrap();
    assert!(found[0].revokes(Some(now()), after(59)));
    assert!(!found[0].revokes(Some(now()), after(60)));
}

#[tokio::test]
async fn a_table_that_cannot_be_had_is_a_failure() {
    let served = serve().await;
    let revocations = revocations(&served);
    let token = Revocable::token(ISSUER, "jti-1");
    let missing = Err(Error::Failure(Failure::NoTable));
    assert_eq!(revocations.get_many(&[token]).await, missing);
    assert_eq!(revocations.get(&token).await.map(|_| ()), Err(Error::Failure(Failure::NoTable)));
    assert!(revocations.put(&Revocation::new(token, now(), after(9))).await.is_err());
    assert!(revocations.delete(&token).await.is_err());
}

#[tokio::test]
async fn more_than_dynamodb_reads_at_once_is_a_failure() {
    let served = serve_table().await;
    let many: Vec<_> = (0..101).map(|n| Revocable::token(ISSUER, &n.to_string())).collect();
    let got = revocations(&served).get_many(&many).await;
    assert!(matches!(got, Err(Error::Failure(Failure::Rejected { .. }))), "{got:?}");
    assert!(revocations(&served).get_many(&many[..100]).await.is_ok());
}

#[tokio::test]
async fn damaged_items_are_refused_and_can_be_deleted() {
    let served = serve_table().await;
    let revocations = revocations(&served);
    for (kind, attribute, value) in [
        (RevocationKind::User, "issued_before", None),
        (RevocationKind::Client, "issued_before", Some(text("soon"))),
        (RevocationKind::Token, "expires_at", None),
        (RevocationKind::Token, "expires_at", Some(number(-1))),
        (RevocationKind::Session, "revoked_at", Some(number(1_i128 << 80))),
        (RevocationKind::Session, "reason", Some(number(5))),
        (RevocationKind::Session, "reason", Some(text(&"x".repeat(257)))),
    ] {
        let target = Revocable::new(kind, ISSUER, "x");
        revocations.put(&Revocation::new(target, now(), after(60))).await.unwrap();
        edit(&served, &format!("REVOKED#{target}"), attribute, value).await;
        let damage = |error: Option<Error>| match error {
            Some(Error::Damaged(damage)) => {
                assert_eq!((damage.item, damage.attribute.as_str()), ("revocation", attribute));
            }
            other => panic!("{attribute}: {other:?}"),
        };
        damage(revocations.get(&target).await.err());
        damage(revocations.get_many(&[target]).await.err());
        assert_eq!(revocations.list(None).await.unwrap().damaged, [target.to_string()]);
        assert_eq!(revocations.delete(&target).await, Ok(true));
    }
    // A moment that no revocation has counts for as long as it says.
    let token = Revocable::token(ISSUER, "x");
    revocations.put(&Revocation::new(token, now(), after(60))).await.unwrap();
    edit(&served, &format!("REVOKED#{token}"), "expires_at", Some(number(u64::MAX))).await;
    let found = revocations.get_many(&[token]).await.unwrap();
    assert_eq!(
        found[0].expires(),
        SystemTime::UNIX_EPOCH + std::time::Duration::from_nanos(u64::MAX)
    );
}
