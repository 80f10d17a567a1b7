//! Commands in messages, to be pasted into a shell.

/// The table that `tollgate` uses unless it is told another.
pub const DEFAULT_TABLE: &str = "tollgate";

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
