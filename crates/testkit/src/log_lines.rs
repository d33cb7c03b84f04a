//! A log in memory, for a subscriber to write and a test to read.
//! It must not know who logs.

use parking_lot::Mutex;
use std::{io, sync::Arc};
use tracing_subscriber::fmt::MakeWriter;

/// Lines of a log; a clone is the same log.
#[derive(Debug, Clone, Default)]
pub struct LogLines(Arc<Mutex<Vec<u8>>>);

impl LogLines {
    /// What was written so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock()).into_owned()
    }

    /// Whatever anybody logs in this process from now on, at its most talkative. Once in a process.
    pub fn of_everything() -> LogLines {
        let lines = LogLines::default();
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_writer(lines.clone())
            .with_ansi(false)
            .init();
        lines
    }
}

impl io::Write for LogLines {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = LogLines;

    fn make_writer(&'a self) -> LogLines {
        self.clone()
    }
}
