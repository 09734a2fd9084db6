//! Small is a feeling that can be measured.

use super::Complaint;
use super::house::House;

/// No file is longer.
const LINES_MAX: usize = 800;
/// Nine files in ten are not longer.
const LINES_USUAL: usize = 450;

/// No Rust file above 800 lines, and fewer than one in ten above 450.
pub(super) fn check(house: &House) -> Vec<Complaint> {
    let files = longest(house);
    let mut complaints: Vec<_> = files
        .iter()
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(path, lines)| {
            Complaint::new(
                path,
                format!("{lines} lines"),
                format!("split it by subject; {LINES_MAX} is the most"),
            )
        })
        .collect();
    let long: Vec<_> = files.iter().take_while(|(_, lines)| *lines > LINES_USUAL).collect();
    if !long.is_empty() && long.len() * 10 >= files.len() {
        let names: Vec<_> = long.iter().map(|(path, lines)| format!("{path} ({lines})")).collect();
        complaints.push(Complaint::new(
            "the workspace",
            format!("{} of {} Rust files have more than {LINES_USUAL} lines", long.len(), files.len()),
            format!("split some of these, so that they are fewer than one in ten: {}", names.join(", ")),
        ));
    }
    complaints
}

/// Every Rust file with its number of lines, the longest first.
pub fn longest(house: &House) -> Vec<(String, usize)> {
    let mut files: Vec<_> =
        house.texts_of(&["rs"]).map(|(path, text)| (path.to_owned(), text.lines().count())).collect();
    files.sort_by(|(_, a), (_, b)| b.cmp(a));
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house(sizes: &[usize]) -> House {
        let files: Vec<_> =
            sizes.iter().enumerate().map(|(i, n)| (format!("{i}.rs"), "//\n".repeat(*n))).collect();
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        House::of(&files)
    }

    #[test]
    fn a_file_that_is_far_too_long_is_named() {
        let mut sizes = vec![10; 20];
        sizes.push(801);
        let complaints = check(&house(&sizes));
        assert_eq!(complaints.len(), 1);
        assert_eq!((complaints[0].place.as_str(), complaints[0].found.as_str()), ("20.rs", "801 lines"));
    }

    #[test]
    fn one_long_file_in_ten_is_too_many_and_one_in_eleven_is_not() {
        let mut sizes = vec![450; 9];
        sizes.push(451);
        assert_eq!(check(&house(&sizes))[0].found, "1 of 10 Rust files have more than 450 lines");
        sizes.push(450);
        assert_eq!(check(&house(&sizes)), []);
    }
}
