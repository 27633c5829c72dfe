//! The vectors in memory, kept in step with the file.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use tokio::sync::Mutex;

use super::matrix::Matrix;
use super::{Among, SemanticError};
use crate::embeddings::Sentence;
use crate::store::{EntryVectors, ModelNumber, Store, VectorChanges, VectorToken};

/// The vectors of one model.
#[derive(Default)]
pub(super) struct Index {
    /// Which state of the file it shows. Held while it is brought to another.
    shown: Mutex<Option<Shown>>,
    matrix: Arc<RwLock<Option<Matrix>>>,
}

#[derive(Clone, Copy)]
struct Shown {
    model: ModelNumber,
    token: VectorToken,
}

impl Index {
    /// Shows what the file has now of this model; false when another one is in use.
    pub(super) async fn refresh(
        &self,
        store: &Store,
        model: ModelNumber,
        dimension: usize,
    ) -> Result<bool, SemanticError> {
        let mut shown = self.shown.lock().await;
        let since = match &*shown {
            Some(now) if now.model == model => store.vectors_since(model, now.token).await?,
            Some(_) | None => match store.model_in_use().await? {
                Some((newest, _)) if newest == model => VectorChanges::Lost,
                Some(_) | None => VectorChanges::Superseded,
            },
        };
        let token = match since {
            VectorChanges::Superseded => {
                *shown = None;
                self.set(None);
                return Ok(false);
            }
            VectorChanges::Since(changes, token) => {
                if !changes.is_empty() {
                    self.apply(changes);
                }
                token
            }
            VectorChanges::Lost => {
                // Neither two models nor twice the memory at a time.
                *shown = None;
                self.set(None);
                self.load(store, model, dimension).await?
            }
        };
        *shown = Some(Shown { model, token });
        Ok(true)
    }

    async fn load(
        &self,
        store: &Store,
        model: ModelNumber,
        dimension: usize,
    ) -> Result<VectorToken, SemanticError> {
        let begun = Instant::now();
        let mut matrix = Matrix::new(dimension, store.count_vectors(model).await?);
        let add = |entry, bytes: &[u8]| {
            let (numbers, _) = bytes.as_chunks();
            matrix.add(entry, numbers.iter().copied().map(f32::from_le_bytes));
        };
        let token = store.each_vector(model, add).await?;
        matrix.settle();
        let entries = matrix.entries();
        let bytes = matrix.bytes();
        let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(entries, bytes, milliseconds, "vectors are in memory");
        self.set(Some(matrix));
        Ok(token)
    }

    /// At once, so that no search that is given up leaves it half done.
    fn apply(&self, changes: Vec<EntryVectors>) {
        if let Some(matrix) = &mut *write(&self.matrix) {
            let changes = changes.into_iter();
            matrix.replace(changes.map(|changed| (changed.entry, changed.chunks)));
        }
    }

    fn set(&self, matrix: Option<Matrix>) {
        *write(&self.matrix) = matrix;
    }

    /// The chunks among which the best are, as [`Matrix::candidates`] says.
    pub(super) async fn candidates(
        &self,
        query: Arc<Sentence>,
        among: Among,
        k: usize,
        most: usize,
    ) -> Result<Candidates, SemanticError> {
        let matrix = Arc::clone(&self.matrix);
        let scan = move || {
            let among = match &among {
                Among::All => None,
                Among::Ids(ids) => Some(&**ids),
            };
            let matrix = read(&matrix);
            let Some(matrix) = &*matrix else {
                return Candidates::default();
            };
            let found = matrix.candidates(&query.vector, among, k, most);
            let chunks = found.into_iter().map(|found| (found.entry, found.chunk));
            Candidates {
                chunks: chunks.collect(),
                are_all: k >= matrix.entries(),
            }
        };
        let scanned = tokio::task::spawn_blocking(scan).await;
        scanned.map_err(|_| SemanticError::Panicked)
    }
}

/// Chunks that may be the best.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// Each an entry's number and a place in its text.
    pub(super) chunks: Vec<(i64, usize)>,
    /// Whether there are no others.
    pub(super) are_all: bool,
}

fn read(matrix: &RwLock<Option<Matrix>>) -> RwLockReadGuard<'_, Option<Matrix>> {
    matrix.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(matrix: &RwLock<Option<Matrix>>) -> RwLockWriteGuard<'_, Option<Matrix>> {
    matrix.write().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").finish_non_exhaustive()
    }
}
