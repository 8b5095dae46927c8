//! What lies between a file and its records: gzip, zstd, or nothing. Found by the first bytes.
//!
//! Both decompressors are pure Rust and stream. A zstd frame may ask for a window of at most
//! 128 MiB (ruzstd's limit, and zstd's own), so memory does not grow with what a header claims. Members of a gzip file and frames of
//! a zstd file that follow each other are read as one stream; skippable zstd frames are skipped.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// How a capture is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

type Input<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

/// A reader of the decompressed bytes.
pub(crate) enum Source<R: Read> {
    Plain(Input<R>),
    Gzip(Box<MultiGzDecoder<Input<R>>>),
    Zstd(Box<Frames<Input<R>>>),
}

impl<R: Read> Source<R> {
    pub(crate) fn new(mut inner: R) -> io::Result<Self> {
        let mut head = Vec::with_capacity(4);
        inner.by_ref().take(4).read_to_end(&mut head)?;
        let compression = match head.as_slice() {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] => Compression::Zstd,
            [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Compression::Zstd,
            _ => Compression::None,
        };
        let input = BufReader::with_capacity(64 << 10, Cursor::new(head).chain(inner));
        Ok(match compression {
            Compression::None => Self::Plain(input),
            Compression::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(input))),
            Compression::Zstd => Self::Zstd(Box::new(Frames::new(input))),
        })
    }

    /// Bytes that are known to be as they are meant.
    pub(crate) fn plain(inner: R) -> Self {
        Self::Plain(BufReader::with_capacity(0, Cursor::new(Vec::new()).chain(inner)))
    }

    pub(crate) fn compression(&self) -> Compression {
        match self {
            Self::Plain(_) => Compression::None,
            Self::Gzip(_) => Compression::Gzip,
            Self::Zstd(_) => Compression::Zstd,
        }
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(r) => r.read(buf),
            Self::Gzip(r) => r.read(buf),
            Self::Zstd(r) => r.read(buf),
        }
    }
}

/// The frames of a zstd stream, one after the other.
pub(crate) struct Frames<R: BufRead> {
    inner: R,
    decoder: FrameDecoder,
    open: bool,
}

impl<R: BufRead> Frames<R> {
    fn new(inner: R) -> Self {
        Self { inner, decoder: FrameDecoder::new(), open: false }
    }

    /// Reads the next frame's header, stepping over skippable ones. `false` at the end of the input.
    fn open_next(&mut self) -> io::Result<bool> {
        while !self.inner.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.inner) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if io::copy(&mut self.inner.by_ref().take(length), &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(e) => return Err(zstd_error(e)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.open {
                self.open = self.open_next()?;
                if !self.open {
                    return Ok(0);
                }
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.inner, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(zstd_error)?;
            }
            let n = self.decoder.read(buf)?;
            if n > 0 {
                return Ok(n);
            }
            self.open = false;
        }
    }
}

fn zstd_error(e: FrameDecoderError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("zstd: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpack(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Source::new(bytes)?.read_to_end(&mut out)?;
        Ok(out)
    }

    fn zstd(data: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut e, data).expect("writes to memory");
        e.finish().expect("writes to memory")
    }

    #[test]
    fn what_is_packed_comes_out() {
        let data: Vec<u8> = (0..200_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        assert_eq!(unpack(&data).unwrap(), data);
        assert_eq!(unpack(&gzip(&data)).unwrap(), data);
        assert_eq!(unpack(&zstd(&data)).unwrap(), data);
    }

    #[test]
    fn frames_and_members_are_joined_and_skippable_ones_skipped() {
        let skippable = [0x52, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9];
        let stream = [&skippable[..], &zstd(b"ab"), &zstd(b""), &skippable, &zstd(b"cd")].concat();
        assert_eq!(unpack(&stream).unwrap(), b"abcd");
        assert_eq!(unpack(&[gzip(b"ab"), gzip(b"cd")].concat()).unwrap(), b"abcd");
    }

    #[test]
    fn a_cut_stream_is_an_error() {
        for whole in [gzip(&[7; 5000]), zstd(&[7; 5000])] {
            assert!(unpack(&whole[..whole.len() - 3]).is_err());
        }
        assert!(unpack(&[0x52, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9]).is_err());
    }
}
