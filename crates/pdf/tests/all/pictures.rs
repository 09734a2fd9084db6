//! Pictures that would end the process, or take all memory, if the engine saw them; and those that may stay.
//!
//! Nothing here can be caught: without the checks the whole test binary ends.

use longshore_pdf::{Assets, Document, LimitName, Limits, PdfError, Rendered};

use crate::support::{PIXEL, broken, html, read, render, try_render};

/// A PNG with this size in its header and hardly any pixels.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = PIXEL.to_vec();
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    bytes
}

fn svg(inside: &str) -> String {
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' width='9' height='9'>{inside}</svg>"
    )
}

/// A document for each way in which a picture can come.
fn ways_in(bytes: &[u8]) -> Vec<Document> {
    let data = format!("data:{};base64,{}", kind(bytes), base64(bytes));
    let bodies = |address: &str| {
        [
            format!("<img src='{address}'>"),
            format!("<p style='background: url({address})'>x"),
            format!("<style>p {{ background: url({address}) }}</style><p>x"),
            format!("<style>li {{ list-style-image: url({address}) }}</style><li>x"),
            format!("<style>p::before {{ content: url({address}) }}</style><p>x"),
            format!("<style>p {{ --a: url({address}); background: var(--a) }}</style><p>x"),
        ]
    };
    let files: Assets = [("a.bin", bytes.to_vec())].into_iter().collect();
    let mut documents = Vec::from(bodies(&data).map(Document::new));
    documents.extend(bodies("a.bin").map(|body| Document::new(body).with_assets(files.clone())));
    documents
}

/// The same for pictures inside SVG.
fn ways_inside(bytes: &[u8]) -> Vec<Document> {
    let data = format!("data:{};base64,{}", kind(bytes), base64(bytes));
    let image = format!("<image width='9' height='9' href='{data}'/>");
    let link = format!("<image width='9' height='9' xlink:href='{data}'/>");
    let mut documents = vec![
        Document::new(svg(&image)),
        Document::new(svg(&link)),
        Document::new(svg(&format!("<text>t</text>{image}"))),
        Document::new(svg(&format!(
            "<filter id='f'><feImage href='{data}'/></filter><rect filter='url(#f)'/>"
        ))),
    ];
    documents.extend(ways_in(svg(&image).as_bytes()));
    documents
}

fn kind(bytes: &[u8]) -> &'static str {
    if bytes.starts_with(b"\x89PNG") { "image/png" } else { "image/svg+xml" }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits =
            three.iter().fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place)) & 63;
            text.push(if place > three.len() { '=' } else { char::from(DIGITS[digit as usize]) });
        }
    }
    text
}

fn refused(document: Document) -> (LimitName, u64, u64) {
    broken(try_render(document, Limits::default()))
}

fn limit(result: &Result<Rendered, PdfError>) -> Option<LimitName> {
    match result {
        Err(PdfError::Limit { limit, .. }) => Some(*limit),
        _ => None,
    }
}

#[test]
fn the_header_of_a_picture_cannot_take_the_memory() {
    let bytes = png(200_000, 200_000);
    for document in ways_in(&bytes).into_iter().chain(ways_inside(&bytes)) {
        let html = document.html.clone();
        assert_eq!(refused(document), (LimitName::PicturePixels, 25_000_000, 40_000_000_000), "{html}");
    }
}

#[test]
fn the_pixels_of_all_pictures_are_added_up() {
    let limits = || Limits { all_pixels: 30_000_000, ..Limits::default() };
    let address = |width| format!("data:image/png;base64,{}", base64(&png(width, 5000)));
    let two = format!("<img src='{}'><p style='background:url({})'>", address(5000), address(4000));
    assert_eq!(limit(&try_render(Document::new(two), limits())), Some(LimitName::AllPixels));
    let again = format!("<image id='i' href='{}'/><use href='#i'/>", address(4000));
    assert_eq!(limit(&try_render(Document::new(svg(&again)), limits())), Some(LimitName::AllPixels));
}

