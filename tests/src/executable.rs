//! Paths of the executables under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The built `tollgate-local` executable, of the same profile as the running test.
///
/// # Panics
///
/// The build fails, or the test does not run out of a target folder.
pub fn local() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| built("tollgate-local"))
}

/// The built `tollgate` executable, of the same profile as the running test.
///
/// # Panics
///
/// The same as for [`local`].
pub fn tollgate() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| built("tollgate"))
}

/// The built `authorizer` executable, of the same profile as the running test.
///
/// # Panics
///
/// The same as for [`local`].
pub fn authorizer() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| built("authorizer"))
}

/// The authorizer with a store that panics: the example `panicking`.
///
/// # Panics
///
/// The same as for [`local`].
pub fn panicking() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| built("examples/panicking"))
}

/// The authorizer with a clock that goes wrong: the example `skewed`.
///
/// # Panics
///
/// The same as for [`local`].
pub fn skewed() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| built("examples/skewed"))
}

/// The service with limits of `throttle/SERVICE.md`: the example `service` of `throttle`.
///
/// # Panics
///
/// The same as for [`local`].
pub fn service() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| built("examples/service"))
}

/// The service of `throttle/TOKENS.md`: the example `llm_axum` of `throttle`.
///
/// # Panics
///
/// The same as for [`local`].
pub fn llm_axum() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| built("examples/llm_axum"))
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

/// Builds all executables, and returns the one at this path below the profile's folder.
///
/// Cargo gives a test the executables of its own package alone. Examples are built with the features
/// that tests have, so all that `cargo test --workspace` has built is up to date.
fn built(path: &str) -> PathBuf {
    // target/debug/deps/it-0123 -> target/debug
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap();
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        Some(name) => name,
        None => panic!("`{}` is not in a target folder", test.display()),
    };
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--workspace", "--bins", "--examples"])
        .args(["--profile", profile, "--target-dir"])
        .arg(folder.parent().unwrap())
        .status()
        .unwrap();
    assert!(status.success(), "`{path}` does not build");
    folder.join(path)
}
