//! Prints the number of calls to the table that a decision costs.
//!
//! ```sh
//! cargo run --release -p tollgate-throttle --example calls
//! ```
//!
//! Poisson arrivals at a share of the rate, at instances that share one subject, on the memory
//! store and a clock that is moved by hand: the same figures on every machine. Each call is
//! one write unit. What is remembered as refused costs none.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "an experiment may fail loudly")]

#[path = "../tests/common/load.rs"]
mod load;

use load::{INSTANCES, LOADS, Load};

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (burst, slack) in [(20, 0), (400, 0), (400, 20)] {
        println!(
            "Calls a decision at 10 requests a second, a burst of {burst}, a slack of {slack}:"
        );
        print!("{:>10}", "instances");
        for percent in LOADS {
            print!("{:>8}", format!("{}.{}", percent / 100, percent % 100 / 10));
        }
        println!();
        for instances in INSTANCES {
            print!("{instances:>10}");
            for percent in LOADS {
                let load = Load { percent, instances, burst, slack };
                let outcome = runtime.block_on(load.run(50_000));
                assert_eq!(outcome.calls, outcome.units, "a write unit a call");
                print!("{:>8}", format!("{}.{:03}", outcome.calls / 1_000, outcome.calls % 1_000));
            }
            println!();
        }
        println!();
    }
}
