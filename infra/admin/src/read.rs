//! Reading what is handed to a command.

use std::fs::File;
use std::io::{IsTerminal, Read, stdin};
use std::path::Path;

use crate::error::Error;
use crate::output::note;

/// Reads a file, or standard input for `-`, up to one byte more than `most`.
///
/// The parser reports that it is too long; the rest is never read. A byte order mark, which some
/// editors and shells put first, is removed.
pub(crate) fn read(file: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let mut content = Vec::new();
    let most = most.saturating_add(1);
    let read = if file == Path::new("-") {
        if stdin().is_terminal() {
            note(
                "reading standard input: type or paste it, then press Ctrl-D on a line of its own",
            );
        }
        stdin().lock().take(most).read_to_end(&mut content)
    } else {
        File::open(file).and_then(|file| file.take(most).read_to_end(&mut content))
    };
    read.map_err(|error| Error::misuse(format!("can't read `{}`: {error}", file.display())))?;
    if content.starts_with(MARK) {
        content.drain(..MARK.len());
    }
    Ok(content)
}

/// Reads a secret from standard input: one word of it, without the line's end.
///
/// A secret that is typed as an argument stays in the shell's history and in the list of
/// processes.
pub(crate) fn secret(what: &str) -> Result<String, Error> {
    let wrong = || Error::misuse(format!("standard input holds no {what}: pipe one in, alone"));
    let text = String::from_utf8(read(Path::new("-"), LONGEST)?).map_err(|_| wrong())?;
    let text = text.trim();
    if text.is_empty() || text.len() > 16_384 || text.contains(char::is_whitespace) {
        return Err(wrong());
    }
    Ok(text.to_owned())
}

/// The name of a file in a message.
pub(crate) fn place(file: &Path) -> String {
    if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() }
}

const MARK: &[u8] = b"\xef\xbb\xbf";
const LONGEST: u64 = 16_384;
