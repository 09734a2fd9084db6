/// A picture of pixels, by what its first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Raster {
    pub(super) format: Format,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// The formats that can be judged; others are not handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Png,
    Jpeg,
    Gif,
}

impl Raster {
    /// How much memory the picture asks for, in pixels.
    pub(super) fn pixels(&self) -> usize {
        self.width as usize * self.height as usize
    }
}

/// Reads the header of a picture, or nothing if there is none that could only be read in one way.
///
/// The decoders of the engine take the memory that the header asks for before they look at the rest.
pub(super) fn judge(bytes: &[u8]) -> Option<Raster> {
    png(bytes).or_else(|| gif(bytes)).or_else(|| jpeg(bytes))
}

fn png(bytes: &[u8]) -> Option<Raster> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")?;
    let width = u32::from_be_bytes(header.get(..4)?.try_into().ok()?);
    let height = u32::from_be_bytes(header.get(4..8)?.try_into().ok()?);
    Some(Raster { format: Format::Png, width, height })
}

/// The decoder itself holds a single frame that is larger than the screen to 50 MB.
fn gif(bytes: &[u8]) -> Option<Raster> {
    let screen = bytes.strip_prefix(b"GIF87a").or_else(|| bytes.strip_prefix(b"GIF89a"))?;
    let side = |at: usize| Some(u32::from(u16::from_le_bytes(screen.get(at..at + 2)?.try_into().ok()?)));
    Some(Raster { format: Format::Gif, width: side(0)?, height: side(2)? })
}

/// Walks the segments up to the first scan. Exactly one of them has to be a frame header: with two, or with
/// something between segments, one reader could find another size than the next.
fn jpeg(bytes: &[u8]) -> Option<Raster> {
    let mut rest = bytes.strip_prefix(b"\xff\xd8")?;
    let mut found = None;
    loop {
        let (&[0xff, marker], after) = rest.split_first_chunk::<2>()? else { return None };
        // A marker may be preceded by any number of fill bytes.
        if marker == 0xff {
            rest = &rest[1..];
            continue;
        }
        if matches!(marker, 0x00 | 0x01 | 0xd0..=0xd9) {
            return None;
        }
        if marker == 0xda {
            return found;
        }
        let length = usize::from(u16::from_be_bytes(*after.first_chunk::<2>()?));
        let segment = after.get(2..length)?;
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            let side =
                |at: usize| Some(u32::from(u16::from_be_bytes(segment.get(at..at + 2)?.try_into().ok()?)));
            let frame = Raster { format: Format::Jpeg, height: side(1)?, width: side(3)? };
            if found.replace(frame).is_some() {
                return None;
            }
        }
        rest = &after[length..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(bytes: &[u8]) -> Option<(Format, u32, u32)> {
        judge(bytes).map(|raster| (raster.format, raster.width, raster.height))
    }

    #[test]
    fn headers_tell_the_size() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\x03\x0d\x40\0\0\0\x02\x08\x06\0\0\0";
        assert_eq!(size(png), Some((Format::Png, 200_000, 2)));
        assert_eq!(size(b"GIF89a\xff\xff\x02\0\x80\0\0"), Some((Format::Gif, 65_535, 2)));
        let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xc0\0\x0b\x08\0\x02\0\x03\x01\x01\x11\0\xff\xda\0\x02";
        assert_eq!(size(jpeg), Some((Format::Jpeg, 3, 2)));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not_read() {
        let frame = b"\xff\xc0\0\x0b\x08\0\x02\0\x03\x01\x01\x11\0".as_slice();
        let scan = b"\xff\xda\0\x02".as_slice();
        let start = b"\xff\xd8".as_slice();
        assert!(size(&[start, frame, scan].concat()).is_some());
        assert_eq!(size(&[start, frame, frame, scan].concat()), None);
        assert_eq!(size(&[start, b"x", frame, scan].concat()), None);
        assert_eq!(size(&[start, scan, frame].concat()), None);
        assert_eq!(size(&[start, frame].concat()), None);
        assert_eq!(size(b"\x89PNGx"), None);
        assert_eq!(size(b"RIFF\x0c\0\0\0WEBPVP8L\0\0\0\0"), None);
    }
}
