//! The figures, as a table to read or as JSON.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::function::Memory;

#[derive(Default)]
pub(crate) struct Report {
    starts: Vec<(String, Vec<Duration>)>,
    invocations: Vec<(String, Vec<Duration>, Duration)>,
    memory: Vec<(String, Memory)>,
    executables: Vec<(String, u64)>,
}

/// The middle of the times; sorts them.
pub(crate) fn median(times: &mut [Duration]) -> Duration {
    quantile(times, 50)
}

/// The time that `percent` of the times are not above; sorts them.
fn quantile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}

impl Report {
    pub(crate) fn start(&mut self, name: &str, times: Vec<Duration>) {
        self.starts.push((name.to_owned(), times));
    }

    pub(crate) fn invocation(&mut self, name: &str, times: Vec<Duration>, base: Duration) {
        self.invocations.push((name.to_owned(), times, base));
    }

    pub(crate) fn memory(&mut self, name: &str, memory: Memory) {
        self.memory.push((name.to_owned(), memory));
    }

    pub(crate) fn executables(&mut self, executables: &[(&str, &Path)]) {
        let size = |path: &Path| std::fs::metadata(path).unwrap().len();
        self.executables =
            executables.iter().map(|(name, at)| ((*name).to_owned(), size(at))).collect();
    }

    pub(crate) fn print(mut self) {
        println!("\nFrom start to the first request for an event (milliseconds)");
        println!("{:<40} {:>8} {:>8} {:>8}", "", "median", "least", "most");
        for (name, times) in &mut self.starts {
            let [middle, least, most] = [50, 0, 100].map(|p| micros(quantile(times, p)));
            println!("{name:<40} {:>8} {:>8} {:>8}", millis(middle), millis(least), millis(most));
        }
        println!("\nFrom the event to its answer (microseconds)");
        println!("{:<40} {:>8} {:>8} {:>8} {:>14}", "", "median", "p95", "p99", "over hello");
        for (name, times, base) in &mut self.invocations {
            let [middle, p95, p99] = [50, 95, 99].map(|p| micros(quantile(times, p)));
            let over = i128::from(middle) - i128::from(micros(*base));
            println!("{name:<40} {middle:>8} {p95:>8} {p99:>8} {over:>+14}");
        }
        println!("\nMemory (MB)");
        println!("{:<40} {:>8} {:>8}", "", "resident", "own");
        for (name, memory) in &self.memory {
            let [resident, own] = [memory.resident, memory.anonymous].map(millis);
            println!("{name:<40} {resident:>8} {own:>8}");
        }
        println!("\nStripped executable (MB)");
        for (name, bytes) in &self.executables {
            println!("{name:<40} {:>8}", millis(bytes / 1000));
        }
    }

    pub(crate) fn print_json(mut self) {
        let starts: Vec<Value> = (self.starts.iter_mut())
            .map(|(name, times)| json!({ "name": name, "median_us": micros(median(times)) }))
            .collect();
        let invocations: Vec<Value> = (self.invocations.iter_mut())
            .map(|(name, times, _)| {
                let [p50, p95, p99] = [50, 95, 99].map(|p| micros(quantile(times, p)));
                json!({ "name": name, "median_us": p50, "p95_us": p95, "p99_us": p99 })
            })
            .collect();
        let memory: Vec<Value> = (self.memory.iter())
            .map(|(name, memory)| {
                json!({ "name": name, "resident_kb": memory.resident, "own_kb": memory.anonymous })
            })
            .collect();
        let executables: Vec<Value> = (self.executables.iter())
            .map(|(name, bytes)| json!({ "name": name, "bytes": bytes }))
            .collect();
        println!(
            "{}",
            json!({
                "starts": starts, "invocations": invocations,
                "memory": memory, "executables": executables,
            })
        );
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Thousandths as a decimal with two places.
fn millis(thousandths: u64) -> String {
    format!("{}.{:02}", thousandths / 1000, thousandths % 1000 / 10)
}
