/// Counts the pages of a finished PDF, or nothing if it is not one that the engine wrote.
///
/// The engine writes its page objects in plain sight, outside of compressed streams. Reading the count of the
/// page tree costs a look at the file; parsing the file would cost more than some renders.
pub(crate) fn count(pdf: &[u8]) -> Option<u32> {
    const TREE: &[u8] = b"/Type /Pages";
    const COUNT: &[u8] = b"/Count ";
    let tree = find(pdf, TREE)?;
    let object = &pdf[tree..];
    let object = &object[..find(object, b"endobj").unwrap_or(object.len())];
    let count = &object[find(object, COUNT)? + COUNT.len()..];
    let digits = count.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&count[..digits]).ok()?.parse().ok()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn the_count_of_the_page_tree_is_read() {
        let pdf = b"%PDF-1.7\n1 0 obj\n<<\n  /Type /Pages\n  /Count 42\n  /Kids []\n>>\nendobj";
        assert_eq!(count(pdf), Some(42));
        assert_eq!(count(b"%PDF-1.7"), None);
    }
}
