use std::path::Path;

use crate::support::{Site, is_pdf};

fn report() -> (String, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates/monthly_report");
    (folder.to_string_lossy().into_owned(), folder.join("data.json").to_string_lossy().into_owned())
}

#[test]
fn a_template_is_rendered_by_its_path() {
    let site = Site::new();
    let (template, data) = report();
    let said = site.ok(&["pdf", "render", &template, "--data", &data, "-o", "out.pdf"]);
    assert!(said.contains("wrote out.pdf: 3 pages"), "{said}");
    assert!(is_pdf(&site.path("out.pdf")));
    assert!(!site.path("longshore-files").exists() && !site.path("longshore.db").exists());
}

#[test]
fn a_template_is_rendered_by_its_name_with_a_style_sheet() {
    let site = Site::new();
    site.write("templates/hello/template.html", "<p>Hello {{ name }}</p>");
    site.write("templates/hello/own.css", "@page { size: A5 }");
    site.write("styles/big.css", "p { font-size: 40pt }");
    site.write("data.json", r#"{"name": "Ada"}"#);
    let args = [
        "pdf",
        "render",
        "hello",
        "--data",
        "data.json",
        "--css",
        "own.css",
        "--css",
        "styles/big.css",
        "-o",
    ];
    site.ok(&[&args[..], &["out.pdf"]].concat());
    assert!(is_pdf(&site.path("out.pdf")));
    site.ok(&[&args[..], &["out.html"]].concat());
    let html = std::fs::read_to_string(site.path("out.html")).unwrap();
    assert!(html.contains("Hello Ada") && html.contains("40pt") && html.contains("A5"), "{html}");
}

#[test]
fn a_finished_document_is_rendered_as_it_is() {
    let site = Site::new();
    site.write("letter.html", "<h1>{{ not filled in }}</h1>");
    site.write("letter.css", "h1 { color: red }");
    site.ok(&["pdf", "render", "letter.html", "--html", "--css", "letter.css", "-o", "letter.pdf"]);
    assert!(is_pdf(&site.path("letter.pdf")));
}

#[test]
fn mistakes_are_named() {
    let site = Site::new();
    site.write("templates/hello/template.html", "<p>{{ name.first.letter }}</p>");
    site.write("bad.json", "{");
    for (args, code, said) in [
        (&["hello", "-o", "-"][..], 2, "standard output"),
        (&["hallo", "-o", "a.pdf"], 2, "template_name: expected one of hello"),
        (&["hello", "--data", "bad.json", "-o", "a.pdf"], 2, "--data: expected JSON"),
        (&["hello", "--data", "gone.json", "-o", "a.pdf"], 1, "cannot read gone.json"),
        (&["hello", "--css", "gone.css", "-o", "a.pdf"], 2, "css_files[0]"),
        (&["hello", "-o", "a.pdf"], 1, "template_error"),
        (&["gone.html", "--html", "-o", "a.pdf"], 1, "cannot read gone.html"),
    ] {
        let ran = site.run(&[&["pdf", "render"], args].concat()).ends(code);
        assert!(ran.err.contains(said), "{args:?}: {ran:?}");
    }
    assert!(!site.path("a.pdf").exists());
}

#[test]
fn a_style_sheet_is_the_file_that_is_named() {
    let site = Site::new();
    site.write("templates/hello/template.html", "<link rel=stylesheet href=a.css><p>x</p>");
    site.write("templates/hello/a.css", "p { color: red }");
    site.write("a.css", "p { color: blue }");
    let html = |css: &str| {
        site.ok(&["pdf", "render", "hello", "--css", css, "-o", "out.html"]);
        std::fs::read_to_string(site.path("out.html")).unwrap()
    };
    assert!(html("./a.css").contains("blue") && html("templates/hello/a.css").contains("red"));
    let ran = site.run(&[
        "pdf",
        "render",
        "hello",
        "--css",
        "a.css",
        "--css",
        "templates/hello/a.css",
        "-o",
        "o.pdf",
    ]);
    assert!(ran.ends(2).err.contains("expected each name once, got two of a.css"));
    let ran = site.run(&["pdf", "render", "hello", "--css", "none/a.css", "-o", "o.pdf"]).ends(2);
    assert!(ran.err.contains("expected a file that is there, got none/a.css"), "{ran:?}");
}
