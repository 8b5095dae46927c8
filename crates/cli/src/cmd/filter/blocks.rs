//! A file that is written in whole blocks, at offsets that are multiples of them: Linux puts such blocks into the page cache
//! in larger pieces, and so in less time, than those of `BufWriter`, which end where a packet ends.

use std::fs::File;
use std::io::{self, Write};

/// Bytes of a block.
const BLOCK: usize = 256 << 10;

/// What is written comes out in blocks, the last one when it is flushed or dropped.
pub(super) struct Blocks {
    file: File,
    block: Vec<u8>,
}

impl Blocks {
    /// Into a file that is empty.
    pub(super) fn new(file: File) -> Self {
        Self { file, block: Vec::with_capacity(BLOCK) }
    }

    /// Makes room, and puts in what has no room in one piece.
    #[cold]
    fn full(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while self.block.len() + bytes.len() >= BLOCK {
            let (now, later) = bytes.split_at(BLOCK - self.block.len());
            self.block.extend_from_slice(now);
            bytes = later;
            self.flush()?;
        }
        self.block.extend_from_slice(bytes);
        Ok(())
    }
}

impl Write for Blocks {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() + bytes.len() < BLOCK {
            self.block.extend_from_slice(bytes);
        } else {
            self.full(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // What failed once is not tried again when this is dropped.
        let block = std::mem::take(&mut self.block);
        self.file.write_all(&block)?;
        self.block = block;
        self.block.clear();
        Ok(())
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        // Whoever wants to know flushes.
        let _ = self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_in_the_file() {
        let path = std::env::temp_dir().join(format!("skep-blocks-{}", std::process::id()));
        let mut blocks = Blocks::new(File::create(&path).expect("a file"));
        let mut all = Vec::new();
        for n in [1, 100, BLOCK - 101, 1, BLOCK, 3 * BLOCK + 7, 5, 2 * BLOCK - 13, 0, 9] {
            let piece: Vec<u8> = (0..n).map(|i| (i * 7 + n) as u8).collect();
            blocks.write_all(&piece).expect("room");
            all.extend(piece);
        }
        drop(blocks);
        let found = std::fs::read(&path).expect("it was written");
        std::fs::remove_file(&path).expect("it is there");
        assert!(found == all);
    }
}
