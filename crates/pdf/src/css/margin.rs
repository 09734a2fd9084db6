/// Declarations that give a margin box of the page's top or bottom its place, or nothing for other at-rules.
///
/// The engine puts a margin box at the edge of the page, as a plain block. It shall fill its margin, stand in
/// the middle of it, and be aligned as paged media demand. Boxes at the sides cannot be helped: the engine
/// would take their height for their content's.
pub(super) fn placement(rule: &str) -> Option<&'static str> {
    Some(match rule {
        "@top-left" | "@bottom-left" | "@top-right-corner" | "@bottom-right-corner" => {
            "display: flex; flex-direction: column; justify-content: center; box-sizing: border-box; \
             height: 100vh; text-align: left;"
        }
        "@top-center" | "@bottom-center" => {
            "display: flex; flex-direction: column; justify-content: center; box-sizing: border-box; \
             height: 100vh; text-align: center;"
        }
        "@top-right" | "@bottom-right" | "@top-left-corner" | "@bottom-left-corner" => {
            "display: flex; flex-direction: column; justify-content: center; box-sizing: border-box; \
             height: 100vh; text-align: right;"
        }
        _ => return None,
    })
}

/// What stands for a declaration inside such a box, or nothing if it may stay as it is.
///
/// Sizes are left out: the engine would apply them to the content, inside a box of another size.
pub(super) fn replacement(property: &str, value: &str) -> Option<&'static str> {
    Some(match (property, value) {
        ("width" | "height" | "min-width" | "min-height" | "max-width" | "max-height", _) => "",
        ("vertical-align", "top") => "justify-content: flex-start",
        ("vertical-align", "bottom") => "justify-content: flex-end",
        ("vertical-align", _) => "justify-content: center",
        _ => return None,
    })
}
