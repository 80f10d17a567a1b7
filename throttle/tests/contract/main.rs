//! The contract of every store, written once and run against each.
//!
//! In DynamoDB's words it runs against the embedded server, or against the one whose URL is in
//! `DYNAMODB_ENDPOINT`: `tests/scripts/dynamodb-local cargo test -p tollgate-throttle --test contract`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod arithmetic;
mod bench;
mod calls;
#[path = "../common/mod.rs"]
mod common;
mod cost_0;
mod crowds;
mod levels;
mod meters;
mod plans;
mod quotas;
mod rates;
mod reports;
mod setting;
#[path = "../common/shared.rs"]
mod shared;

/// Instantiates checks for one store.
macro_rules! checks {
    ($store:ident as $bench:ident: $($of:ident { $($check:ident),* $(,)? }),* $(,)?) => {
        mod $store {
            use crate::bench::$bench;
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() { crate::$of::$check(&$bench::new().await).await; })*)*
        }
    };
}

/// Instantiates each check for each store.
macro_rules! suite {
    ($($all:tt)*) => {
        checks![in_memory as Memory: $($all)*];
        checks![in_dynamo as Dynamo: $($all)*];
    };
}

suite![
    rates {
        an_idle_bucket_admits_its_burst_and_no_more,
        waiting_exactly_long_enough_succeeds,
        idle_for_long_then_all_at_once,
        instances_share_one_limit,
        a_clock_that_is_behind_refuses_rather_than_admits,
        costs_count_as_that_many,
        subjects_do_not_share
    },
    quotas {
        quotas_count_and_start_afresh,
        several_limits_are_all_named,
        an_offset_counts_in_the_first_period_only,
        a_quota_starts_on_its_day,
        a_refused_request_is_not_counted
    },
    calls {
        what_never_fits_is_an_error,
        an_unknown_plan_is_an_error_and_remembered,
        an_idle_or_remembered_bucket_costs_one_call,
        a_remembered_refusal_costs_no_call_for_a_second
    },
    crowds { concurrent_tasks_get_exactly_the_allowed_number },
    plans {
        a_guest_is_charged_at_the_hosts_rate,
        a_guest_adds_no_rate,
        several_plans_in_a_crowd_share_one_bucket
    },
    meters {
        several_meters_are_charged_in_one_write,
        a_decision_costs_one_call_and_one_unit_for_any_number_of_meters,
        a_refusal_names_every_limit_and_charges_nothing,
        each_meter_opens_again_at_its_own_moment,
        a_wrong_amount_is_an_error_before_any_call,
        a_settlement_corrects_each_meter_in_one_write,
        a_settlement_after_a_request_without_the_meter_corrects_it,
        a_peek_tells_the_decision_and_writes_nothing,
        a_wrong_settlement_changes_nothing,
        concurrent_tasks_take_exactly_what_a_meter_holds,
        plans_with_and_without_meters_share_one_bucket
    },
    cost_0 {
        a_request_of_cost_0_takes_only_its_meters,
        a_method_shows_its_rate_and_refuses_nothing_of_cost_0,
        closed_requests_do_not_refuse_cost_0,
        a_receipt_of_cost_0_settles_and_refunds,
        a_request_of_nothing_makes_no_call,
        a_parent_without_the_meter_is_not_written,
        a_guest_of_cost_0_moves_only_its_meters,
        a_guest_of_cost_0_needs_no_rate_of_requests
    },
    levels {
        each_level_costs_one_write_and_one_unit,
        what_a_level_refuses_is_charged_on_none,
        a_settlement_corrects_every_level_once,
        concurrent_tasks_take_exactly_what_a_parent_holds
    },
    reports {
        a_meter_without_enforcement_reports_and_is_not_charged,
        a_plan_without_enforcement_admits_everything,
        other_limits_still_refuse_and_charge
    },
    arithmetic { write_follows_the_arithmetic, guests_and_sweeps_follow_the_arithmetic }
];
