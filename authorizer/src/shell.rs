//! Commands in messages, to be pasted into a shell.

/// The table that `tollgate` uses by default.
pub const DEFAULT_TABLE: &str = "tollgate";

/// The variable that names another table for `tollgate`.
pub const TABLE_VARIABLE: &str = "TOLLGATE_TABLE";

/// Writes a `tollgate` command on a table, to be pasted into the shell of this process.
///
/// The command does not name the table if it is `tollgate`'s default or set by `TOLLGATE_TABLE`.
#[must_use]
pub fn shell_command(line: &str, table: &str, endpoint: Option<&str>) -> String {
    let usual = std::env::var(TABLE_VARIABLE).unwrap_or_else(|_| DEFAULT_TABLE.to_owned());
    command(line, Some(table).filter(|table| *table != usual), endpoint)
}

fn command(line: &str, table: Option<&str>, endpoint: Option<&str>) -> String {
    let mut command = format!("tollgate {line}");
    for (flag, value) in [("--table", table), ("--endpoint-url", endpoint)] {
        if let Some(value) = value {
            command.push_str(&format!(" {flag} {}", shell_word(value)));
        }
    }
    command
}

/// Quotes a word for a POSIX shell, if it needs quotes.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_what_is_not_usual() {
        assert_eq!(command("plan list", None, None), "tollgate plan list");
        assert_eq!(
            command("plan list", Some("a b"), Some("http://127.0.0.1:9402")),
            "tollgate plan list --table 'a b' --endpoint-url http://127.0.0.1:9402"
        );
        // Either the variable or the default names this table.
        let other = shell_command("plan list", "another-table", None);
        assert_eq!(other, "tollgate plan list --table another-table");
    }

    #[test]
    fn quotes_only_words_that_need_it() {
        for (word, shown) in [
            ("free", "free"),
            ("a/b-c_1.toml", "a/b-c_1.toml"),
            ("http://127.0.0.1:9402", "http://127.0.0.1:9402"),
            ("", "''"),
            ("two words", "'two words'"),
            ("$connect", "'$connect'"),
            ("maria's", "'maria'\\''s'"),
            ("é", "'é'"),
        ] {
            assert_eq!(shell_word(word), shown);
        }
    }
}
