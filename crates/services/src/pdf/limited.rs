//! What a template may write.

use std::io;

use longshore_pool::CpuToken;

/// Collects what a template writes, up to a limit, and until nobody waits for it any more.
pub(super) struct Limited {
    pub(super) bytes: Vec<u8>,
    pub(super) limit: usize,
    pub(super) is_over: bool,
    pub(super) token: CpuToken,
}

impl io::Write for Limited {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.token.is_raised() {
            return Err(io::Error::other("stopped"));
        }
        if self.bytes.len() + piece.len() > self.limit {
            self.is_over = true;
            return Err(io::Error::other("too large"));
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
