//! A binary that is nothing but the helper, for the tests of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    mcp_sandbox::helper::main()
}
