//! Fuzz targets for the decoders of bytes that come from outside: whatever they are given, they read or refuse.
//!
//! One program holds all targets, since each would be built with all that the core depends on; `STRONGROOM_FUZZ_TARGET`
//! names the one to run. `scripts/fuzz.sh` builds it and runs each target for a while. A target may claim more than that
//! nothing panics: what is decoded is encoded to the same bytes, what is applied has ascending keys.
#![no_main]

mod targets;

use std::sync::LazyLock;

use targets::{ALL, Target};

static CHOSEN: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("STRONGROOM_FUZZ_TARGET").unwrap_or_default();
    let names: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
    let known = ALL.iter().find(|(known, _)| *known == name);
    known.map_or_else(|| panic!("STRONGROOM_FUZZ_TARGET is one of: {}", names.join(" ")), |(_, target)| *target)
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| CHOSEN(data));
