//! Writing content that comes piece by piece, without holding all of it.

use rustix::fs::Mode;

use super::draft::Draft;
use super::write::{length, make_directories};
use super::{FileError, Interrupt};
use crate::paths::{ConfinedTarget, Target};

impl ConfinedTarget {
    /// Makes the pieces, one after the other, the whole content of the file, and says how many bytes
    /// that were. [`FileError::Exists`] if there is a file and it is not to be replaced. Pieces that
    /// end because their maker failed must end with a raised interrupt: then what was there stays.
    pub fn fill_from(
        self,
        replace: bool,
        pieces: impl IntoIterator<Item = Vec<u8>>,
        interrupt: &Interrupt,
    ) -> Result<u64, FileError> {
        let Self {
            target,
            shown,
            limits,
        } = self;
        let exists = || FileError::Exists {
            path: shown.clone(),
        };
        let (parent, name) = match target {
            Target::Existing(_) if !replace => return Err(exists()),
            Target::Existing(old) => (old.parent, old.name),
            Target::Missing(new) => {
                let parent = make_directories(new.ancestor, &new.directories, &shown)?;
                (parent, new.name)
            }
        };
        let mut draft = Draft::create(&parent, &shown, Mode::RUSR | Mode::WUSR)?;
        let mut size = 0_u64;
        for piece in pieces {
            size = size.saturating_add(length(&piece));
            if size > limits.written {
                return Err(FileError::TooLarge {
                    path: shown.clone(),
                    size,
                    limit: limits.written,
                });
            }
            draft.fill(&piece, interrupt)?;
        }
        interrupt.check()?;
        draft.sync()?;
        if replace {
            draft.replace(&name)?;
        } else if draft.claim(&name)?.is_some() {
            return Err(exists());
        }
        Ok(size)
    }
}
