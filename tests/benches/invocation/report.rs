//! The figures, as a table to read or as JSON.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::function::Memory;

#[derive(Default)]
pub(crate) struct Report {
    starts: Vec<(String, Vec<Duration>)>,
    /// The first is what the others are compared with.
    invocations: Vec<(String, Vec<Duration>)>,
    memory: Vec<(String, Memory)>,
    executables: Vec<(String, u64)>,
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

    pub(crate) fn invocation(&mut self, name: &str, times: Vec<Duration>) {
        self.invocations.push((name.to_owned(), times));
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
        println!(
            "\nFrom the event to its answer (microseconds; a busy machine spares the first tenth)"
        );
        println!(
            "{:<40} {:>8} {:>8} {:>8} {:>8} {:>14} {:>14}",
            "", "tenth", "median", "p95", "p99", "tenth over", "median over"
        );
        let mut base = None;
        for (name, times) in &mut self.invocations {
            let [tenth, middle, p95, p99] = [10, 50, 95, 99].map(|p| micros(quantile(times, p)));
            let (first, second) = *base.get_or_insert((tenth, middle));
            let [over, middle_over] = [(tenth, first), (middle, second)]
                .map(|(it, base)| i128::from(it) - i128::from(base));
            println!(
                "{name:<40} {tenth:>8} {middle:>8} {p95:>8} {p99:>8} {over:>+14} {middle_over:>+14}"
            );
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
            .map(|(name, times)| json!({ "name": name, "median_us": micros(quantile(times, 50)) }))
            .collect();
        let invocations: Vec<Value> = (self.invocations.iter_mut())
            .map(|(name, times)| {
                let [p10, p50, p95, p99] = [10, 50, 95, 99].map(|p| micros(quantile(times, p)));
                json!({
                    "name": name, "tenth_us": p10, "median_us": p50, "p95_us": p95, "p99_us": p99,
                })
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