#[test]
fn a_format_without_a_judge_is_not_handed_on() {
    for bytes in
        [b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\xff\xff\xff\xff".as_slice(), b"\xff\xd8\xff\xe0\0\0", b"BM"]
    {
        let data = base64(bytes);
        for kind in ["image/webp", "image/jpeg", "text/plain"] {
            let body = svg(&format!("<image width='9' height='9' href='data:{kind};base64,{data}'/>"));
            let rendered = html(&body);
            assert!(read(&rendered).images.is_empty());
            assert_eq!(rendered.warnings.len(), 1, "{:?}", rendered.warnings);
        }
    }
}

#[test]
fn depth_cannot_end_the_process() {
    let deep = svg(&format!("{}{}", "<g>".repeat(100_000), "</g>".repeat(100_000)));
    for document in ways_in(deep.as_bytes()).into_iter().chain(ways_inside(deep.as_bytes())) {
        assert_eq!(refused(document), (LimitName::Nesting, 256, 100_001));
    }
    let hidden = "&lt;g&gt;".repeat(100_000);
    assert_eq!(html(&format!("<svg><title>{hidden}</title></svg>")).pages, 1);
    assert_eq!(html(&format!("<math><svg><title>{hidden}</title></svg></math>")).pages, 1);
}

#[test]
fn references_cannot_end_the_process() {
    let number = |pattern: &str, from: usize, to: usize| {
        pattern.replace("FROM", &from.to_string()).replace("TO", &to.to_string())
    };
    for pattern in [
        "<clipPath id='aFROM' clip-path='url(#aTO)'><rect/></clipPath>",
        "<clipPath id='aFROM'><rect clip-path='url( \"#aTO\" )'/></clipPath>",
        "<mask id='aFROM' style='mask:url(#aTO)'><rect/></mask>",
        "<pattern id='aFROM'><rect fill='url(#aTO)'/></pattern>",
        "<marker id='aFROM'><path style='marker:url(#aTO)' d='M0 0h1'/></marker>",
        "<filter id='aFROM'><feImage href='#aTO'/></filter>",
        "<g id='aFROM'><use href='#aTO'/></g>",
        "<style>.aFROM{clip-path:url(#aTO)}</style><clipPath id='aFROM' class='aFROM'><rect/></clipPath>",
        "<style>#aFROM/**/{mask:url(#aTO)}</style><mask id='aFROM'><rect/></mask>",
    ] {
        let start = "<rect clip-path='url(#a0)' mask='url(#a0)' fill='url(#a0)'/>";
        let chain: String = (0..3000).map(|n| number(pattern, n, n + 1)).collect();
        let circle: String = (0..3).map(|n| number(pattern, n, (n + 1) % 3)).collect();
        for inside in [chain, circle] {
            let text = svg(&(inside + start));
            let mut documents =
                vec![Document::new(&text), Document::new(svg(&format!("<text>t</text>{text}")))];
            documents.extend(ways_in(text.as_bytes()));
            for document in documents {
                assert_eq!(refused(document).0, LimitName::Nesting, "{pattern}");
            }
        }
    }
}

#[test]
fn references_cannot_take_the_memory() {
    let nested = |open: &str, inside: &str, close: &str| {
        let level = |n: usize| {
            let inside = inside.replace('N', &(n + 1).to_string()).repeat(10);
            open.replace('N', &n.to_string()) + &inside + close
        };
        (0..9).map(level).collect::<String>()
    };
    let stops = "<stop offset='0'/>".repeat(2000);
    for inside in [
        nested("<g id='aN'>", "<use href='#aN'/>", "</g>") + "<g id='a9'><rect/></g><use href='#a0'/>",
        nested("<mask id='aN'>", "<rect mask='url(#aN)'/>", "</mask>") + "<mask id='a9'><rect/></mask>",
        nested("<pattern id='aN'>", "<rect fill='url(#aN)'/>", "</pattern>")
            + "<pattern id='a9'><rect/></pattern>",
        nested("<mask id='aN' mask='url(#aX)'>", "<rect mask='inherit' style='mask:url(#aN)'/>", "</mask>")
            + "<mask id='a9'><rect/></mask>",
        format!(
            "<marker id='m'><path/></marker><path marker-mid='url(#m)' d='M0 0{}'/>",
            "h1".repeat(500_000)
        ),
        format!("<text>{}</text>", "letters ".repeat(100_000)),
        format!("<text id='t'>{}</text>{}", "a".repeat(1000), "<use href='#t'/>".repeat(1000)),
        format!(
            "<linearGradient id='p'>{stops}</linearGradient><g fill='url(#p)'>{}</g>",
            "<rect/>".repeat(1000)
        ),
    ] {
        assert_eq!(refused(Document::new(svg(&inside))).0, LimitName::Elements, "{}", &inside[..60]);
    }
    for inside in [
        format!("<path id='a' d='M0 0{}'/>{}", "h1".repeat(500_000), "<use href='#a'/>".repeat(100)),
        format!("<style>{}</style>{}", ".a{fill:red}".repeat(50_000), "<g/>".repeat(50_000)),
    ] {
        assert_eq!(refused(Document::new(svg(&inside))).0, LimitName::ExpandedBytes, "{}", &inside[..60]);
    }
}

#[test]
fn a_picture_of_a_sheet_counts_for_each_element_that_shows_it() {
    let document = |shapes: usize, selector: &str, more: &str| {
        let data = base64(svg(&"<path d='M0 0h1v1z'/>".repeat(shapes)).as_bytes());
        Document::new(format!("<body class=one>{}", "<p>x".repeat(500))).with_css(
            "a.css",
            format!("{selector} {{ background: url(data:image/svg+xml;base64,{data}) {more} }}"),
        )
    };
    for selector in ["*", "p", "body > p:not(.x)", "a:hover, :is(p)"] {
        assert_eq!(refused(document(1000, selector, "no-repeat")).0, LimitName::Elements, "{selector}");
    }
    for selector in ["body", ".one", "td"] {
        let rendered = render(document(1000, selector, "no-repeat"));
        assert_eq!(rendered.warnings, [""; 0], "{selector}");
    }
    assert_eq!(render(document(10, "p", "no-repeat")).warnings, [""; 0]);
    assert_eq!(render(document(10, "body", "")).warnings, [""; 0]);
    let repeated = render(document(1000, "body", ""));
    assert!(repeated.warnings[0].ends_with("it is too large to be repeated; say no-repeat beside it."));
    for elsewhere in
        ["td { background-repeat: repeat-x }", "td { b\\61 ckground-repeat: var(--x) !important }"]
    {
        let document = document(1000, "body", "no-repeat").with_css("b.css", elsewhere);
        assert_eq!(refused(document).0, LimitName::ExpandedBytes);
    }
}

#[test]
fn entities_and_packed_pictures_are_left_out() {
    let laughs =
        "<!DOCTYPE svg [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]>".to_owned() + &svg("<text>&b;</text>");
    // The first bytes of gzip; the rest does not matter, since nobody shall unpack it.
    let packed = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\x48\xcd\xc9\xc9\x07\0";
    for bytes in [laughs.as_bytes(), packed] {
        for document in ways_in(bytes).into_iter().chain(ways_inside(bytes)) {
            let html = document.html.clone();
            let rendered = render(document);
            assert!(!rendered.warnings.is_empty(), "{html}");
        }
    }
    let inner = svg(&format!("<image width='9' height='9' href='data:image/png;base64,{}'/>", base64(PIXEL)));
    let data = base64(inner.as_bytes());
    let nested = svg(&format!("<image width='9' height='9' href='data:image/svg+xml;base64,{data}'/>"));
    assert!(read(&html(&nested)).images.is_empty(), "a picture in a picture in a picture");
}

#[test]
fn filters_are_left_out_and_told() {
    let blur = "<filter id='f'><feTurbulence numOctaves='2000000000'/></filter>";
    for with in
        ["filter='url(#f)'", "style='filter:blur(9px)'", "class='f'", "style='filter:url(#f)!important'"]
    {
        let text =
            svg(&format!("<style>.f{{filter:url(#f)}}</style>{blur}<rect width='9' height='9' {with}/>"));
        let mut documents = vec![Document::new(&text)];
        documents.extend(ways_in(text.as_bytes()));
        for document in documents {
            let rendered = render(document);
            assert_eq!(rendered.warnings, ["A filter in an SVG picture was left out."]);
            assert!(read(&rendered).images.is_empty());
        }
    }
}

#[test]
fn ordinary_pictures_are_drawn() {
    let logo = svg(
        "<?xml-stylesheet?><title>A &amp; B</title><style>.b, .c { clip-path: url(#cut) } .d { fill: url('#shade') }</style>
         <defs><linearGradient id='base'><stop offset='0' stop-color='red'/><stop offset='1'/></linearGradient>
         <linearGradient id='shade' xlink:href='#base'/><clipPath id='cut'><circle r='5'/></clipPath>
         <g id='dot'><circle class='d' r='1'/></g></defs><g class='b'><rect class='d' width='9' height='9'/></g>
         <use xlink:href='#dot' x='3'/><a href='#top'><path d='M0 0h9' stroke='url(#shade)'/></a>",
    );
    let with_type = "<!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd\">"
        .to_owned() + &logo;
    let file =
        |text: &str| [("a.bin", format!("<?xml version='1.0'?>{text}").into_bytes())].into_iter().collect();
    let bodies = |text: &str| {
        [
            Document::new("<img src=a.bin height=90>").with_assets(file(text)),
            Document::new("<p style='background: url(a.bin)'>x").with_assets(file(text)),
            Document::new(text),
        ]
    };
    let empty = bodies(&svg("")).map(|document| render(document).bytes.len());
    for text in [&logo, &with_type] {
        for (document, empty) in bodies(text).into_iter().zip(empty) {
            let rendered = render(document);
            assert_eq!(rendered.warnings, [""; 0]);
            assert!(rendered.bytes.len() > empty + 300, "{} of {empty}", rendered.bytes.len());
        }
    }
    let inside =
        html(&svg(&format!("<image width='9' height='9' href='data:image/png;base64,{}'/>", base64(PIXEL))));
    assert_eq!((read(&inside).images.len(), inside.warnings.len()), (1, 0));
}

#[test]
fn paint_in_a_style_attribute_is_kept() {
    let shape = |style: &str| {
        html(&format!("<svg width=9 height=9><linearGradient id=g><stop offset=0 stop-color=red /><stop offset=1 /></linearGradient><rect width=9 height=9 {style} /></svg>")).bytes
    };
    assert_eq!(shape("style='fill: url(#g)'"), shape("fill='url(#g)'"));
}
