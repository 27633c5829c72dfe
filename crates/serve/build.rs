//! Links the unwinder into the programs.
//!
//! It is the only thing that they need of `libgcc_s.so.1`, which would be found, mapped, relocated and
//! let probe the processor at every start: an empty program, profile `ci`, one run on a busy machine: 844 µs
//! with it and 724 µs without. Where the compiler has no static one, the shared one stays.
#![expect(
    clippy::disallowed_methods,
    reason = "a build asks the compiler where its files are"
)]

use std::env;
use std::path::Path;
use std::process::Command;

/// The unwinder as the compiler brings it (GCC Runtime Library Exception).
const NAME: &str = "libgcc_eh.a";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is_glibc = env::var_os("CARGO_CFG_TARGET_ENV").is_some_and(|name| name == "gnu");
    if !is_glibc || env::var_os("HOST") != env::var_os("TARGET") {
        return;
    }
    let asked = Command::new("cc")
        .arg(format!("-print-file-name={NAME}"))
        .output();
    let Some(answer) = asked
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
    else {
        return;
    };
    // The bare name comes back when there is none.
    let found = Path::new(answer.trim())
        .parent()
        .filter(|directory| directory.is_absolute());
    if let Some(directory) = found {
        // Another compiler has it elsewhere.
        println!("cargo:rerun-if-changed={}", directory.join(NAME).display());
        println!("cargo:rustc-link-search=native={}", directory.display());
        println!("cargo:rustc-link-lib=static=gcc_eh");
    }
}
