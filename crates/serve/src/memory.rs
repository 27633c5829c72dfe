//! Makes the C library give memory back after large messages.
//!
//! glibc raises its threshold for mapping large blocks with every one that is freed, up to 32 MiB,
//! and then keeps them. A server that rarely carries a large message must not stay large after it.
#![expect(
    unsafe_code,
    reason = "mallopt(3) and malloc_trim(3) have no safe interface"
)]

use libc::{M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, mallopt};

/// Blocks of this size and more are mapped on their own and unmapped when freed. Smaller, and
/// ordinary pages of content would be mapped and faulted in anew for each call.
const MAPPED_BYTES: i32 = 1024 * 1024;

/// So many free bytes at the end of the heap are returned: more than a call with an ordinary page
/// of content takes, or each such call would shrink the heap and the next one fault it in again.
const TRIMMED_BYTES: i32 = 4 * 1024 * 1024;

/// Heaps beside the main one: blocking threads share them.
const HEAPS: i32 = 2;

/// Sets the allocator's parameters for good. To be called before the first thread is started.
pub fn give_back_large_blocks() {
    for (parameter, value) in [
        (M_MMAP_THRESHOLD, MAPPED_BYTES),
        (M_TRIM_THRESHOLD, TRIMMED_BYTES),
        (M_ARENA_MAX, HEAPS),
    ] {
        // SAFETY: mallopt takes two integers and changes parameters that malloc reads; the
        // parameters and values are ones that its manual page allows.
        let accepted = unsafe { mallopt(parameter, value) };
        debug_assert_eq!(accepted, 1, "mallopt refused {parameter}");
    }
}

/// Gives free pages back, wherever in the heap they are: some 50 µs.
pub(crate) fn give_back_free_pages() {
    // SAFETY: malloc_trim takes an integer, the bytes to keep at the end of the heap, and locks what it
    // changes; it only touches memory that is free.
    unsafe { libc::malloc_trim(0) };
}
