//! What the components ask of their host, compared with a list that is reviewed like any other change:
//! `functions/spin/imports.txt`.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use wasmparser::{Parser, Payload};

use crate::build;
use crate::run;
use crate::test::Session;
use crate::test::count::Counts;
use crate::workspace::Workspace;

/// The list.
const LIST: &str = "functions/spin/imports.txt";
const HEADING: &str = "\
# What each component asks of its host, and what it offers. `UPDATE_DOCS=1 cargo xtask test --part edge` writes it anew.
";
/// What a host calls.
const HANDLER: &str = "wasi:http/handler@0.3.0";

/// What a component asks of its host, and what it offers.
#[derive(Debug, Default, PartialEq, Eq)]
struct World {
    imports: Vec<String>,
    exports: Vec<String>,
}

impl World {
    /// Of the component in a file.
    fn of(component: &Path) -> Result<Self> {
        let bytes = fs::read(component).with_context(|| component.display().to_string())?;
        Self::read(&bytes).with_context(|| component.display().to_string())
    }

    fn read(bytes: &[u8]) -> Result<Self> {
        let mut world = Self::default();
        // What is nested inside is its own affair.
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                    depth = depth.saturating_add(1);
                }
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        world.imports.push(interface(import?.name.0));
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        world.exports.push(interface(export?.name.0));
                    }
                }
                _ => {}
            }
        }
        world.imports.sort();
        world.exports.sort();
        Ok(world)
    }

    /// What it asks for beside WASI and what `also` allows.
    fn foreign(&self, also: &[&str]) -> Vec<&str> {
        let known = |name: &str| name.starts_with("wasi:") || also.iter().any(|also| name.starts_with(also));
        self.imports.iter().map(String::as_str).filter(|name| !known(name)).collect()
    }
}

/// An interface's name without the last number of a version 0.2, which is the compiler's own choice.
fn interface(name: &str) -> String {
    match name.rsplit_once("@0.2.") {
        Some((interface, _)) => format!("{interface}@0.2"),
        None => name.to_owned(),
    }
}

/// A component by its name, and which interfaces it may ask for beside WASI's.
struct Built {
    name: &'static str,
    also: &'static [&'static str],
    world: World,
}

/// Looks at what the components ask for: the portable one, which is built already, and the others.
pub fn imports(session: &Session<'_>, portable: &Path) -> Result<Counts> {
    let workspace = session.workspace;
    let portable = World::of(portable)?;
    let spin = World::of(&build::component(workspace, true)?)?;
    let reader = World::of(&build::reader_component(workspace)?)?;
    let built = [
        Built { name: "frontdesk_portable.wasm", also: &[], world: portable },
        Built { name: "frontdesk_for_spin.wasm", also: &["spin:variables/"], world: spin },
        Built { name: "frontdesk_reader.wasm", also: &[], world: reader },
    ];
    let mut counts = listed(workspace, &built)?;
    for component in &built {
        let foreign = component.world.foreign(component.also);
        for name in &foreign {
            run::say(&format!("{} may not ask for {name}", component.name));
        }
        let offered = component.world.exports.iter().any(|name| name == HANDLER);
        if !offered {
            run::say(&format!("{} does not offer {HANDLER}", component.name));
        }
        counts = counts.add(Counts::one(foreign.is_empty())).add(Counts::one(offered));
    }
    Ok(counts)
}

/// Compares with the list, or writes it.
fn listed(workspace: &Workspace, built: &[Built]) -> Result<Counts> {
    let path = workspace.path(LIST);
    let found = list(built)?;
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &found).context(LIST)?;
    }
    let expected = fs::read_to_string(&path).context(LIST)?;
    let difference = difference(&expected, &found);
    if !difference.is_empty() {
        run::say(&format!("{LIST} differs; if that is meant, UPDATE_DOCS=1 writes it anew"));
        for line in &difference {
            run::say(line);
        }
    }
    Ok(Counts::one(difference.is_empty()))
}

/// One line for each interface: the component, the direction, the interface.
fn list(built: &[Built]) -> Result<String> {
    let mut text = HEADING.to_owned();
    for Built { name, world, .. } in built {
        writeln!(text)?;
        for import in &world.imports {
            writeln!(text, "{name} imports {import}")?;
        }
        for export in &world.exports {
            writeln!(text, "{name} exports {export}")?;
        }
    }
    Ok(text)
}

/// Lines that only one of them has: `-` expected and not found, `+` found and not expected.
fn difference(expected: &str, found: &str) -> Vec<String> {
    let only = |mark: &str, of: &str, not_of: &str| -> Vec<String> {
        of.lines()
            .filter(|line| !not_of.lines().any(|other| other == *line))
            .map(|line| format!("{mark} {line}"))
            .collect()
    };
    let mut lines = only("-", expected, found);
    lines.extend(only("+", found, expected));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component that imports the type `a`, exports nothing, and has what is told inside.
    fn component(name: u8, inside: &[u8]) -> Vec<u8> {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        bytes.extend([0x0a, 6, 1, 0, 1, name, 3, 1]);
        if !inside.is_empty() {
            bytes.extend([4, u8::try_from(inside.len()).unwrap()]);
            bytes.extend(inside);
        }
        bytes
    }

    #[test]
    fn what_is_nested_asks_nothing_of_the_host() {
        let bytes = component(b'a', &component(b'b', &[]));
        let world = World { imports: vec!["a".to_owned()], exports: vec![] };
        assert_eq!(World::read(&bytes).unwrap(), world);
        assert_eq!(world.foreign(&[]), ["a"]);
        assert!(World::read(b"no component").is_err());
    }

    #[test]
    fn an_interface_of_another_host_is_foreign_unless_it_is_allowed() {
        let imports = ["wasi:cli/environment@0.3.0", "spin:variables/variables@3.0.0", "wasip:x/y"];
        let world = World { imports: imports.map(str::to_owned).into(), exports: vec![] };
        assert_eq!(world.foreign(&[]), ["spin:variables/variables@3.0.0", "wasip:x/y"]);
        assert_eq!(world.foreign(&["spin:variables/"]), ["wasip:x/y"]);
    }

    #[test]
    fn which_0_2_it_is_the_compiler_chooses() {
        assert_eq!(interface("wasi:io/poll@0.2.12"), "wasi:io/poll@0.2");
        assert_eq!(interface("wasi:http/types@0.3.0"), "wasi:http/types@0.3.0");
    }

    #[test]
    fn a_difference_names_both_sides() {
        assert_eq!(difference("a\nb\n", "a\nc\n"), ["- b", "+ c"]);
        assert!(difference("a\n", "a\n").is_empty());
    }
}
