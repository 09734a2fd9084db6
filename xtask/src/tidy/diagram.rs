//! The picture of a job's life in ARCHITECTURE.md is drawn from the table that the code obeys.

use super::Complaint;
use super::house::House;

const PAGE: &str = "ARCHITECTURE.md";
const BEGIN: &str = "<!-- life:begin -->\n";
const END: &str = "<!-- life:end -->";

/// The diagram in ARCHITECTURE.md is the one that `longshore_core::life` draws.
pub(super) fn check(house: &House) -> Vec<Complaint> {
    let text = house.text(PAGE).unwrap_or_default();
    match redraw(text) {
        Ok(drawn) if drawn == text => Vec::new(),
        Ok(_) => vec![Complaint::new(PAGE, "the diagram is not the table's", "run `cargo xtask diagram`")],
        Err(mend) => vec![Complaint::new(PAGE, "there is no place for the diagram", mend)],
    }
}

/// The page with the diagram drawn again; the error says what the page lacks.
pub fn redraw(page: &str) -> Result<String, String> {
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) =
        parts.ok_or_else(|| format!("put the lines `{}` and `{END}` into {PAGE}", BEGIN.trim_end()))?;
    let diagram = longshore_core::life::diagram();
    Ok(format!("{before}{BEGIN}```mermaid\n{}\n```\n{END}{after}", diagram.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_drawn_once_and_then_stays() {
        let old = format!("before\n{BEGIN}{END}\nafter\n");
        assert_eq!(check(&House::of(&[(PAGE, &old)]))[0].found, "the diagram is not the table's");
        let new = redraw(&old).unwrap();
        assert!(new.starts_with("before\n") && new.ends_with("\nafter\n"));
        assert!(new.contains("```mermaid\nstateDiagram-v2\n"));
        assert_eq!(check(&House::of(&[(PAGE, &new)])), []);
        assert_eq!(redraw(&new), Ok(new));
    }

    #[test]
    fn a_move_that_the_table_does_not_have_is_found() {
        let page = redraw(&format!("{BEGIN}{END}")).unwrap().replace("ready --> running", "ready --> failed");
        assert_eq!(check(&House::of(&[(PAGE, &page)])).len(), 1);
    }

    #[test]
    fn a_page_without_a_place_for_it_is_a_complaint() {
        assert!(check(&House::default())[0].mend.contains("life:begin"));
    }
}
