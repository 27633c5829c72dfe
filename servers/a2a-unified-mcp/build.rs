//! Links the program at a fixed address, as that of the other server is: a start then touches a third
//! of the pages. Stack, heap and libraries stay randomised.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg-bins=-no-pie");
}
