//! Where entries are kept: one SQLite file, one writer that commits in groups, several readers.
//!
//! Several processes may use one file. SQLite's locks keep them apart; who finds it locked waits
//! ([`StoreConfig::patience`]). [`Store::token`] tells each that another one wrote.

mod backup;
mod batch;
mod config;
mod connection;
mod embedding;
mod error;
mod file;
mod foreign;
mod list;
mod moments;
mod names;
mod read;
mod readers;
mod results;
mod row;
mod schema;
mod search;
#[cfg(test)]
mod tests;
mod transfer;
mod write;
mod writer;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use futures_util::future;
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::batch::PutAll;
use self::moments::Moments;
use self::readers::Readers;
use self::transfer::AdoptAll;
use self::write::{Delete, DeleteWhere, Index, Put, Sweep};
use self::writer::{Job, Queued, Waiting, Writer};
use crate::knowledge::{
    Category, Change, Draft, Entry, Identity, Key, Revision, Source, Timestamp, Version,
};

pub use self::config::{StoreConfig, Synchronous};
pub use self::embedding::{
    ChunkVector, Embedded, EmbeddingProgress, EntryVectors, InUse, Lease, ModelName, ModelNumber,
    Pending, Taken, VectorChanges, VectorToken,
};
pub use self::error::StoreError;
pub(crate) use self::foreign::{Adoptable, Foreign};
pub use self::list::{Cursor, Filter, Page};
pub use self::moments::Epoch;
pub(crate) use self::moments::Moment;
pub use self::names::{Names, Part};
pub use self::read::{ChangeToken, Changes, Group, Recalled, Stats};
pub(crate) use self::results::LookedUp;
pub use self::schema::Migration;
pub(crate) use self::search::{Ask, Found, PART, Ranked};
pub use self::transfer::{Adopted, Exporter, OnConflict, Record};
pub use self::write::Written;

/// Entries that [`Store::sweep_all`] removes in one transaction.
const SWEPT_AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(999);

/// How long reads that are under way may hold up the end.
const READS_END: std::time::Duration = std::time::Duration::from_millis(200);

/// Entries in a file. Dropped without [`Store::close`], it leaves what was not acknowledged undone.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    config: StoreConfig,
    queue: mpsc::Sender<Box<dyn Waiting>>,
    readers: Readers,
    moments: Moments,
    stop: CancellationToken,
    writer: Mutex<JoinSet<()>>,
    opening: Opening,
    /// Told when entries were written.
    written: Notify,
}

/// What was found and done when a file was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// How it was brought to the newest schema, when it was of an older one.
    pub migration: Option<Migration>,
    /// Whether a log was left: another process has the file open, or one was killed. The log was
    /// taken up; [`Store::check`] tells whether all is well.
    pub log_left: bool,
}

/// How thoroughly the file is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Every page is read (`PRAGMA quick_check`).
    Pages,
    /// Indexes, the one of the full text included, are compared with their tables as well.
    Indexes,
}

