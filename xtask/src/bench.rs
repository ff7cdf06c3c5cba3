//! `bench`: builds what is measured, and measures it.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::setup::{sqld, tools};
use crate::workspace::Workspace;
use crate::{build, dev, run, web};

/// Where the Workers are that ours is measured against.
const EDGE: &str = "bench/edge";

/// Becomes the bench, which finds the program it measures beside itself.
pub fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    if dev::asks_for_help(args) {
        let program = workspace.target().join("release/frontdesk-bench");
        return dev::help(&program, args, "cargo build --release --package frontdesk-bench");
    }
    let program = dev::host(workspace, true)?;
    run::run(workspace.cargo().args(["build", "--quiet", "--release", "--package", "frontdesk-bench"]))?;
    let mut bench = Command::new(program.with_file_name("frontdesk-bench"));
    bench.args(args);
    if args.first().is_some_and(|what| what == "edge") {
        build::worker(workspace)?;
        sqld::ensure(workspace)?;
        web::packages(workspace, EDGE)?;
        let log = workspace.state("logs").join("bench-edge-build.log");
        run::run_logged(web::npm(&workspace.path(EDGE)).args(["run", "--silent", "build"]), &log)?;
        bench.arg("--repository").arg(&workspace.root);
    }
    if args.first().is_some_and(|what| what == "spin") {
        sqld::ensure(workspace)?;
        let wasmtime = tools::wasmtime().ensure(workspace)?;
        let [component, hello] = [build::component(workspace, false)?, build::hello_component(workspace)?];
        bench.arg("--repository").arg(&workspace.root).arg("--wasmtime").arg(wasmtime);
        bench.arg("--component").arg(component).arg("--hello").arg(hello);
    }
    run::become_(&mut bench)
}
