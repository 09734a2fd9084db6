//! A link inside the repository leads somewhere.

use super::Complaint;
use super::house::{House, line_of};
use super::markdown::links;

/// Every relative link of a Markdown page points to a file or folder that exists.
pub(super) fn check(house: &House) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (page, text) in house.texts_of(&["md"]) {
        for (at, target) in links(text) {
            if inside(page, target).is_some_and(|path| !house.has(&path)) {
                complaints.push(Complaint::new(
                    format!("{page}:{}", line_of(text, at)),
                    format!("the link to `{target}` leads nowhere"),
                    "correct it, or add the file it means",
                ));
            }
        }
    }
    complaints
}

/// The path that a link means, from the root. Links to other hosts and to places on the same page have none.
fn inside(page: &str, target: &str) -> Option<String> {
    let target = target.trim().trim_start_matches('<').split(['#', '?', '>', ' ']).next()?;
    let scheme = target.split_once(':').is_some_and(|(scheme, _)| scheme.chars().all(char::is_alphanumeric));
    if target.is_empty() || scheme || target.starts_with("//") {
        return None;
    }
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    let base = if target.starts_with('/') { "" } else { folder };
    let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(link: &str) -> Vec<Complaint> {
        let text = format!("first line\n[text]({link})\n");
        check(&House::of(&[("docs/guide.md", &text), ("docs/stores.md", ""), ("crates/a/src/lib.rs", "")]))
    }

    #[test]
    fn a_link_to_what_does_not_exist_is_named_with_its_line() {
        let complaints = found("nowhere.md");
        assert_eq!(complaints[0].place, "docs/guide.md:2");
        assert!(complaints[0].found.contains("`nowhere.md`"));
        for bad in ["../docs/none.md#part", "/crates/b", "../../outside.md", "stores.mdx"] {
            assert_eq!(found(bad).len(), 1, "{bad}");
        }
    }

    #[test]
    fn files_folders_anchors_and_other_hosts_are_fine() {
        for good in
            ["stores.md", "stores.md#part", "../crates/a/", "/crates/a/src/lib.rs", "#here", "..", "./"]
        {
            assert_eq!(found(good), [], "{good}");
        }
        for far in ["https://example.com/x.md", "mailto:a@example.com", "stores.md \"a title\""] {
            assert_eq!(found(far), [], "{far}");
        }
    }
}
