//! Code that is in a template itself, written to files so that it is run like any other.

use std::io;

use tempfile::TempDir;

use crate::template::{Code, Template};

/// Writes the inline code of every function into a folder that is removed with the returned value.
///
/// # Errors
/// The folder or a file in it cannot be written.
pub(crate) fn write(template: &mut Template) -> io::Result<Option<TempDir>> {
    let mut folder: Option<TempDir> = None;
    for (at, function) in template.functions.values_mut().enumerate() {
        let Some(inline) = &function.inline else { continue };
        let all = match folder.take() {
            Some(folder) => folder,
            None => new_folder()?,
        };
        // CloudFormation calls the file `index`, and a Node file always `index.js`.
        let ending = if inline.runtime.starts_with("python") { "py" } else { "js" };
        let own = all.path().join(at.to_string());
        std::fs::create_dir(&own)?;
        std::fs::write(own.join(format!("index.{ending}")), &inline.text)?;
        function.code = Some(Code {
            folder: own,
            handler: inline.handler.clone(),
            runtime: inline.runtime.clone(),
            is_inline: true,
            ..Code::default()
        });
        folder = Some(all);
    }
    Ok(folder)
}

/// A temporary folder outside of `/tmp` if possible, because functions can write below `/tmp`.
fn new_folder() -> io::Result<TempDir> {
    let usual = std::env::temp_dir();
    let place = if usual.starts_with("/tmp") { "/var/tmp".into() } else { usual };
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("tollgate-inline-");
    builder.tempdir_in(place).or_else(|_| builder.tempdir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn no_function_can_write_to_the_folder() {
        let folder = new_folder().unwrap();
        assert!(!folder.path().starts_with("/tmp"), "{}", folder.path().display());
    }
}
