//! Components, section by section: their own code is one core module among descriptions of what it is given and offers.

use std::ops::Range;

use anyhow::{Context, Result};
use wasm_encoder::{Component, ComponentSectionId, RawSection};
use wasmparser::{Parser, Payload};

/// The code of a component: the largest module in it. The others only join it to its host.
pub fn core(component: &[u8]) -> Result<&[u8]> {
    let sections = sections(component)?;
    let modules = sections.iter().filter(|(id, _)| *id == MODULE);
    let (_, largest) = modules.max_by_key(|(_, range)| range.len()).context("a component without code")?;
    component.get(largest.clone()).context("a component that is cut off")
}

/// The component with other code, which imports and exports no more than its own did, and without names.
pub fn with_core(component: &[u8], other: &[u8]) -> Result<Vec<u8>> {
    let code = core(component)?;
    let mut made = Component::new();
    for (id, range) in sections(component)? {
        let data = component.get(range).context("a component that is cut off")?;
        let data = if id == MODULE && std::ptr::eq(data, code) { other } else { data };
        made.section(&RawSection { id, data });
    }
    Ok(made.finish())
}

const MODULE: u8 = ComponentSectionId::CoreModule as u8;

/// What its parts are called, which only debuggers read.
const NAMES: &str = "component-name";

/// Kind and place of each section, without what is nested inside and without names.
fn sections(component: &[u8]) -> Result<Vec<(u8, Range<usize>)>> {
    let mut sections: Vec<(u8, Range<usize>)> = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload?;
        let Some((id, range)) = payload.as_section() else { continue };
        if matches!(&payload, Payload::CustomSection(custom) if custom.name() == NAMES) {
            continue;
        }
        if sections.last().is_none_or(|(_, last)| range.start >= last.end) {
            sections.push((id, range));
        }
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{CodeSection, CustomSection, Function, FunctionSection, Module, TypeSection};

    use super::*;

    /// A module of one function of so many instructions.
    fn module(instructions: usize) -> Vec<u8> {
        let (mut types, mut functions, mut code) =
            (TypeSection::new(), FunctionSection::new(), CodeSection::new());
        types.ty().function([], []);
        functions.function(0);
        let mut function = Function::new([]);
        for _ in 0..instructions {
            function.instructions().nop();
        }
        function.instructions().end();
        code.function(&function);
        let mut module = Module::new();
        module.section(&types).section(&functions).section(&code);
        module.finish()
    }

    fn component(modules: &[Vec<u8>]) -> Vec<u8> {
        let mut component = Component::new();
        for module in modules {
            component.section(&RawSection { id: MODULE, data: module });
            component.section(&CustomSection { name: "note".into(), data: (&[1, 2, 3][..]).into() });
        }
        component.finish()
    }

    #[test]
    fn the_largest_module_alone_is_exchanged() {
        let whole = component(&[module(3), module(300), module(5)]);
        assert_eq!(core(&whole).expect("a module"), module(300));
        let smaller = with_core(&whole, &module(200)).expect("a component");
        assert_eq!(smaller, component(&[module(3), module(200), module(5)]));
        // The same code changes nothing.
        assert_eq!(with_core(&whole, &module(300)).expect("a component"), whole);
    }

    #[test]
    fn names_are_left_out() {
        let bare = component(&[module(3)]);
        let mut named = Component::new();
        named.section(&RawSection { id: MODULE, data: &module(3) });
        named.section(&CustomSection { name: NAMES.into(), data: (&[1][..]).into() });
        named.section(&CustomSection { name: "note".into(), data: (&[1, 2, 3][..]).into() });
        assert_eq!(with_core(&named.finish(), &module(3)).expect("a component"), bare);
    }

    #[test]
    fn what_is_no_component_is_refused() {
        assert!(core(&component(&[])).is_err());
        assert!(core(b"\0asm").is_err());
        let whole = component(&[module(3)]);
        assert!(core(whole.get(..whole.len() - 1).unwrap_or_default()).is_err());
    }
}
