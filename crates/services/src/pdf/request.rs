use longshore_core::Invalid;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is to be rendered: the body of a submission and the args of the kind `pdf.render`.
///
/// Exactly one of `template_name` and `html` is given. Everything else has a default. What it may hold is checked by
/// [`PdfService::check`](crate::PdfService::check), not by its type, so that each mistake can be told by its field.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PdfRequest {
    /// The name of a template; needs `context_data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_name: Option<String>,
    /// A finished HTML document. Nothing in it is substituted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// What the template is filled with: a JSON object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_data: Option<Value>,
    /// Names of style sheets beside the template or in the asset folder, in the order in which they apply.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub css_files: Vec<String>,
    /// The name of the file; `report_<YYYYMMDD_HHMMSS>` by default. It is made safe, and its extension follows the format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// `pdf` (default) or `html`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_format: Option<String>,
    /// `embedded` (default), `weasyprint` or `chromium`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renderer: Option<String>,
}

impl longshore_runtime::Job for PdfRequest {
    const KIND: &'static str = crate::PdfService::KIND;
    const QUEUE: &'static str = crate::PdfService::QUEUE;
    type Output = super::PdfResult;
}

const FIELDS: &str = "template_name, html, context_data, css_files, filename, output_format, renderer";

impl PdfRequest {
    /// A template with what fills it.
    pub fn template(name: impl Into<String>, context: Value) -> Self {
        Self { template_name: Some(name.into()), context_data: Some(context), ..Self::default() }
    }

    /// A finished document.
    pub fn html(html: impl Into<String>) -> Self {
        Self { html: Some(html.into()), ..Self::default() }
    }

    /// Reads a request from JSON; every mistake names its field, what was expected, and what came.
    pub fn from_value(value: Value) -> Result<Self, Invalid> {
        let Value::Object(fields) = value else {
            return Err(Invalid::new("", format!("a JSON object with {FIELDS}"), kind_of(&value)));
        };
        let mut request = Self::default();
        for (name, value) in fields {
            match name.as_str() {
                "template_name" => request.template_name = text(&name, value)?,
                "html" => request.html = text(&name, value)?,
                "context_data" => request.context_data = (!value.is_null()).then_some(value),
                "css_files" => request.css_files = texts(&name, value)?,
                "filename" => request.filename = text(&name, value)?,
                "output_format" => request.output_format = text(&name, value)?,
                "renderer" => request.renderer = text(&name, value)?,
                _ => {
                    return Err(Invalid::new(name, format!("one of {FIELDS}"), "an unknown field")
                        .code("unknown_field"));
                }
            }
        }
        Ok(request)
    }
}

fn text(field: &str, value: Value) -> Result<Option<String>, Invalid> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        other => Err(Invalid::new(field, "a text", kind_of(&other))),
    }
}

fn texts(field: &str, value: Value) -> Result<Vec<String>, Invalid> {
    let items = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(items) => items,
        other => return Err(Invalid::new(field, "a list of names", kind_of(&other))),
    };
    let named = items.into_iter().enumerate().map(|(index, item)| match item {
        Value::String(text) => Ok(text),
        other => Err(Invalid::new(format!("{field}[{index}]"), "a name", kind_of(&other))),
    });
    named.collect()
}

/// What a value is, in words.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
