//! Tollgate on one machine; started by itself as an execution environment, the authorizer.

use std::process::ExitCode;

fn main() -> ExitCode {
    // What Lambda sets for a runtime, and nothing else does.
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
        return authorizer::main();
    }
    local::cli::main()
}
