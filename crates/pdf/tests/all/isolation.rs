use std::io::ErrorKind;
use std::net::TcpListener;

use longshore_pdf::Document;

use crate::support::{html, read, render, text};

/// A document that asks for `address` in every way it can.
fn asking_for(address: &str) -> Document {
    let body = format!(
        "<base href='{address}'><link rel=stylesheet href='{address}'><link rel=stylesheet media=print href='{address}'>
         <link rel=icon href='{address}'><link rel=attachment href='{address}'><link rel=preload as=image href='{address}'>
         <style>@import '{address}'; @import url({address}) print; @font-face {{ font-family: X; src: url({address}) }}
           body {{ background: url({address}); list-style-image: url('{address}'); font-family: X }}
           p::before {{ content: url({address}) }} @page {{ @top-left {{ content: url({address}) }} }}</style>
         <img src='{address}'><img srcset='{address} 2x'><picture><source srcset='{address}'><img src='{address}'></picture>
         <p style=\"background-image: url({address})\">text</p><iframe src='{address}'></iframe><object data='{address}'></object>
         <embed src='{address}'><video src='{address}' poster='{address}'></video><script src='{address}'></script>
         <svg width=9 height=9><image href='{address}' width=9 height=9 /><use xlink:href='{address}#a'/></svg>
         <svg width=9 height=9><text>t</text><image xlink:href='{address}' width=9 height=9 /></svg>
         <input type=image src='{address}'><table background='{address}'><tr><td>cell</table>
         <meta http-equiv=refresh content='0;url={address}'>"
    );
    Document::new(body)
        .with_css("own.css", format!("@import '{address}'; h1 {{ background: url('{address}') }}"))
}

#[test]
fn no_connection_is_opened() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.set_nonblocking(true).expect("the listener can be asked without waiting");
    let address = listener.local_addr().expect("it has an address");
    for scheme in ["http:", "https:", ""] {
        let rendered = render(asking_for(&format!("{scheme}//{address}/x.css")));
        assert!(rendered.warnings.iter().any(|warning| warning.contains("was not fetched")), "{rendered:?}");
    }
    let seen = listener.accept().map(|_| ());
    assert_eq!(seen.map_err(|none| none.kind()), Err(ErrorKind::WouldBlock));
}

#[test]
fn no_file_is_read() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let secret = folder.path().join("secret.css");
    std::fs::write(&secret, "p::before { content: 'the secret' } p { font-size: 60pt }")
        .expect("and written");
    let picture = folder.path().join("secret.svg");
    let shape =
        "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><rect width='9' height='9'/></svg>";
    std::fs::write(&picture, shape).expect("and written");
    for file in [&secret, &picture] {
        let path = file.display();
        let plain = render(asking_for("about:nothing"));
        for address in [format!("file://{path}"), format!("{path}"), format!("../../../../../../..{path}")] {
            let rendered = render(asking_for(&address));
            assert!(!text(&rendered).contains("secret"), "{address}");
            assert_eq!(rendered.bytes, plain.bytes, "{address} changed the page");
        }
    }
}

#[test]
fn a_link_to_a_file_or_a_script_is_left_out() {
    let rendered = html(
        "<a href='file:///etc/passwd'>a</a> <a href='javascript:x'>b</a> <a href='https://example.org'>c</a>",
    );
    assert_eq!(rendered.warnings.len(), 2);
    let bytes = String::from_utf8_lossy(&rendered.bytes);
    assert!(
        bytes.contains("https://example.org") && !bytes.contains("passwd") && !bytes.contains("javascript")
    );
    assert_eq!(read(&rendered).pages, 1);
}