impl Store {
    /// Opens the file at `path`, makes it when there is none, and brings one of an older schema or of
    /// the original system to the newest. A file that is newer, damaged or something else is refused
    /// and left as it is.
    pub async fn open(path: &Path, config: &StoreConfig) -> Result<Self, StoreError> {
        let found = file::look(path)?;
        schema::judge(path, config).await?;
        let mut writing = connection::open_to_write(path, config).await?;
        let migration = schema::migrate(&mut writing, path, config).await?;
        // From here on a reader never waits for a writer (https://sqlite.org/wal.html).
        let mode = "PRAGMA journal_mode = WAL";
        connection::execute_patiently(&mut writing, mode, config.patience).await?;
        connection::ask_often(&mut writing).await?;

        let (queue, queued) = mpsc::channel(config.queue.get());
        let stop = CancellationToken::new();
        let writer = Writer {
            path: path.to_owned(),
            config: config.clone(),
            connection: writing,
            queue: queued,
            stop: stop.clone(),
            last: (0, std::time::Duration::ZERO),
        };
        let mut writing = JoinSet::new();
        writing.spawn(writer.run());
        Ok(Self {
            path: path.to_owned(),
            config: config.clone(),
            queue,
            readers: Readers::new(path, config),
            moments: Moments::of(path),
            stop,
            writer: Mutex::new(writing),
            written: Notify::new(),
            opening: Opening {
                migration,
                log_left: found.log_left,
            },
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was found and done when it was opened.
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// Writes an entry, as a whole; it is on the disk when this returns.
    pub async fn put(&self, draft: Draft) -> Result<Written, StoreError> {
        let written = self.write(Put(draft)).await;
        self.look();
        written
    }

    /// Writes all entries or, when one cannot be written, none.
    pub async fn put_all(&self, drafts: Vec<Draft>) -> Result<Vec<Written>, StoreError> {
        let written = self.write(PutAll(drafts)).await;
        self.look();
        written
    }

    /// Writes each entry that can be written, in one transaction if they fit.
    pub async fn put_each(&self, drafts: Vec<Draft>) -> Vec<Result<Written, StoreError>> {
        future::join_all(drafts.into_iter().map(|draft| self.put(draft))).await
    }

    /// The entry, unless it is past its time.
    pub async fn get(&self, identity: &Identity) -> Result<Option<Entry>, StoreError> {
        let found = self.get_all(std::slice::from_ref(identity)).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// Each entry in its place, all of one moment.
    pub async fn get_all(&self, identities: &[Identity]) -> Result<Vec<Option<Entry>>, StoreError> {
        self.get_all_at(identities, Timestamp::now()).await
    }

    async fn get_all_at(
        &self,
        identities: &[Identity],
        now: Timestamp,
    ) -> Result<Vec<Option<Entry>>, StoreError> {
        read::entries(&self.readers, identities, now).await
    }

    /// What there is of each name, all of one moment. Once values are more than `room` bytes together,
    /// only those of at most 4 KiB are read.
    pub async fn recall_all(
        &self,
        identities: &[Identity],
        room: usize,
    ) -> Result<Vec<Recalled>, StoreError> {
        read::recall(&self.readers, identities, room, Timestamp::now()).await
    }

    /// Where there are entries of that key, at most `most`, whatever they belong to.
    pub async fn places_of(&self, key: &Key, most: u32) -> Result<Vec<Identity>, StoreError> {
        read::places(&self.readers, key, most, Timestamp::now()).await
    }

    /// The first `most` keys of a category, in their order.
    pub async fn keys(
        &self,
        source: &Source,
        category: &Category,
        most: u32,
    ) -> Result<Vec<Key>, StoreError> {
        read::keys(&self.readers, (source, category), most, Timestamp::now()).await
    }

    /// Deletes an entry, which stays in its history. The revision of the deletion, or `None` when
    /// there was no such entry; a conflict when it had another revision than `expected`.
    pub async fn delete(
        &self,
        identity: Identity,
        expected: Option<Revision>,
    ) -> Result<Option<Revision>, StoreError> {
        self.write(Delete { identity, expected }).await
    }

    /// Deletes each entry, as [`Store::delete`] does, in one transaction if they fit.
    pub async fn delete_each(
        &self,
        identities: Vec<Identity>,
    ) -> Vec<Result<Option<Revision>, StoreError>> {
        let delete = |identity| self.delete(identity, None);
        future::join_all(identities.into_iter().map(delete)).await
    }

    /// Deletes what the filter lets through, and says how many entries that were.
    pub async fn delete_where(&self, filter: Filter) -> Result<u64, StoreError> {
        self.write(DeleteWhere(filter)).await
    }

    /// A page of at most `limit` entries, fewer when they are large.
    pub async fn list(
        &self,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: NonZeroU32,
    ) -> Result<Page, StoreError> {
        list::page(&self.readers, filter, after, limit, Timestamp::now()).await
    }

    /// What an entry said, newest first, from the revision before `before` on.
    pub async fn history(
        &self,
        identity: &Identity,
        before: Option<Revision>,
        limit: NonZeroU32,
    ) -> Result<Vec<Version>, StoreError> {
        read::versions(&self.readers, identity, before, limit).await
    }

    /// Begins to read records, as all are now. Room for what is past its time is freed before, so that
    /// it counts as gone.
    pub async fn export(&self, filter: Filter, history: bool) -> Result<Exporter, StoreError> {
        // Before the sweep: what passes its time while it goes on is told as it was at this moment.
        let now = Timestamp::now();
        self.sweep_all().await?;
        let reading = connection::open_to_read(&self.path, self.config.patience).await?;
        Exporter::begin(reading, filter, history, now).await
    }

    /// Writes all records or, when one cannot be written, none. What is not known here keeps its
    /// revisions, times and past.
    pub async fn adopt_all(
        &self,
        records: Vec<Record>,
        on_conflict: OnConflict,
    ) -> Result<Adopted, StoreError> {
        let job = AdoptAll {
            records,
            on_conflict,
        };
        let adopted = self.write(job).await;
        self.look();
        adopted
    }

    /// What [`Store::adopt_all`] would do; nothing is written.
    pub async fn preview(
        &self,
        records: &[Record],
        on_conflict: OnConflict,
    ) -> Result<Adopted, StoreError> {
        let mut reading = self.readers.acquire().await?;
        transfer::preview(&mut reading, records, on_conflict).await
    }

    /// Removes up to `most` entries past their time, which no read has seen since, and says how many.
    pub async fn sweep(&self, most: NonZeroU32) -> Result<u64, StoreError> {
        self.write(Sweep { most }).await
    }

    /// Removes all entries past their time, some in a transaction, so that writes come in between.
    pub async fn sweep_all(&self) -> Result<(), StoreError> {
        while self.sweep(SWEPT_AT_ONCE).await? >= u64::from(SWEPT_AT_ONCE.get()) {}
        Ok(())
    }

    /// When the next entry is past its time.
    pub async fn next_expiry(&self) -> Result<Option<Timestamp>, StoreError> {
        read::next_expiry(&self.readers, Timestamp::now()).await
    }

    /// How far the file has come: another token means that something changed, in any process.
    pub async fn token(&self) -> Result<ChangeToken, StoreError> {
        Ok(ChangeToken::of(self.moment().await?))
    }

    /// The first `limit` changes since a token.
    pub async fn changes(
        &self,
        since: ChangeToken,
        limit: NonZeroU32,
    ) -> Result<Changes, StoreError> {
        read::changes(&self.readers, since, limit).await
    }

    /// The first `limit` names that begin with `prefix`, of entries that the filter lets through.
    pub async fn names(
        &self,
        (part, prefix): (Part, &str),
        filter: &Filter,
        limit: NonZeroU32,
    ) -> Result<Names, StoreError> {
        let named = (part, prefix);
        names::beginning(&self.readers, named, filter, limit, Timestamp::now()).await
    }

    /// Whether an entry came or went with any of the changes.
    pub async fn came_or_went(&self, changes: &[Change]) -> Result<bool, StoreError> {
        names::came_or_went(&self.readers, changes).await
    }

    /// How much is kept.
    pub async fn stats(&self) -> Result<Stats, StoreError> {
        read::stats(&self.readers, Timestamp::now()).await
    }

    /// Writes a copy of the file as it is now to `to`, where nothing may be. Writers go on.
    pub async fn back_up(&self, to: &Path) -> Result<(), StoreError> {
        backup::copy(&self.path, to, self.config.patience).await
    }

    /// Puts a copy of the backup `from` in the place of the file at `path`, and says what that is
    /// called now, if there was one. [`StoreError::Busy`] while any process has it open.
    pub async fn restore(
        path: &Path,
        from: &Path,
        config: &StoreConfig,
    ) -> Result<Option<PathBuf>, StoreError> {
        backup::restore(path, from, config).await
    }

    /// What is wrong with the file, in SQLite's words; nothing when it is sound.
    pub async fn check(&self, depth: Depth) -> Result<Vec<String>, StoreError> {
        let mut reading = connection::open_to_read(&self.path, self.config.patience).await?;
        let mut wrong = schema::check(&mut reading, depth).await?;
        if depth == Depth::Indexes {
            match self.write(Index::Check).await {
                Ok(()) => {}
                Err(StoreError::Damaged { reason }) => {
                    wrong.push(format!("full-text index: {reason}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(wrong)
    }

    /// Makes the full-text index anew from the entries.
    pub async fn rebuild_index(&self) -> Result<(), StoreError> {
        self.write(Index::Rebuild).await
    }

    /// Writes what waits and lets the file go.
    pub async fn close(&self) {
        // The last connection to a file takes its log up, and those that read cannot. A long read must
        // not hold up the end: then the log is left, as after a kill.
        let closing = tokio::time::timeout(READS_END, self.readers.close());
        drop(closing.await);
        self.stop.cancel();
        if let Some(Err(error)) = self.writer.lock().await.join_next().await {
            tracing::error!(%error, "the store's writer failed");
        }
    }

    async fn write<J: Job>(&self, job: J) -> Result<J::Done, StoreError> {
        // The transaction is that of others too, so it has no span of its own.
        let _turn = connection::turn("COMMIT");
        let (queued, answered) = Queued::new(job);
        let sent = self.queue.send(Box::new(queued)).await;
        sent.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}
