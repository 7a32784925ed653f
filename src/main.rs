//! The esker program.

use std::process::ExitCode;

fn main() -> ExitCode {
    esker::cli::main()
}
