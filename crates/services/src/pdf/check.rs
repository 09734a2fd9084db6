//! Everything about a request that can be known when it comes in.

use std::path::PathBuf;

use longshore_core::Invalid;
use serde_json::Value;

use super::config::PdfConfig;
use super::request::{PdfRequest, kind_of};
use super::{renderer, sheets, templates};

/// Longest name that is taken to be made safe, in bytes.
const FILENAME_BYTES_MAX: usize = 1_024;

/// What comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Pdf,
    Html,
}

impl Format {
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Html => "html",
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Html => "text/html; charset=utf-8",
        }
    }

    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Pdf => crate::GENERATED_PDFS,
            Self::Html => crate::GENERATED_HTML,
        }
    }

    /// The format of a rendered document; HTML has no pages.
    pub(super) fn of(rendered: &super::Rendered) -> Self {
        if rendered.pages.is_some() { Self::Pdf } else { Self::Html }
    }
}

/// A request that was found right.
pub(super) struct Checked {
    /// The template; none for a finished document.
    pub(super) template: Option<templates::Found>,
    pub(super) format: Format,
    /// Folders in which style sheets are looked up, in order.
    pub(super) css_folders: Vec<PathBuf>,
    /// Folders in which images and fonts are looked up, in order.
    pub(super) asset_folders: Vec<PathBuf>,
}

pub(super) fn check(config: &PdfConfig, request: &PdfRequest) -> Result<Checked, Invalid> {
    let template = source(config, request)?;
    let format = match request.output_format.as_deref() {
        None | Some("pdf") => Format::Pdf,
        Some("html") => Format::Html,
        Some(other) => return Err(Invalid::new("output_format", "pdf or html", format!("{other:?}"))),
    };
    // HTML needs no renderer, but one that is named must still be one.
    match (format, request.renderer.as_deref()) {
        (Format::Pdf, name) => renderer::check(name.unwrap_or("embedded"))?,
        (Format::Html, None | Some("embedded")) => {}
        (Format::Html, Some(name)) => renderer::check(name)?,
    }
    if let Some(name) = request.filename.as_ref().filter(|name| name.len() > FILENAME_BYTES_MAX) {
        let expected = format!("at most {FILENAME_BYTES_MAX} bytes");
        return Err(Invalid::new("filename", expected, format!("{} bytes", name.len())));
    }
    let own = template.as_ref().map(|found| (found.folder.clone(), found.owns_folder));
    let beside = own.iter().map(|(folder, _)| folder.clone());
    let css_folders: Vec<PathBuf> =
        config.sheets.clone().into_iter().chain(beside).chain(config.assets.clone()).collect();
    let asset_folders = own
        .into_iter()
        .filter(|(_, owns)| *owns)
        .map(|(folder, _)| folder)
        .chain(config.assets.clone())
        .collect();
    sheets::check(&css_folders, &request.css_files, &config.limits)?;
    Ok(Checked { template, format, css_folders, asset_folders })
}

/// Checks that there is one source and that it is whole; gives the template if it is one.
fn source(config: &PdfConfig, request: &PdfRequest) -> Result<Option<templates::Found>, Invalid> {
    const ONE: &str = "exactly one of template_name and html";
    let limits = &config.limits;
    match (&request.template_name, &request.html) {
        (Some(_), Some(_)) => Err(Invalid::new("html", ONE, "both")),
        (None, None) => Err(Invalid::new("template_name", ONE, "neither").code("missing_field")),
        (None, Some(html)) => {
            if request.context_data.is_some() {
                let expected = "nothing beside html, because a finished document is not filled in";
                return Err(Invalid::new("context_data", expected, "a value"));
            }
            if html.trim().is_empty() {
                return Err(Invalid::new("html", "an HTML document", "an empty text"));
            }
            if html.len() > limits.html_bytes {
                let expected = format!("at most {} bytes", limits.html_bytes);
                return Err(
                    Invalid::new("html", expected, format!("{} bytes", html.len())).code("payload_too_large")
                );
            }
            Ok(None)
        }
        (Some(name), None) => {
            let found = templates::find(&config.templates, name)?;
            context(config, request.context_data.as_ref())?;
            Ok(Some(found))
        }
    }
}

fn context(config: &PdfConfig, context: Option<&Value>) -> Result<(), Invalid> {
    const FIELD: &str = "context_data";
    let limits = &config.limits;
    let Some(context) = context else {
        return Err(Invalid::new(FIELD, "a JSON object, because template_name is given", "nothing")
            .code("missing_field"));
    };
    if !context.is_object() {
        return Err(Invalid::new(FIELD, "a JSON object", kind_of(context)));
    }
    if is_deeper(context, limits.context_depth) {
        let expected = format!("at most {} objects and lists inside one another", limits.context_depth);
        return Err(Invalid::new(FIELD, expected, "more").code("nested_too_deep"));
    }
    let bytes = serde_json::to_string(context).map_or(usize::MAX, |text| text.len());
    if bytes > limits.context_bytes {
        let expected = format!("at most {} bytes of JSON", limits.context_bytes);
        return Err(Invalid::new(FIELD, expected, format!("{bytes} bytes")).code("payload_too_large"));
    }
    Ok(())
}

/// Whether a value has more than `depth` objects and lists inside one another.
fn is_deeper(value: &Value, depth: usize) -> bool {
    let mut inside: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(fields) => Box::new(fields.values()),
        _ => return false,
    };
    depth == 0 || inside.any(|value| is_deeper(value, depth - 1))
}
