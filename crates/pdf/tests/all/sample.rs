//! The monthly report that comes with the product: its template, its data, three pages.

use longshore_pdf::{Document, Rendered};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value as Json;

use crate::support::{page_text, read, render, text};

const TEMPLATE: &str = include_str!("../../../../templates/monthly_report/template.html");
const CSS: &str = include_str!("../../../../templates/monthly_report/report.css");
const DATA: &str = include_str!("../../../../templates/monthly_report/data.json");

fn report() -> (Rendered, Json) {
    let data: Json = serde_json::from_str(DATA).expect("the data is JSON");
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let html = environment.render_str(TEMPLATE, Serde(&data)).expect("the template fits the data");
    (render(Document::new(html).with_css("report.css", CSS)), data)
}

#[test]
fn the_report_has_three_pages_and_nothing_to_warn_of() {
    let (rendered, _) = report();
    assert_eq!(rendered.pages, 3);
    assert_eq!(read(&rendered).pages, 3);
    assert_eq!(rendered.warnings, [""; 0]);
}

#[test]
fn every_row_can_be_found_in_the_text() {
    let (rendered, data) = report();
    let text = text(&rendered);
    let rows = data["rows"].as_array().expect("the data has rows");
    assert_eq!(rows.len(), 60);
    for row in rows {
        let site = row["site"].as_str().expect("a row has a site").replace(' ', "");
        let cells =
            format!("{}{site}Week{}{}{}", row["number"], row["week"], row["visits"], row["incidents"]);
        assert!(text.contains(&cells), "{cells}");
    }
}

#[test]
fn every_page_has_its_number_and_the_later_ones_the_table_head() {
    let (rendered, _) = report();
    for page in 1..=3 {
        let text = page_text(&rendered, page);
        assert!(text.contains(&format!("Page{page}of3")), "{text}");
        assert!(text.contains("SiteWeekVisits"), "{text}");
        assert!(text.contains("January2024·Operations"), "{text}");
    }
}
