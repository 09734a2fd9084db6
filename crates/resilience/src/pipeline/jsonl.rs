use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use longshore_clock::Door;
use longshore_core::Invalid;
use serde::Serialize;
use tokio::task::JoinHandle;

use super::writer::buffered;
use super::{BatchSink, BatchedWriter, BoxError};

/// Where lines go, and when.
#[derive(Clone, Debug)]
pub struct JsonlWriterConfig {
    /// The file; what is in it stays, unless `overwrite`.
    pub file_path: PathBuf,
    /// Lines that are written at once, at most.
    pub buffer_size: usize,
    /// How long a line waits for others.
    pub flush_interval: Duration,
    /// Begin with an empty file.
    pub overwrite: bool,
    /// A file that is larger is renamed to `….1` before the next lines, in place of the one before; `None`
    /// for never.
    pub rotate_bytes: Option<u64>,
}

impl JsonlWriterConfig {
    /// With everything as usual: 100 lines, 5 seconds, nothing overwritten, no rotation.
    pub fn new(file_path: impl Into<PathBuf>) -> Self {
        Self {
            file_path: file_path.into(),
            buffer_size: 100,
            flush_interval: Duration::from_secs(5),
            overwrite: false,
            rotate_bytes: None,
        }
    }
}

/// Writes each item as one line of JSON.
pub type JsonlWriter<T> = BatchedWriter<T, JsonlSink>;

impl<T: Serialize + Send + Sync + 'static> JsonlWriter<T> {
    /// Opens the file. Refuses sizes of zero and a file that cannot be written.
    pub fn open(config: &JsonlWriterConfig, door: &Door) -> Result<Self, Invalid> {
        let writer = buffered(config.buffer_size, config.flush_interval)?;
        Self::new(&writer, JsonlSink::open(config)?, door)
    }
}

/// The file behind a [`JsonlWriter`].
pub struct JsonlSink {
    path: PathBuf,
    /// Taken by the thread that writes; none after a write that failed.
    file: Option<File>,
    /// A write that is under way, also when nobody waits for it any more.
    writing: Option<JoinHandle<Written>>,
    rotate_bytes: Option<u64>,
}

impl JsonlSink {
    /// For a [`BatchedWriter`] with other settings, such as one with dead letters.
    pub fn open(config: &JsonlWriterConfig) -> Result<Self, Invalid> {
        if config.rotate_bytes == Some(0) {
            return Err(Invalid::new("rotate_bytes", "a whole number above 0, or none", 0));
        }
        let path = config.file_path.clone();
        let opened = open(&path, config.overwrite);
        let wrong = |error: io::Error| {
            Invalid::new("file_path", "a file that can be written", format!("{}: {error}", path.display()))
        };
        let file = opened.map_err(wrong)?;
        let rotate_bytes = config.rotate_bytes;
        Ok(Self { path: config.file_path.clone(), file: Some(file), writing: None, rotate_bytes })
    }
}

fn open(path: &Path, overwrite: bool) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    if overwrite {
        file.set_len(0)?;
    }
    // A line that a crash has cut off ends here, so that the next one is whole.
    let length = file.seek(SeekFrom::End(0))?;
    if length > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != [b'\n'] {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

impl<T: Serialize + Send + Sync + 'static> BatchSink<T> for JsonlSink {
    async fn write(&mut self, batch: &[T]) -> Result<(), BoxError> {
        let mut lines = Vec::new();
        for item in batch {
            serde_json::to_writer(&mut lines, item)?;
            lines.push(b'\n');
        }
        // One that was given up may still take back what it wrote, and must not take ours with it.
        let _ = self.wait().await;
        let (file, path, rotate_bytes) = (self.file.take(), self.path.clone(), self.rotate_bytes);
        // Disks are slow, and the runtime must not wait for them.
        self.writing = Some(tokio::task::spawn_blocking(move || append(file, &path, &lines, rotate_bytes)));
        self.wait().await
    }
}

impl JsonlSink {
    /// Waits for the write that is under way, if there is one. May be given up and begun anew.
    async fn wait(&mut self) -> Result<(), BoxError> {
        let Some(writing) = &mut self.writing else { return Ok(()) };
        let ended = writing.await;
        self.writing = None;
        let (file, written) = ended?;
        self.file = file;
        Ok(written?)
    }
}

/// The file, unless it is to be opened anew, and how the write went.
type Written = (Option<File>, io::Result<()>);

/// Whether somebody has removed the file, so that nobody would ever read what is written to it.
fn is_removed(file: &File) -> bool {
    #[cfg(unix)]
    return file.metadata().is_ok_and(|data| std::os::unix::fs::MetadataExt::nlink(&data) == 0);
    #[cfg(not(unix))]
    {
        let _ = file;
        false
    }
}

/// Writes all of the lines or none: a part that was written is taken back.
fn append(file: Option<File>, path: &Path, lines: &[u8], rotate_bytes: Option<u64>) -> Written {
    let mut file = match file.filter(|file| !is_removed(file)).map_or_else(|| open(path, false), Ok) {
        Ok(file) => file,
        Err(error) => return (None, Err(error)),
    };
    let length = file.metadata().map_or(0, |data| data.len());
    if rotate_bytes.is_some_and(|most| length > 0 && length + lines.len() as u64 > most) {
        let mut older = path.as_os_str().to_owned();
        older.push(".1");
        match std::fs::rename(path, older).and_then(|()| open(path, false)) {
            Ok(turned) => file = turned,
            // It is opened anew with the next lines.
            Err(error) => return (None, Err(error)),
        }
    }
    let before = file.metadata().map_or(0, |data| data.len());
    match file.write_all(lines).and_then(|()| file.sync_data()) {
        Ok(()) => (Some(file), Ok(())),
        Err(error) => {
            let _ = file.set_len(before);
            (None, Err(error))
        }
    }
}
