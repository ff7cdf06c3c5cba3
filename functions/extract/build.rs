//! The ceiling of the module's memory is a part of the module.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        // `wire::MODULE_MEMORY` says the same to people.
        let bytes = 64 << 20;
        println!("cargo::rustc-link-arg-cdylib=--max-memory={bytes}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
