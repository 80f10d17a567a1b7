//! A table as operators reach it, by the page and by the command line.

use authorizer::shell_command;
use table::{Assignments, Client, Items, Keys};
use throttle::{Buckets, Clock as _, Plans, SystemClock, Timestamp};

/// A table, and the way to it.
#[derive(Clone, Debug)]
pub struct TableAt {
    /// A client of the table.
    pub client: Client,
    /// The table's name.
    pub table: String,
    /// The table's endpoint, for commands to paste; `None` for the region's.
    pub endpoint: Option<String>,
}

impl TableAt {
    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        SystemClock::new().now()
    }

    /// The plans.
    #[must_use]
    pub fn plans(&self) -> Plans {
        Plans::new(self.client.clone(), &self.table)
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> Keys {
        Items::new(self.client.clone(), &self.table)
    }

    /// The assignments of plans and parents.
    #[must_use]
    pub fn assignments(&self) -> Assignments {
        Items::new(self.client.clone(), &self.table)
    }

    /// The buckets.
    #[must_use]
    pub fn buckets(&self) -> Buckets {
        Buckets::new(self.client.clone(), &self.table)
    }

    /// A `tollgate` command on this table, to paste.
    #[must_use]
    pub fn command(&self, line: &str) -> String {
        self.command_at(&self.table, line)
    }

    /// The same for another table at the same endpoint.
    #[must_use]
    pub fn command_at(&self, table: &str, line: &str) -> String {
        shell_command(line, table, self.endpoint.as_deref())
    }
}
