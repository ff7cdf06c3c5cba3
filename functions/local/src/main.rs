//! `frontdesk`: the one-machine host.

fn main() -> std::process::ExitCode {
    frontdesk_local::main()
}
