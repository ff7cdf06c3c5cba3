//! A site's `robots.txt` and a path, apart by a NUL.
#![no_main]

use frontdesk_domain::robots::Robots;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let at = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (file, path) = bytes.split_at(at);
    let _ = Robots::parse(file, "ExampleBot").allow(&String::from_utf8_lossy(path));
});
