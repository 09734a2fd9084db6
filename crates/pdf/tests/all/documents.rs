use std::collections::BTreeSet;

use longshore_pdf::{Assets, Document, Fonts, Limits, Rendered, Renderer};

use crate::support::{PIXEL, PIXEL_DATA, html, read, render, text};

#[test]
fn the_same_input_gives_the_same_bytes() {
    let document = || {
        Document::new("<h1 id=a>One</h1><ul><li>x</ul><a href='#a'>up</a><svg width=9 height=9><text y=9>t</text></svg>")
            .with_css("a.css", "@page { @bottom-right { content: counter(page) } } h1 { bookmark-level: 1 }")
    };
    let first = render(document());
    assert_eq!(first.warnings, [""; 0]);
    for _ in 0..3 {
        assert_eq!(render(document()), first);
    }
}

#[test]
fn threads_do_not_disturb_one_another() {
    let documents: Vec<_> =
        (0..4).map(|n| format!("<h1>Document {n}</h1>{}", "<p>text</p>".repeat(100 * n))).collect();
    let alone: Vec<_> = documents.iter().map(|document| html(document)).collect();
    let together: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = documents.iter().map(|document| scope.spawn(|| html(document))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
    });
    assert_eq!(together, alone);
}

#[test]
fn every_family_finds_a_font() {
    let families =
        ["sans-serif", "serif", "monospace", "Helvetica", "Nowhere, cursive", "var(--none)", "inherit"];
    for family in families {
        let rendered = html(&format!("<p style='font-family: {family}'>Zażółć Ωμέγα Съешь</p>"));
        assert_eq!(text(&rendered), "ZażółćΩμέγαСъешь", "{family}");
        let expected = match family {
            "serif" => "DejaVuSerif",
            "monospace" => "DejaVuSansMono",
            _ => "DejaVuSans",
        };
        assert_eq!(fonts_of(&rendered), [expected], "{family}");
    }
    assert_eq!(
        fonts_of(&html("bare <code>code</code> <b>bold</b> <i>slanted</i>")),
        ["DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono"]
    );
}

#[test]
fn letters_stay_letters_and_lists_have_bullets() {
    let rendered = html("<p>first affluent</p><ul><li>item</ul>");
    assert!(text(&rendered).starts_with("firstaffluent"));
    assert_eq!(fonts_of(&rendered), ["Bullet", "DejaVuSans"]);
}

/// The names of the embedded fonts, sorted.
fn fonts_of(rendered: &Rendered) -> Vec<String> {
    let pdf = String::from_utf8_lossy(&rendered.bytes);
    let names =
        pdf.split("/BaseFont /").skip(1).filter_map(|rest| rest.split_whitespace().next()?.split('+').nth(1));
    names.map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn sheets_stand_where_they_are_named_and_the_rest_follows() {
    let size = |document: Document| read(&render(document)).text_items[0].font_size.round() as u32;
    let linked = "<link rel=stylesheet href=a.css><style>p { font-size: 20pt }</style><p>x";
    assert_eq!(size(Document::new(linked).with_css("a.css", "p { font-size: 10pt }")), 20);
    let unnamed = "<style>p { font-size: 20pt }</style><p>x";
    let ordered = Document::new(unnamed)
        .with_css("a.css", "p { font-size: 10pt }")
        .with_css("b.css", "p { font-size: 15pt }");
    assert_eq!(size(ordered), 15);
    let imported = "<style>@import 'a.css'; p { font-size: 20pt }</style><p>x";
    assert_eq!(size(Document::new(imported).with_css("a.css", "p { font-size: 10pt }")), 20);
    let media = "<link rel=stylesheet media=screen href=a.css><p>x";
    assert_eq!(size(Document::new(media).with_css("a.css", "p { font-size: 10pt }")), 12);
    let other = render(Document::new("<link rel=stylesheet href=b.css><p>x").with_css("a.css", ""));
    assert_eq!(
        other.warnings,
        ["The style sheet \"b.css\" was not fetched: it is not among the given ones."]
    );
}

#[test]
fn a_sheet_that_imports_itself_ends() {
    let document =
        Document::new("<p>x").with_css("a.css", "@import 'a.css'; @import 'b.css'; p { color: red }");
    assert_eq!(render(document.with_css("b.css", "@import 'a.css';")).pages, 1);
}

#[test]
fn margin_boxes_stand_in_the_middle_of_the_margin() {
    let item = |place: &str| {
        let css = format!("@page {{ size: A4; margin: 72pt; {place} {{ content: 'x'; font-size: 10pt }} }}");
        let items = read(&render(Document::new("").with_css("a.css", css))).text_items;
        items.into_iter().next().expect("the margin box has text")
    };
    // The baseline of a line of 10 points lies a little below the middle, counted from the bottom of the page.
    let middle = |y: f32, expected: f32| (y - expected).abs() < 6.0;
    assert!(middle(item("@top-left").y, 841.9 - 36.0), "{:?}", item("@top-left"));
    assert!(middle(item("@bottom-right").y, 36.0), "{:?}", item("@bottom-right"));
    assert!((item("@bottom-right").x - 523.3).abs() < 12.0, "{:?}", item("@bottom-right"));
}

#[test]
fn pictures_come_from_assets_and_data_with_their_own_size() {
    let assets: Assets = [("img/a.png", PIXEL.to_vec())].into_iter().collect();
    let body = format!("<img src='./img/a.png'><img src='{PIXEL_DATA}' style='width: 96px'>");
    let rendered = render(Document::new(body).with_assets(assets));
    assert_eq!(rendered.warnings, [""; 0]);
    let images = read(&rendered).images;
    let sizes: Vec<_> = images.iter().map(|image| (image.width, image.height)).collect();
    assert_eq!(sizes, [(0.75, 0.75), (72.0, 72.0)]);
}

#[test]
fn what_cannot_be_shown_is_told_once() {
    let body = "<img src=no.png alt=Nothing><img src=no.png><p>漢字</p><script>1</script><a href='#no'>x</a>";
    let rendered = html(body);
    assert_eq!(
        rendered.warnings,
        [
            "The image \"no.png\" was not found or cannot be decoded.",
            "<script> is not supported and was left out.",
            "The link \"#no\" leads nowhere.",
            "No font has a glyph for 字 (U+5B57), 漢 (U+6F22).",
        ]
    );
    assert!(text(&rendered).contains("Nothing"));
}

#[test]
fn the_document_tells_about_itself() {
    let rendered = html("<html lang=de><title>Bericht</title><meta name=author content=Betrieb><p>x");
    let about = read(&rendered).metadata;
    assert_eq!(about.title.as_deref(), Some("Bericht"));
    assert_eq!(about.author.as_deref(), Some("Betrieb"));
    assert_eq!(about.created_at, None);
}

#[test]
fn an_operators_font_is_named_by_its_own_family() {
    let mut fonts = Fonts::bundled();
    let file = include_bytes!("../../fonts/DejaVuSerif-Bold.ttf").to_vec();
    assert_eq!(fonts.add(file), Ok("DejaVu Serif".into()));
    let rendered = Renderer::new(fonts).render(&Document::new("<p>x"), &Limits::default());
    assert_eq!(rendered.map(|rendered| rendered.pages), Ok(1));
}

#[test]
fn broken_markup_and_nothing_at_all_are_pages_too() {
    for body in [
        "",
        "<",
        "</p><table><p>x<td>",
        "<?xml version='1.0'?><p>x",
        "<!DOCTYPE html PUBLIC 'XHTML'><p>x",
        "\0",
    ] {
        assert_eq!(html(body).pages, 1, "{body:?}");
    }
}
