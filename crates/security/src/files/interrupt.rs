//! How an async caller stops work on a blocking thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::FileError;

/// A flag that blocking work looks at between pieces. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// A guard that raises the flag when it is dropped, as it is with a cancelled future.
    #[must_use = "dropping the guard at once stops the work"]
    pub fn on_drop(&self) -> InterruptOnDrop {
        InterruptOnDrop(self.clone())
    }

    /// [`FileError::Interrupted`] once the flag is up.
    pub fn check(&self) -> Result<(), FileError> {
        // Relaxed: the flag orders nothing else, it only has to be seen soon.
        if self.0.load(Ordering::Relaxed) {
            Err(FileError::Interrupted)
        } else {
            Ok(())
        }
    }
}

/// Raises the flag of an [`Interrupt`] when dropped.
#[derive(Debug)]
pub struct InterruptOnDrop(Interrupt);

impl Drop for InterruptOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}
