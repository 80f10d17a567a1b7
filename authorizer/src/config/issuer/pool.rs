//! The names of a Cognito user pool as an issuer.

use crate::config::Mistake;

/// Returns the issuers of a pool, each with true if its keys are certainly published.
///
/// The original form names the Region that issued the token: the pool's own, or a Region to which
/// it is replicated. The updated form always names the pool's own Region. Only pools that have
/// switched to it publish keys there, and the others answer 403. So those keys are fetched only
/// when a token names that form. (Amazon Cognito API Reference, `IssuerConfigurationType`;
/// multi-Region replication.)
pub(super) fn issuers(
    pool: &str,
    replica_regions: &[String],
    domain_suffix: Option<&str>,
) -> Result<Vec<(String, bool)>, Mistake> {
    let own = region_of(pool).ok_or_else(|| {
        let shown = pool.escape_debug();
        let message = format!("`{shown}` is not a user pool's id, such as `us-east-1_abcDEF123`");
        Mistake::of("user_pool", message)
    })?;
    let iss = |host: &str, region: &str| {
        let suffix = domain_suffix.unwrap_or_else(|| partition_domain(region));
        format!("https://{host}.{region}.{suffix}/{pool}")
    };
    let mut issuers =
        vec![(iss("cognito-idp", own), true), (iss("issuer-cognito-idp", own), false)];
    for region in replica_regions {
        if !is_region(region) {
            let shown = region.escape_debug();
            let message = format!(
                "`{shown}` in `replica_regions` is not a Region's name, such as `us-west-2`"
            );
            return Err(Mistake::of_item("replica_regions", region, message));
        }
        if region == own {
            let message = format!("`{own}` is the pool's own Region: remove it");
            return Err(Mistake::of_item("replica_regions", region, message));
        }
        issuers.push((iss("cognito-idp", region), true));
    }
    Ok(issuers)
}

/// Returns true if a text can be the end of a host's name, such as `amazonaws.com`.
pub(super) fn is_domain(text: &str) -> bool {
    text.len() <= 200
        && text.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

/// Returns the Region in a pool's id, if the id has Cognito's form.
fn region_of(pool: &str) -> Option<&str> {
    let (region, name) = pool.split_once('_')?;
    let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (named && is_region(region)).then_some(region)
}

fn is_region(region: &str) -> bool {
    let parts: Vec<&str> = region.split('-').collect();
    let letters = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_lowercase());
    let rest = match parts.as_slice() {
        ["eusc", land, rest @ ..] if letters(land) => rest,
        [land, rest @ ..] if letters(land) => rest,
        _ => return false,
    };
    let rest = match rest {
        ["gov", rest @ ..] => rest,
        rest => rest,
    };
    matches!(rest, [place, number]
        if !place.is_empty()
            && place.bytes().all(|byte| byte.is_ascii_lowercase())
            && number.len() == 1
            && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The domain of a Region's partition.
fn partition_domain(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else if region.starts_with("eusc-") {
        "amazonaws.eu"
    } else {
        "amazonaws.com"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_ids_of_user_pools() {
        for (pool, region) in [
            ("us-east-1_abcDEF123", "us-east-1"),
            ("us-gov-west-1_A", "us-gov-west-1"),
            ("cn-north-1_Z9", "cn-north-1"),
            ("eusc-de-east-1_x", "eusc-de-east-1"),
        ] {
            assert_eq!(region_of(pool), Some(region), "{pool}");
        }
        for pool in [
            "",
            "_",
            "us-east-1",
            "us-east-1_",
            "us-east-1_a/b",
            "us-east-1_a b",
            "US-east-1_a",
            "us-east-10_a",
            "us-east_a",
            "us--1_a",
            "usa-east-1_a",
            "us-east-1_a\n",
            "evil.example/_a",
            "us-gov-gov-west-1_a",
            "eusc-d-east-1_a",
        ] {
            assert_eq!(region_of(pool), None, "{pool:?}");
        }
    }

    #[test]
    fn puts_a_pool_into_its_partition_s_domain() {
        for (pool, domain) in [
            ("cn-north-1_Z9", "cn-north-1.amazonaws.com.cn"),
            ("eusc-de-east-1_x", "eusc-de-east-1.amazonaws.eu"),
            ("us-gov-west-1_A", "us-gov-west-1.amazonaws.com"),
        ] {
            assert_eq!(
                issuers(pool, &[], None).unwrap(),
                [
                    (format!("https://cognito-idp.{domain}/{pool}"), true),
                    (format!("https://issuer-cognito-idp.{domain}/{pool}"), false),
                ]
            );
        }
        let elsewhere = issuers("us-east-1_a", &[], Some("cognito.example")).unwrap();
        let (first, _) = elsewhere.first().unwrap();
        assert_eq!(first, "https://cognito-idp.us-east-1.cognito.example/us-east-1_a");
    }

    #[test]
    fn takes_the_original_form_of_each_replica_and_the_updated_one_of_the_pool_alone() {
        let replicas = ["us-west-2".to_owned(), "eu-west-1".to_owned()];
        let names: Vec<String> =
            issuers("us-east-1_a", &replicas, None).unwrap().into_iter().map(|(n, _)| n).collect();
        assert_eq!(
            names,
            [
                "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_a",
                "https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_a",
                "https://cognito-idp.us-west-2.amazonaws.com/us-east-1_a",
                "https://cognito-idp.eu-west-1.amazonaws.com/us-east-1_a",
            ]
        );
        for (wrong, says) in [("us-west", "not a Region"), ("us-east-1", "own Region")] {
            let error = issuers("us-east-1_a", &[wrong.to_owned()], None).unwrap_err();
            assert!(error.message.contains(says), "{error:?}");
        }
    }

    #[test]
    fn a_domain_is_labels_and_dots_alone() {
        for good in ["amazonaws.com", "amazonaws.com.cn", "a-b.example", "localhost"] {
            assert!(is_domain(good), "{good}");
        }
        for bad in ["", ".com", "com.", "a..b", "a/b", "a@b", "a:1", "A.com", "-a.b", "a-.b", "a b"]
        {
            assert!(!is_domain(bad), "{bad}");
        }
        assert!(!is_domain(&"a".repeat(201)));
    }
}
