//! Vectors of entries, and the queue of entries that have none yet.
//!
//! Several processes may share the work: who takes an entry has a lease on it, and when that runs
//! out, because the process was killed, another takes it.

mod queue;
mod vectors;

use std::num::NonZeroU32;
use std::time::Duration;

use sqlx::SqliteConnection;

use super::{Store, StoreError};
use crate::knowledge::{Key, Tags, Timestamp, Value};

pub use self::vectors::{ChunkVector, EntryVectors, VectorChanges, VectorToken};

/// A model as the file knows it: another number for each change of the model, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModelNumber(i64);

/// What a model is known by. Vectors are only ever compared with vectors of the same model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelName {
    /// What it is called, its version included.
    pub name: String,
    /// Numbers in each of its vectors.
    pub dimension: usize,
}

/// That a model is the one in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InUse {
    /// Its number.
    pub model: ModelNumber,
    /// Whether another one was in use before, or none: all entries are pending then.
    pub is_new: bool,
}

/// The right to embed the entries that were taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease(i64);

/// What was taken to be embedded.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// These entries.
    Entries(Lease, Vec<Pending>),
    /// Nothing is to be done now.
    Nothing,
    /// None, because another model is in use now: another process brought it.
    Superseded,
}

/// An entry that is to be embedded.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// The number of the entry.
    pub entry: i64,
    /// What it is called.
    pub key: Key,
    /// What it says.
    pub value: Value,
    /// Its labels.
    pub tags: Tags,
}

/// The vectors of one entry, to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// The number of the entry.
    pub entry: i64,
    /// One vector for each chunk of the text, at least one.
    pub chunks: Vec<Vec<f32>>,
}

/// How far embedding has come, in entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct EmbeddingProgress {
    /// Those that have no vectors yet.
    pub pending: u64,
    /// Those with vectors of the model in use.
    pub done: u64,
    /// Those that could not be embedded.
    pub failed: u64,
}

impl Store {
    /// Has this model in use. When it was another one, all entries become pending; otherwise those
    /// that failed do.
    pub async fn adopt_model(&self, model: ModelName) -> Result<InUse, StoreError> {
        self.write(queue::Adopt(model)).await
    }

    /// The model in use, once there was one.
    pub async fn model_in_use(&self) -> Result<Option<(ModelNumber, ModelName)>, StoreError> {
        let mut reading = self.readers.acquire().await?;
        let model = in_use(&mut reading).await;
        reading.give_back();
        model
    }

    /// Takes up to `most` pending entries for `time`, the one created last first. Writes nothing
    /// when there are none.
    pub async fn take_pending(
        &self,
        model: ModelNumber,
        most: NonZeroU32,
        time: Duration,
    ) -> Result<Taken, StoreError> {
        if !queue::is_any_free(&self.readers, Timestamp::now()).await? {
            return Ok(Taken::Nothing);
        }
        self.write(queue::Take { model, most, time }).await
    }

    /// How long until there is something to take; `None` when nothing is pending.
    pub async fn next_pending(&self) -> Result<Option<Duration>, StoreError> {
        let now = Timestamp::now();
        if queue::is_any_free(&self.readers, now).await? {
            return Ok(Some(Duration::ZERO));
        }
        queue::next_free(&self.readers, now).await
    }

    /// Waits until an entry was written by this store, or [`Store::look`] called, since this returned
    /// last. For one task.
    pub async fn written(&self) {
        self.written.notified().await;
    }

    /// Has whoever waits for writes look again: another process may have written.
    pub fn look(&self) {
        self.written.notify_one();
    }

    /// Keeps the entries of a lease for `time` from now on.
    pub async fn renew(&self, lease: Lease, time: Duration) -> Result<(), StoreError> {
        let until = Timestamp::now().after(time);
        self.write(queue::Hold { lease, until }).await
    }

    /// Lets others have what is left of a lease.
    pub async fn give_back(&self, lease: Lease) -> Result<(), StoreError> {
        let until = Timestamp::from_millis(0);
        self.write(queue::Hold { lease, until }).await
    }

    /// Keeps the vectors of those entries on which the lease still is, if the model is still in use,
    /// and says how many that were. An entry whose text changed meanwhile is pending again.
    pub async fn put_vectors(
        &self,
        model: ModelNumber,
        lease: Lease,
        embedded: Vec<Embedded>,
    ) -> Result<usize, StoreError> {
        let keep = vectors::Keep {
            model,
            lease,
            embedded,
        };
        self.write(keep).await
    }

    /// An entry could not be embedded: it is tried again later, a few times.
    pub async fn put_failure(&self, lease: Lease, entry: i64) -> Result<(), StoreError> {
        self.write(queue::Fail { lease, entry }).await
    }

    /// How far embedding has come.
    pub async fn embedding_progress(&self) -> Result<EmbeddingProgress, StoreError> {
        queue::progress(&self.readers).await
    }

    /// About how many vectors a model has.
    pub async fn count_vectors(&self, model: ModelNumber) -> Result<usize, StoreError> {
        vectors::count(&self.readers, model).await
    }

    /// Shows each vector of a model, in one snapshot, as the number of its entry and its bytes. The
    /// token says how far the file had come.
    pub async fn each_vector(
        &self,
        model: ModelNumber,
        show: impl FnMut(i64, &[u8]) + Send,
    ) -> Result<VectorToken, StoreError> {
        vectors::each(&self.readers, model, show).await
    }

    /// The vectors that entries have now which got or lost some since a token.
    pub async fn vectors_since(
        &self,
        model: ModelNumber,
        token: VectorToken,
    ) -> Result<VectorChanges, StoreError> {
        vectors::since(&self.readers, model, token).await
    }

    /// The vectors of these entries, without those that have none or are past their time.
    pub async fn vectors_of(
        &self,
        model: ModelNumber,
        entries: &[i64],
    ) -> Result<Vec<EntryVectors>, StoreError> {
        vectors::of(&self.readers, model, entries, Timestamp::now()).await
    }

    /// The vectors of these chunks, each an entry's number and a place from 0, without those that
    /// are none or whose entry is past its time; in no order.
    pub async fn vectors_at(
        &self,
        model: ModelNumber,
        chunks: &[(i64, usize)],
    ) -> Result<Vec<ChunkVector>, StoreError> {
        vectors::at(&self.readers, model, chunks, Timestamp::now()).await
    }
}

async fn in_use(
    connection: &mut SqliteConnection,
) -> Result<Option<(ModelNumber, ModelName)>, StoreError> {
    let newest: Option<(i64, String, i64)> =
        sqlx::query_as("SELECT id, name, dimension FROM embedding_model ORDER BY id DESC LIMIT 1")
            .fetch_optional(connection)
            .await?;
    Ok(newest.map(|(id, name, dimension)| {
        let dimension = usize::try_from(dimension).unwrap_or(0);
        (ModelNumber(id), ModelName { name, dimension })
    }))
}
