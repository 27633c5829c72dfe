//! Feeds `mcp_fuzz::urls`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_fuzz::urls(data));
