//! The account of each tenant and each of its users: tokens used, and tokens counted.

use std::collections::{BTreeMap, BTreeSet};

use super::{Bill, Call, PRICE, Service, TENANTS_SPEND, USERS_SPEND, Verdict};

/// The head of the table of [`Level::line`].
pub(super) const HEAD: &str =
    "tokens of      users  admitted  reserved      used  to count   counted";

/// A tenant, or a user within it, and what its requests took, in tokens.
#[derive(Debug, Default)]
pub(super) struct Level {
    tenant: String,
    /// None of a tenant, which has all its users' requests.
    user: Option<String>,
    users: BTreeSet<String>,
    admitted: usize,
    reserved: i128,
    used: i128,
    /// The amount that must be counted: what passed, or the reservation if nothing did.
    to_count: i128,
}

impl Level {
    /// All tenants, and then all users.
    pub(super) fn of(calls: &BTreeMap<String, Call>, bills: &BTreeMap<String, Bill>) -> Vec<Self> {
        let mut levels: BTreeMap<(bool, &str, &str), Self> = BTreeMap::new();
        for (id, call) in calls {
            let names = [(false, &*call.tenant, ""), (true, &*call.tenant, &*call.user)];
            for key in names {
                let level = levels.entry(key).or_default();
                level.tenant.clone_from(&call.tenant);
                level.user = key.0.then(|| call.user.clone());
                level.users.insert(call.user.clone());
                if let Some(bill) = bills.get(id) {
                    level.add(call, bill);
                }
            }
        }
        levels.into_values().collect()
    }

    fn add(&mut self, call: &Call, bill: &Bill) {
        self.admitted += 1;
        self.reserved += call.reserved;
        self.used += bill.tokens;
        self.to_count += if bill.tokens > 0 { bill.tokens } else { call.reserved };
    }

    /// The tokens that the level's limit of spend has counted.
    pub(super) async fn counted(&self, service: &Service) -> anyhow::Result<i128> {
        let spend = match &self.user {
            Some(user) => service.counted(user, &self.tenant, USERS_SPEND).await?,
            None => service.counted("judge", &self.tenant, TENANTS_SPEND).await?,
        };
        anyhow::ensure!(spend % PRICE == 0, "{spend} is not a whole number of tokens");
        Ok(spend / PRICE)
    }

    /// `acme`, or `acme/maria`.
    fn name(&self) -> String {
        let Self { tenant, user, .. } = self;
        user.as_ref().map_or_else(|| tenant.clone(), |user| format!("{tenant}/{user}"))
    }

    pub(super) fn line(&self, counted: i128) -> String {
        let Self { users, admitted, reserved, used, to_count, .. } = self;
        let (name, users) = (self.name(), users.len());
        format!(
            "{name:<14} {users:>5} {admitted:>9} {reserved:>9} {used:>9} {to_count:>9} {counted:>9}"
        )
    }

    pub(super) fn verdict(&self, counted: i128) -> Verdict {
        let (name, to_count) = (self.name(), self.to_count);
        let words = format!("{name}: {counted} tokens counted, {to_count} used or reserved");
        (counted == to_count, words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(user: &str, status: &str, reserved: i128) -> Call {
        let (user, tenant, status) = (user.to_owned(), "acme".to_owned(), status.to_owned());
        Call { user, tenant, status, sent: 0, reserved }
    }

    #[test]
    fn a_tenant_has_the_sum_of_its_users() {
        let calls = [
            ("1", call("maria", "200", 40)),
            ("2", call("maria", "hung-up", 50)),
            ("3", call("paul", "200", 60)),
            ("4", call("paul", "429", 70)),
        ];
        // The second client hung up before anything had passed.
        let bill = |tokens| Bill { started: 0, ended: 1, tokens };
        let bills = [("1", bill(30)), ("2", bill(0)), ("3", bill(100))];
        let named = |(id, bill): (&str, _)| (id.to_owned(), bill);
        let levels = Level::of(
            &calls.map(|(id, call)| (id.to_owned(), call)).into(),
            &bills.map(named).into(),
        );
        let lines: Vec<_> = levels.iter().map(|level| level.line(level.to_count)).collect();
        assert_eq!(
            [HEAD, &lines[0], &lines[1], &lines[2]],
            [
                "tokens of      users  admitted  reserved      used  to count   counted",
                "acme               2         3       150       130       180       180",
                "acme/maria         1         2        90        30        80        80",
                "acme/paul          1         1        60       100       100       100",
            ]
        );
        assert!(levels[0].verdict(180).0);
        assert!(!levels[0].verdict(179).0);
    }
}
