//! Paths of the executables under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The built `local` executable, of the same profile as the running test.
///
/// Cargo gives a test the executables of its own package alone, so it is built here, once; after
/// `cargo test --workspace` that finds everything up to date.
///
/// # Panics
///
/// The build fails, or the test does not run out of a target folder.
pub fn local() -> &'static Path {
    static LOCAL: OnceLock<PathBuf> = OnceLock::new();
    LOCAL
        .get_or_init(|| build(&["--package", "local", "--bin", "tollgate-local"], "tollgate-local"))
}

/// The built `tollgate` executable, of the same profile as the running test.
///
/// # Panics
///
/// The same as for [`local`].
pub fn tollgate() -> &'static Path {
    static TOLLGATE: OnceLock<PathBuf> = OnceLock::new();
    TOLLGATE.get_or_init(|| build(&["--package", "admin", "--bin", "tollgate"], "tollgate"))
}

/// The built `authorizer` executable, of the same profile as the running test.
///
/// # Panics
///
/// The same as for [`local`].
pub fn authorizer() -> &'static Path {
    static AUTHORIZER: OnceLock<PathBuf> = OnceLock::new();
    AUTHORIZER.get_or_init(|| {
        build(&["--package", "tollgate-authorizer", "--bin", "authorizer"], "authorizer")
    })
}

/// The authorizer with a store that panics: the example `panicking`.
///
/// # Panics
///
/// The same as for [`local`].
pub fn panicking() -> &'static Path {
    static PANICKING: OnceLock<PathBuf> = OnceLock::new();
    PANICKING.get_or_init(|| {
        build(&["--package", "tests", "--example", "panicking"], "examples/panicking")
    })
}

/// The authorizer with a clock that goes wrong: the example `skewed`.
///
/// # Panics
///
/// The same as for [`local`].
pub fn skewed() -> &'static Path {
    static SKEWED: OnceLock<PathBuf> = OnceLock::new();
    SKEWED.get_or_init(|| build(&["--package", "tests", "--example", "skewed"], "examples/skewed"))
}

/// The service with limits of `throttle/SERVICE.md`: the example `service` of `throttle`.
///
/// # Panics
///
/// The same as for [`local`].
pub fn service() -> &'static Path {
    static SERVICE: OnceLock<PathBuf> = OnceLock::new();
    SERVICE.get_or_init(|| {
        build(&["--package", "tollgate-throttle", "--example", "service"], "examples/service")
    })
}

/// Builds an executable with the release profile and returns its path.
///
/// `arguments` name it for `cargo build`; `path` is its place below the profile's folder.
///
/// # Panics
///
/// The build fails, or the caller does not run out of a target folder.
#[must_use]
pub fn release(arguments: &[&str], path: &str) -> PathBuf {
    let current = std::env::current_exe().unwrap();
    let target = current.ancestors().nth(3).unwrap();
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--release", "--target-dir"])
        .arg(target)
        .args(arguments)
        .status()
        .unwrap();
    assert!(status.success(), "`{path}` does not build");
    target.join("release").join(path)
}

/// Builds the executable that `arguments` name; `path` is its place below the profile's folder.
fn build(arguments: &[&str], path: &str) -> PathBuf {
    // target/debug/deps/it-0123 -> target/debug
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap();
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        Some(name) => name,
        None => panic!("`{}` is not in a target folder", test.display()),
    };
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked"])
        .args(arguments)
        .args(["--profile", profile, "--target-dir"])
        .arg(folder.parent().unwrap())
        .status()
        .unwrap();
    assert!(status.success(), "`{path}` does not build");
    folder.join(path)
}
