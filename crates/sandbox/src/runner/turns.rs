//! How many commands run at once, also while the bound changes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// A bound on commands that one runner passes on to the next.
#[derive(Debug)]
pub(super) struct Turns {
    free: Arc<Semaphore>,
    bound: Mutex<Bound>,
}

#[derive(Debug)]
struct Bound {
    size: usize,
    /// Turns that are still taken although the bound has been lowered beneath them.
    surplus: usize,
}

/// A command's turn, given back when it is dropped.
#[derive(Debug)]
pub struct Turn {
    permit: Option<OwnedSemaphorePermit>,
    turns: Arc<Turns>,
}

impl Turns {
    pub(super) fn new(size: usize) -> Self {
        let size = size.min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(size)),
            bound: Mutex::new(Bound { size, surplus: 0 }),
        }
    }

    pub(super) async fn take(self: &Arc<Self>) -> Result<Turn, AcquireError> {
        let permit = Arc::clone(&self.free).acquire_owned().await?;
        Ok(Turn {
            permit: Some(permit),
            turns: Arc::clone(self),
        })
    }

    /// Changes the bound. Commands that run already keep their turns.
    pub(super) fn resize(&self, size: usize) {
        let size = size.min(Semaphore::MAX_PERMITS);
        let mut bound = self.bound();
        let more = size.saturating_sub(bound.size);
        let fewer = bound.size.saturating_sub(size);
        let kept = more.min(bound.surplus);
        self.free.add_permits(more - kept);
        let forgotten = self.free.forget_permits(fewer);
        bound.surplus = bound.surplus - kept + (fewer - forgotten);
        bound.size = size;
    }

    fn bound(&self) -> MutexGuard<'_, Bound> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut bound = self.turns.bound();
        if let Some(surplus) = bound.surplus.checked_sub(1) {
            bound.surplus = surplus;
            if let Some(permit) = self.permit.take() {
                permit.forget();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bound_that_is_lowered_holds_as_soon_as_turns_are_given_back() {
        let turns = Arc::new(Turns::new(3));
        let free = || turns.free.available_permits();
        let (one, two) = (turns.take().await.unwrap(), turns.take().await.unwrap());
        turns.resize(1);
        assert_eq!(free(), 0);
        drop(one);
        assert_eq!(free(), 0);
        turns.resize(2);
        assert_eq!(free(), 1);
        turns.resize(1);
        drop(two);
        assert_eq!(free(), 1);
        turns.resize(usize::MAX);
        assert_eq!(free(), Semaphore::MAX_PERMITS);
    }
}
