//! `tollgate subject show`.

use clap::Args;
use serde_json::json;
use throttle::Limit;

use crate::args::stored_plan_id;
use crate::context::Context;
use crate::error::Error;
use crate::layout::facts;
use crate::who::Who;

/// Show a subject's plan and the rest of its quotas.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tollgate subject show 'us-east-1_abcDEF123#client1'")]
pub(crate) struct Show {
    #[command(flatten)]
    who: Who,
}

impl Show {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let subject = self.who.find(context)?.subject;
        let name = subject.as_str();
        let assignment = context.assignments().get(name).await?;
        let bucket = context.buckets().get(&subject).await?;
        if assignment.is_none() && bucket.is_none() {
            return Err(Error::refused(format!(
                "nothing is known of `{name}`: it is assigned no plan and has used nothing; \
                 `tollgate usage export PLAN` lists who has"
            )));
        }
        let last = bucket.as_ref().and_then(|bucket| bucket.stamp.clone()).map(|it| it.plan);
        let assigned = assignment.as_ref().map(|it| it.plan.as_str());
        let now = context.now();
        let mut rows = vec![
            ["subject".to_owned(), name.to_owned()],
            ["assigned".to_owned(), assigned.unwrap_or("-").to_owned()],
            ["last under".to_owned(), last.as_ref().map_or("-".into(), ToString::to_string)],
        ];
        let mut quotas = Vec::new();
        // A plan that was deleted has no quotas left.
        let plan = match assigned.map(stored_plan_id).transpose()?.or(last) {
            Some(id) => context.plans().get(&id).await?,
            None => None,
        };
        let limits = match &plan {
            Some(plan) if plan.plan.is_unlimited() => Some("none: the plan is unlimited"),
            Some(plan) if !plan.plan.is_enforced() => Some("not enforced: they only report"),
            Some(plan) if plan.plan.is_closed() => Some("closed: every request is refused"),
            _ => None,
        };
        rows.extend(limits.map(|limits| ["limits", limits].map(str::to_owned)));
        let history = bucket.map(|bucket| bucket.history).unwrap_or_default();
        let meters = plan.iter().flat_map(|plan| {
            plan.plan.every_meter().map(move |(meter, limits)| (plan, meter, limits))
        });
        let limits = meters.flat_map(|(plan, meter, limits)| {
            limits.quotas().iter().map(move |quota| (plan, meter, *quota))
        });
        for (plan, meter, quota) in limits {
            let window = quota.period().window(now).of(meter);
            let (used, left) = (history.used(&window), history.remaining(plan, quota, &window));
            let granted = history.granted(&window);
            let more = if granted > 0 { format!(", {granted} granted") } else { String::new() };
            let heading = Limit::quota(meter, quota.period()).to_string();
            rows.push([heading, format!("{used} used, {left} left{more}")]);
            let mut json = json!({
                "period": quota.period(), "limit": quota.limit(),
                "used": used, "remaining": left, "granted": granted,
            });
            if !meter.is_requests()
                && let Some(members) = json.as_object_mut()
            {
                members.insert("meter".to_owned(), meter.as_str().into());
            }
            quotas.push(json);
        }
        let json = json!({
            "subject": name,
            "assigned": assigned,
            "version": assignment.as_ref().map(|it| it.version),
            "plan": plan.map(|plan| plan.id.to_string()),
            "quotas": quotas,
        });
        context.output.print(facts(&rows), &json)
    }
}
