//! A file system that a function can only read, but for `/tmp`, as on Lambda.
//!
//! The rule is Landlock's, which Linux has since 5.13 and any user may set. It holds for the thread
//! that sets it and for the processes that the thread starts. On other systems nothing is
//! restricted.
//!
//! A refused write is `EACCES`, "permission denied". On Lambda it is `EROFS`.

use std::io;

use tokio::runtime::Handle;

/// Runs `start` on a thread of its own, so that the process which it starts can only read.
///
/// # Errors
/// Those of `start`, and of a rule that the system refuses.
pub(super) fn start<T: Send>(start: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let runtime = Handle::current();
    let run = || {
        // A process of tokio's needs its runtime.
        let _entered = runtime.enter();
        restrict()?;
        start()
    };
    std::thread::scope(|scope| scope.spawn(run).join())
        .unwrap_or_else(|_| Err(io::Error::other("the thread that starts processes panicked")))
}

/// True if a line of output says that the system refused a write.
pub(super) fn is_refusal(line: &str) -> bool {
    cfg!(target_os = "linux") && line.to_ascii_lowercase().contains("permission denied")
}

/// Lets this thread write to `/tmp`, and to the devices that programs write to, only.
///
/// It can neither reach the terminal, whose input a program could fake, nor send signals to
/// processes that it did not start. A system that lacks one of these rules has the others.
#[cfg(target_os = "linux")]
fn restrict() -> io::Result<()> {
    use landlock::{
        ABI, AccessFs, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, Scope,
        path_beneath_rules,
    };
    const WRITABLE: [&str; 4] = ["/tmp", "/dev/null", "/dev/zero", "/dev/full"];
    let writes = AccessFs::from_write(ABI::V5);
    let allowed = writes & !(AccessFs::MakeBlock | AccessFs::MakeChar);
    Ruleset::default()
        .handle_access(writes)
        .and_then(|rules| rules.scope(Scope::Signal))
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rules(path_beneath_rules(WRITABLE, allowed)))
        .and_then(RulesetCreated::restrict_self)
        .map(drop)
        .map_err(io::Error::other)
}

#[cfg(not(target_os = "linux"))]
fn restrict() -> io::Result<()> {
    Ok(())
}
