//! The table fails at one level: that level's failure policy decides, and nothing stays charged
//! at the others.

use std::time::Duration;

use tollgate_throttle::{Failure, Limit, Subject, ThrottleError};

use crate::setting::{NAMES, Setting, both};

const POLICIES: [&str; 3] = [r#""closed""#, r#""open""#, r#"{"local": "1/2"}"#];

/// Three levels; the one at `failing` has this policy, the others are closed.
fn setting(failing: usize, policy: &str) -> Setting {
    let plans = [0, 1, 2].map(|level| {
        let policy = if level == failing { policy } else { POLICIES[0] };
        both("1/min", 9, 50).replacen('{', &format!(r#"{{"failure": {policy}, "#), 1)
    });
    Setting::new([&plans[0], &plans[1], &plans[2]])
}

#[tokio::test]
async fn each_level_fails_by_its_own_policy() {
    for failing in 0..3 {
        for policy in POLICIES {
            let it = setting(failing, policy);
            let throttle = it.instance();
            // The second request is to a level that is known already.
            for knows in [false, true] {
                if knows {
                    it.recover();
                    it.clock.advance(Duration::from_secs(3_600));
                    assert!(it.decide(&throttle, 3).await.is_allowed());
                    it.clock.advance(Duration::from_secs(3_600));
                }
                it.fail(failing, Failure::TimedOut, false);
                let before = [it.left(0).await, it.left(1).await, it.left(2).await];
                let outcome = throttle.decide(&it.request(3)).await;
                let is_open = policy != POLICIES[0];
                match outcome {
                    Ok(decision) => {
                        assert!(is_open && decision.is_allowed() && decision.is_degraded());
                        let receipt = decision.into_receipt().unwrap();
                        assert_eq!(receipt.cost(), 1);
                        it.recover();
                        throttle.refund(receipt, 1).await.unwrap();
                    }
                    Err(error) => {
                        assert_eq!(error, ThrottleError::Unavailable(Failure::TimedOut));
                        assert!(!is_open);
                    }
                }
                for level in 0..3 {
                    let name = NAMES[level];
                    assert_eq!(it.left(level).await, before[level], "{failing} {policy} {name}");
                }
            }
        }
    }
}

/// The write was made, and its answer was lost: the level counts as charged, and admits nothing.
#[tokio::test]
async fn a_lost_answer_counts_as_charged_at_its_level_alone() {
    for failing in 0..3 {
        let it = setting(failing, POLICIES[0]);
        let throttle = it.instance();
        assert!(it.decide(&throttle, 3).await.is_allowed());
        it.clock.advance(Duration::from_secs(3_600));
        it.fail(failing, Failure::TimedOut, true);
        assert!(throttle.decide(&it.request(3)).await.is_err());
        for level in 0..3 {
            let used = u64::from(level == failing);
            assert_eq!(it.left(level).await, [9 - used, 49 - used], "{failing} {level}");
        }
        it.recover();
        assert!(it.decide(&throttle, 3).await.is_allowed());
        let counts = throttle.stats();
        assert_eq!((counts.allowed, counts.failed), (2, 1));
    }
}

#[tokio::test]
async fn a_hot_level_is_refused_under_every_policy() {
    for (failing, name) in NAMES.into_iter().enumerate() {
        let it = setting(failing, POLICIES[1]);
        let throttle = it.instance();
        assert!(it.decide(&throttle, 3).await.is_allowed());
        it.clock.advance(Duration::from_secs(3_600));
        it.fail(failing, Failure::HotKey, false);
        let refused = it.decide(&throttle, 3).await;
        assert_eq!(refused.refused_by(), [Limit::CONTENTION]);
        let parent = refused.refusing_parent().map(Subject::as_str);
        assert_eq!(parent, (failing > 0).then_some(name));
        for level in 0..3 {
            assert_eq!(it.left(level).await, [9, 49], "{failing} {level}");
        }
    }
}
