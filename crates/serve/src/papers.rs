//! What is shipped beside a program and follows from its command line.

use std::io;
use std::path::PathBuf;

use clap::{Command, Subcommand};
use clap_complete::Shell;

use crate::program::show;

/// What packagers ask of every server.
#[derive(Debug, Clone, Subcommand)]
pub enum Papers {
    /// Print the completion script of a shell
    #[command(hide = true)]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Write the manual pages, one for each sub-command
    #[command(hide = true)]
    Manual {
        /// Where to
        directory: PathBuf,
    },
}

impl Papers {
    /// Prints or writes it.
    ///
    /// # Errors
    /// When standard output or the directory cannot be written to.
    pub fn make(&self, name: &'static str, command: Command) -> io::Result<()> {
        let mut command = command.name(name);
        match self {
            Self::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(*shell, &mut command, name, &mut script);
                show(&String::from_utf8_lossy(&script))
            }
            Self::Manual { directory } => clap_mangen::generate_to(command, directory),
        }
    }
}
