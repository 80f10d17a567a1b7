//! The programs of a template's functions: commands, or what their `CodeUri` holds.
//!
//! Rust is built by cargo. A Python or Node handler is run by a few lines that stand in for its
//! runtime, with the interpreter of this machine; packages must be where it finds them.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::template::Code;

pub(crate) mod inline;

const PYTHON: &str = include_str!("program/runtime.py");
const NODE: &str = include_str!("program/runtime.mjs");

/// The program of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// An answer that tells the caller what the function would see.
    Echo,
    /// A program that speaks Lambda's Runtime API.
    Command {
        /// The executable.
        executable: PathBuf,
        /// Its arguments.
        arguments: Vec<OsString>,
        /// The folder that it is started in, which is the function's code.
        folder: Option<PathBuf>,
        /// The handler's name, if the function has one.
        handler: Option<String>,
    },
    /// None, with the reason.
    Missing(String),
}

/// Errors of building a function.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("`cargo` can't be started: {0}")]
    Cargo(std::io::Error),
    #[error("`cargo build` of `{}` failed", .0.display())]
    Failed(PathBuf),
    #[error(
        "`{}` has {count} executables; name one by `BuildProperties: {{Binary: NAME}}`",
        folder.display()
    )]
    Executables { folder: PathBuf, count: usize },
}

impl Program {
    /// The command of a flag, run by the shell; `echo` is [`Program::Echo`].
    ///
    /// A single command takes the shell's place, so that its memory is what is measured.
    pub(crate) fn shell(command: &str) -> Self {
        let command = command.trim();
        if command == "echo" {
            return Self::Echo;
        }
        let is_single = !command.contains(|c: char| "&|;<>()$`\n".contains(c))
            && command.split_whitespace().next().is_some_and(|word| !word.contains('='));
        let command = if is_single { format!("exec {command}") } else { command.to_owned() };
        let arguments = vec!["-c".into(), command.into()];
        let executable = PathBuf::from("/bin/sh");
        Self::Command { executable, arguments, folder: None, handler: None }
    }

    /// The program of a function's code, which is built if it must be.
    ///
    /// # Errors
    /// [`BuildError`], if code in Rust cannot be built.
    pub(crate) fn of(code: Option<&Code>) -> Result<Self, BuildError> {
        let Some(code) = code else {
            return Ok(Self::Missing("its code is not in a folder here".to_owned()));
        };
        if !code.folder.is_dir() {
            // What cannot be run here at all is said first.
            let known = ["python", "nodejs", "provided"];
            let is_known = known.iter().any(|name| code.runtime.starts_with(name));
            return Ok(Self::Missing(match code.runtime.as_str() {
                other if !other.is_empty() && !is_known => {
                    format!("the runtime `{other}` is not here")
                }
                _ => "its code is not in a folder here".to_owned(),
            }));
        }
        if is_rust(code) {
            return Self::rust(code);
        }
        Ok(Self::handler(code))
    }

    /// The program of a Python or Node handler; `None` for other code.
    pub(crate) fn of_handler(code: Option<&Code>) -> Option<Self> {
        let code = code.filter(|code| is_handler(code) && !is_rust(code))?;
        Some(Self::handler(code))
    }

    fn handler(code: &Code) -> Self {
        let (interpreter, flags, script, endings): (_, &[&str], _, &[&str]) = match code
            .runtime
            .as_str()
        {
            python if python.starts_with("python") => ("python3", &["-u", "-c"], PYTHON, &["py"]),
            node if node.starts_with("nodejs") => {
                ("node", &["--input-type=module", "-e"], NODE, &["mjs", "js", "cjs"])
            }
            "" => return Self::Missing("it has no runtime that is known here".to_owned()),
            other => return Self::Missing(format!("the runtime `{other}` is not here")),
        };
        if !is_installed(interpreter) {
            return Self::Missing(format!("`{interpreter}` is not installed"));
        }
        let (module, _) = code.handler.rsplit_once('.').unwrap_or_default();
        // Python separates packages by dots.
        let module =
            if interpreter == "python3" { module.replace('.', "/") } else { module.into() };
        // Of a path that leaves the folder nothing would be in a deployment.
        let is_inside =
            |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if !Path::new(&module).components().all(is_inside) {
            return Self::Missing(format!(
                "its handler `{}` is outside of its folder: name a file that is in it",
                code.handler
            ));
        }
        let file = |ending: &&str| code.folder.join(format!("{module}.{ending}")).is_file();
        if module.is_empty() || !endings.iter().any(file) {
            return Self::Missing(without_file(code, &module, &file));
        }
        let mut arguments: Vec<OsString> = flags.iter().map(Into::into).collect();
        arguments.push(script.into());
        Self::Command {
            executable: PathBuf::from(interpreter),
            arguments,
            folder: Some(absolute(&code.folder)),
            handler: Some(code.handler.clone()),
        }
    }

    fn rust(code: &Code) -> Result<Self, BuildError> {
        let folder = absolute(&code.folder);
        let mut cargo = std::process::Command::new("cargo");
        cargo.args(["build", "--message-format", "json-render-diagnostics", "--manifest-path"]);
        cargo.arg(folder.join("Cargo.toml"));
        if let Some(binary) = &code.binary {
            // A name that begins with `-` is not another option.
            cargo.arg(format!("--bin={binary}"));
        }
        // Cargo shows its progress on standard error.
        let output = cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let output = output.map_err(BuildError::Cargo)?;
        if !output.status.success() {
            return Err(BuildError::Failed(folder));
        }
        let executables = executables(&output.stdout);
        match &executables[..] {
            [executable] => Ok(Self::Command {
                executable: executable.clone(),
                arguments: Vec::new(),
                folder: Some(folder),
                handler: None,
            }),
            all => Err(BuildError::Executables { folder, count: all.len() }),
        }
    }
}

