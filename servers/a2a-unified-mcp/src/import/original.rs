//! The original system's database. A copy of it is brought to our schema and exported, so that odd
//! values are read by the one script that reads them when such a file is opened in place.

use std::path::Path;

use super::{ImportError, Item, shown};
use crate::knowledge::{Invalid, Metadata, Value, Version};
use crate::store::{Adoptable, Exporter, Record, StoreConfig};

/// A copy that is being read.
pub(super) struct Original {
    copy: Adoptable,
    records: Exporter,
}

impl Original {
    pub(super) async fn open(
        file: &Path,
        beside: &Path,
        config: &StoreConfig,
    ) -> Result<Self, ImportError> {
        let copy = Adoptable::copy(file, beside, config).await;
        let copy = copy.map_err(ImportError::foreign)?;
        let records = copy.records().await.map_err(ImportError::foreign)?;
        Ok(Self { copy, records })
    }

    pub(super) async fn next(&mut self) -> Result<Vec<Item>, ImportError> {
        let records = self.records.next().await.map_err(ImportError::foreign)?;
        let item = |record: Record| Item {
            place: format!("`{}`", shown(&record.identity().to_string())),
            record: check(record).map_err(|error| error.to_string()),
        };
        Ok(records.into_iter().map(item).collect())
    }

    pub(super) async fn close(self) {
        let Self { copy, records } = self;
        drop(records);
        copy.close().await;
    }
}

/// Refuses what is out of bounds: that system had none.
fn check(record: Record) -> Result<Record, Invalid> {
    Ok(Record {
        source: String::from(record.source).try_into()?,
        category: String::from(record.category).try_into()?,
        key: String::from(record.key).try_into()?,
        value: value(record.value)?,
        metadata: Metadata::try_from(record.metadata.into_members())?,
        history: {
            let checked = record.history.into_iter().map(|version| {
                Ok(Version {
                    value: value(version.value)?,
                    metadata: Metadata::try_from(version.metadata.into_members())?,
                    ..version
                })
            });
            checked.collect::<Result<_, Invalid>>()?
        },
        ..record
    })
}

fn value(value: Option<Value>) -> Result<Option<Value>, Invalid> {
    value
        .map(|value| String::from(value).try_into())
        .transpose()
}
