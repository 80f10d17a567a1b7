//! The loads: the calls, the limits and the acts of each.

/// One load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) name: &'static str,
    /// The name for people.
    pub(crate) title: &'static str,
    /// Calls a second.
    pub(crate) rate: u32,
    pub(crate) seconds: u64,
    /// Execution environments, one process each.
    pub(crate) environments: u32,
    /// The claim that a bucket belongs to.
    pub(crate) subject: &'static str,
    /// The clients that call, by name. If the subject is `jti`, each entry is a separate token.
    pub(crate) clients: &'static [&'static str],
    /// Of the first client, and of all others: calls a second, and at once.
    pub(crate) limits: [(u32, u64); 2],
    /// The acts, each with its time in thousandths of the run.
    pub(crate) acts: &'static [(u64, Act)],
    /// True if every key is over its rate from its first refusal to its last.
    pub(crate) busy: bool,
}

/// The shortest time between two rotations, in seconds: an authorizer fetches keys that often.
const BETWEEN_ROTATIONS: u64 = 60;

/// The shortest run, in seconds, in which plans change.
const LONG_FOR_PLANS: u64 = 600;

impl Load {
    /// The acts, each with its time in milliseconds.
    ///
    /// Of a short run's rotations some are left out, and of its changes of a plan all: an authorizer
    /// looks for them once a minute.
    pub(crate) fn course(&self) -> Vec<(u64, Act)> {
        let mut rotated = None;
        let mut course = Vec::new();
        for (permille, act) in self.acts {
            let at = self.seconds * permille;
            if matches!(act, Act::RaisePlan | Act::LowerPlan) && self.seconds < LONG_FOR_PLANS {
                continue;
            }
            if *act == Act::Rotate {
                if rotated.is_some_and(|last| at < last + BETWEEN_ROTATIONS * 1_000) {
                    continue;
                }
                rotated = Some(at);
            }
            course.push((at, *act));
        }
        course
    }
}

/// An act while a load runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// The issuer signs with new keys; the old ones stay published until the next time.
    Rotate,
    /// … and the old ones leave at once.
    RotateAndDrop,
    /// The first client is revoked.
    Revoke,
    /// The second client's plan gets half as much again.
    RaisePlan,
    /// … and what it had at first.
    LowerPlan,
}

impl Act {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::RotateAndDrop => "rotate and drop",
            Self::Revoke => "revoke",
            Self::RaisePlan => "raise plan",
            Self::LowerPlan => "lower plan",
        }
    }
}

pub(crate) const READER: &str = "orders-reader";
pub(crate) const WRITER: &str = "orders-writer";

const STEADY: Load = Load {
    name: "steady",
    title: "One caller over its rate",
    rate: 40,
    seconds: 30,
    environments: 2,
    subject: "client_id",
    clients: &[READER],
    limits: [(20, 40); 2],
    acts: &[],
    busy: true,
};

/// Every load; its script is the file of its name.
pub(crate) const LOADS: [Load; 8] = [
    Load { name: "smoke", title: "Each answer once", seconds: 10, busy: false, ..STEADY },
    STEADY,
    Load { name: "spike", title: "Two bursts after idle times", rate: 120, busy: false, ..STEADY },
    Load {
        name: "soak",
        title: "Two callers for an hour",
        rate: 50,
        seconds: 3_600,
        clients: &[READER, WRITER],
        limits: [(20, 40), (8, 16)],
        acts: &[
            (50, Act::Rotate),
            (100, Act::RaisePlan),
            (150, Act::Rotate),
            (200, Act::LowerPlan),
            (250, Act::Rotate),
            (300, Act::RaisePlan),
            (350, Act::Rotate),
            (400, Act::LowerPlan),
            (450, Act::Rotate),
            (500, Act::RaisePlan),
            (550, Act::Rotate),
            (600, Act::LowerPlan),
            (650, Act::Rotate),
            (700, Act::RaisePlan),
            (750, Act::Rotate),
            (800, Act::LowerPlan),
            (850, Act::Rotate),
            (900, Act::RaisePlan),
            (950, Act::Rotate),
        ],
        ..STEADY
    },
    Load {
        name: "many-keys",
        title: "40 callers, each over its rate",
        rate: 80,
        subject: "jti",
        clients: &[READER; 40],
        limits: [(1, 3); 2],
        ..STEADY
    },
    Load {
        name: "hot-key",
        title: "One caller over many environments",
        rate: 80,
        environments: 8,
        limits: [(30, 60); 2],
        ..STEADY
    },
    Load {
        name: "rotation",
        title: "Signing keys change",
        acts: &[(300, Act::Rotate), (600, Act::RotateAndDrop)],
        ..STEADY
    },
    Load {
        name: "revocation",
        title: "A client is revoked",
        rate: 60,
        clients: &[READER, WRITER],
        acts: &[(400, Act::Revoke)],
        ..STEADY
    },
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn each_has_a_script_and_no_other_script_is_there() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("load");
        for load in &LOADS {
            assert!(folder.join(format!("{}.js", load.name)).is_file(), "{}", load.name);
        }
        let scripts = std::fs::read_dir(folder).unwrap().filter(|file| {
            file.as_ref().unwrap().path().extension().is_some_and(|name| name == "js")
        });
        // And what they have in common, and `tokens`, which drives another service.
        assert_eq!(scripts.count(), LOADS.len() + 2);
    }

    #[test]
    fn an_hour_has_every_rotation_and_a_minute_one() {
        let [.., soak, _, _, _, _] = LOADS;
        let rotations = |seconds| {
            let load = Load { seconds, ..soak };
            load.course().into_iter().filter(|(_, act)| *act == Act::Rotate).count()
        };
        assert_eq!((rotations(3_600), rotations(60)), (10, 1));
    }

    #[test]
    fn each_is_over_its_limits() {
        for load in &LOADS {
            let [(rate, _), _] = load.limits;
            let keys = match load.subject {
                "jti" => load.clients.len(),
                _ => 1,
            };
            assert!(u64::from(load.rate) > u64::from(rate) * keys as u64, "{}", load.name);
        }
    }
}
