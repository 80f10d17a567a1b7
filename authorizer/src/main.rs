//! The authorizer's executable: `bootstrap` in a Lambda package.

use std::process::ExitCode;

fn main() -> ExitCode {
    tollgate_authorizer::main()
}
