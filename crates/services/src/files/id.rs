//! Ids of jobs as parts of paths. Callers may choose ids with nearly any character, so the rest is written as `%2F`.

/// Longest id as a part of a path, in bytes; file systems end at 255.
const SEGMENT_BYTES_MAX: usize = 240;

/// The id as one part of a path, or nothing if it would be too long.
pub(crate) fn segment(id: &str) -> Option<String> {
    let mut out = String::with_capacity(id.len());
    for (index, byte) in id.bytes().enumerate() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => out.push(byte.into()),
            b'.' if index > 0 => out.push('.'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    (1..=SEGMENT_BYTES_MAX).contains(&out.len()).then_some(out)
}

/// The id that a part of a path stands for.
pub(crate) fn id_of(segment: &str) -> Option<String> {
    let mut out = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_and_never_leave_their_folder() {
        for id in
            ["0193e1a2-7b3c-7def-8123-456789abcdef", "../../etc", ".", "..", "a/b\\c", "é%20", "order.17"]
        {
            let part = segment(id).unwrap();
            assert!(crate::folder::is_plain_name(&part), "{part}");
            assert_eq!(id_of(&part).as_deref(), Some(id));
        }
        assert_eq!(segment(&"é".repeat(100)), None);
    }
}
