//! How the program ends: the exit codes of the contract, and an error that knows its own.
//! It must not know what was being done.

use std::{fmt, process::ExitCode};
use store::StoreError;

/// What the shell is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok,
    /// It went wrong.
    Failure,
    /// The command line makes no sense.
    Usage,
    /// There is an answer, but it is not fresh, or none is fresh enough.
    Stale,
    /// No such pair, venue, row or key.
    NotFound,
    /// The server or the store does not answer.
    Unavailable,
    /// The configuration, a venue file or the schema is wrong.
    Config,
    /// Ended by Ctrl-C.
    Interrupted,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Failure => 1,
            Exit::Usage => 2,
            Exit::Stale => 3,
            Exit::NotFound => 4,
            Exit::Unavailable => 69,
            Exit::Config => 78,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// An error, with the exit code it ends the program with and what to do about it.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What went wrong.
    pub error: anyhow::Error,
    /// What to do next, if that is known.
    pub hint: Option<String>,
}

/// What every command returns.
pub type Outcome = Result<Exit, Failure>;

impl Failure {
    /// An error that ends the program with this code.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Failure {
        Failure { exit, error: error.into(), hint: None }
    }

    /// The same, said in words.
    pub fn say(exit: Exit, text: impl fmt::Display) -> Failure {
        Failure { exit, error: anyhow::anyhow!("{text}"), hint: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Failure {
        self.hint = Some(text.into());
        self
    }

    /// A failed write to standard output: a reader that went away (`rates pairs list | head -1`) is no failure.
    pub fn output(error: std::io::Error) -> Failure {
        let exit = if error.kind() == std::io::ErrorKind::BrokenPipe { Exit::Ok } else { Exit::Failure };
        Failure::new(exit, anyhow::Error::new(error).context("cannot write the output"))
    }

    /// What the store says, in exit codes: silence is 69, a newer schema or a wrong address 78, a duplicate 1.
    pub fn store(error: StoreError) -> Failure {
        let exit = match &error {
            StoreError::Address { .. } | StoreError::Unusable { .. } | StoreError::NewerSchema { .. } => {
                Exit::Config
            }
            StoreError::Unavailable(_) => Exit::Unavailable,
            StoreError::Conflict(_) => Exit::Failure,
        };
        Failure::new(exit, error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::new(Exit::Failure, error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = String::new();
        for cause in self.error.chain() {
            let text = cause.to_string();
            // An error often ends in its own source's words; said once is enough.
            if !said.contains(&text) {
                said.push_str(if said.is_empty() { "" } else { ": " });
                said.push_str(&text);
            }
        }
        f.write_str(&said)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_said_once_each() {
        let source = std::io::Error::other("disk on fire");
        let error = anyhow::Error::new(source).context("cannot read rates.toml");
        let failure = Failure::new(Exit::Config, error).hint("call somebody");
        assert_eq!(failure.to_string(), "cannot read rates.toml: disk on fire\n  call somebody");
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        assert_eq!(Failure::output(std::io::ErrorKind::BrokenPipe.into()).exit, Exit::Ok);
        assert_eq!(Failure::output(std::io::ErrorKind::StorageFull.into()).exit, Exit::Failure);
    }
}
