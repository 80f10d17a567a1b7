//! The memory and the descriptors of processes, from `/proc`: on Linux alone.

use std::collections::BTreeMap;
use std::fs;

use throttle::{Clock as _, SystemClock};

/// One sample of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Nanoseconds of the wall clock.
    pub(crate) at: i128,
    /// Resident memory, in kilobytes.
    pub(crate) resident: u64,
    pub(crate) descriptors: usize,
}

/// All samples, by the process's role.
pub(crate) type Samples = BTreeMap<String, Vec<Sample>>;

/// Takes one sample of each running process.
pub(crate) fn sample(processes: &[(String, i32)], samples: &mut Samples) {
    let at = i128::from(SystemClock::new().now().as_nanos());
    for (name, pid) in processes {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).map(Iterator::count);
        let status = fs::read_to_string(format!("/proc/{pid}/status"));
        let (Ok(descriptors), Ok(status)) = (descriptors, status) else { continue };
        if let Some(resident) = resident(&status) {
            let sample = Sample { at, resident, descriptors };
            samples.entry(name.clone()).or_default().push(sample);
        }
    }
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_kilobytes() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    1234 kB\nThreads:\t1\n"), Some(1234));
        assert_eq!(resident("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_has_memory_and_descriptors() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let mut samples = Samples::new();
        sample(&[("own".to_owned(), pid), ("none".to_owned(), i32::MAX)], &mut samples);
        assert!(samples["own"][0].resident > 0 && samples["own"][0].descriptors > 2);
        assert!(!samples.contains_key("none"));
    }
}
