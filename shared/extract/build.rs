//! Packs the tables of fonts: unpacked they would be a tenth of the reader.

use std::io::Write as _;
use std::path::Path;

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=data");
    let directory = std::env::var_os("OUT_DIR").ok_or(std::io::ErrorKind::NotFound)?;
    for name in ["glyphs", "codes"] {
        let table = std::fs::read(format!("data/{name}.txt"))?;
        let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(&table)?;
        std::fs::write(Path::new(&directory).join(name), packed.finish()?)?;
    }
    Ok(())
}