/// The reason why a handler has no file.
fn without_file(code: &Code, module: &str, is_file: &dyn Fn(&&str) -> bool) -> String {
    let handler = &code.handler;
    if code.is_inline {
        return format!(
            "inline code is the file `index`, and its handler is `{handler}`: name it `index.…`"
        );
    }
    if !module.is_empty() && ["ts", "tsx", "mts"].iter().any(is_file) {
        return format!(
            "its handler `{handler}` is TypeScript: run `sam build`, then start with --template \
             .aws-sam/build/template.yaml"
        );
    }
    format!("no file for its handler `{handler}` is in its folder")
}

fn is_rust(code: &Code) -> bool {
    let is_package = || code.folder.join("Cargo.toml").is_file();
    code.build.as_deref() == Some("rust-cargolambda")
        || (code.build.is_none() && !is_handler(code) && is_package())
}

fn is_handler(code: &Code) -> bool {
    ["python", "nodejs"].iter().any(|name| code.runtime.starts_with(name))
}

/// The executables that cargo's messages name.
fn executables(messages: &[u8]) -> Vec<PathBuf> {
    let lines = messages.split(|byte| *byte == b'\n');
    let messages = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    messages.filter_map(|message| Some(message.get("executable")?.as_str()?.into())).collect()
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn absolute(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(folder: &Path, runtime: &str, handler: &str) -> Code {
        let (runtime, handler) = (runtime.to_owned(), handler.to_owned());
        Code { folder: folder.to_owned(), runtime, handler, ..Code::default() }
    }

    #[test]
    fn a_handler_needs_its_file_and_a_known_runtime() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("app.py"), "").unwrap();
        std::fs::write(folder.path().join("index.mjs"), "").unwrap();
        std::fs::write(folder.path().join("typed.ts"), "").unwrap();
        let of = |runtime, handler| Program::of(Some(&code(folder.path(), runtime, handler)));
        let all = [("python3.13", "app.run", "python3"), ("nodejs22.x", "index.handler", "node")];
        for (runtime, handler, expected) in all.into_iter().filter(|(.., one)| is_installed(one)) {
            let Program::Command { executable, handler: own, .. } = of(runtime, handler).unwrap()
            else {
                panic!("{runtime}")
            };
            assert_eq!((executable, own.as_deref()), (expected.into(), Some(handler)));
        }
        for (runtime, handler, expected) in [
            ("python3.13", "other.run", "no file for its handler `other.run`"),
            ("python3.13", "run", "no file"),
            ("python3.13", "..other.run", "its handler `..other.run` is outside of its folder"),
            ("nodejs22.x", "../other.run", "outside of its folder: name a file that is in it"),
            ("nodejs22.x", "a/../../other.run", "is outside of its folder"),
            ("nodejs22.x", "/etc/other.run", "is outside of its folder"),
            ("nodejs22.x", "typed.run", "its handler `typed.run` is TypeScript: run `sam build`"),
            ("java21", "a.B::c", "the runtime `java21` is not here"),
            ("", "", "no runtime"),
        ] {
            let Program::Missing(reason) = of(runtime, handler).unwrap() else { panic!() };
            assert!(reason.contains(expected), "{reason}");
        }
        assert!(matches!(Program::of(None).unwrap(), Program::Missing(_)));
    }

    #[test]
    fn a_package_is_built_and_a_broken_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::create_dir_all(folder.path().join("src")).unwrap();
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        write(
            "Cargo.toml",
            "[package]\nname = \"built-function\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
             [workspace]\n",
        );
        write("src/main.rs", "fn main() {}");
        let code = code(folder.path(), "provided.al2023", "");
        let Program::Command { executable, .. } = Program::of(Some(&code)).unwrap() else {
            panic!()
        };
        assert!(executable.is_file(), "{}", executable.display());
        let manifest = std::fs::read_to_string(folder.path().join("Cargo.toml")).unwrap();
        let binary = "[[bin]]\nname = \"-v\"\npath = \"src/main.rs\"\n";
        write("Cargo.toml", &format!("{manifest}{binary}"));
        let named = Code { binary: Some("-v".to_owned()), ..code.clone() };
        let Program::Command { executable, .. } = Program::of(Some(&named)).unwrap() else {
            panic!()
        };
        assert!(executable.ends_with("-v"), "{}", executable.display());
        write("src/main.rs", "fn main() { no }");
        let error = Program::of(Some(&code)).unwrap_err().to_string();
        assert!(error.contains("` failed"), "{error}");
    }

    #[test]
    fn a_command_is_the_shells() {
        let of = |command: &str| match Program::shell(command) {
            Program::Command { arguments, .. } => arguments[1].to_str().unwrap().to_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(of("node a.mjs"), "exec node a.mjs");
        assert_eq!(of("A=1 node a.mjs"), "A=1 node a.mjs");
        assert_eq!(of("cd x && node a.mjs"), "cd x && node a.mjs");
        assert_eq!(of(" echo "), "Echo");
    }
}
