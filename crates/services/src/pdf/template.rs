//! Fills templates. Blocking; runs on a thread for CPU work.

use std::path::Path;

use longshore_pool::CpuToken;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};

use super::config::PdfLimits;
use super::error::{PdfServiceError, one_line};
use super::limited::Limited;
use super::templates::Found;
use crate::folder::{is_plain_name, plain_file};

/// Fills a template with a JSON object. Everything that comes from the object is escaped.
pub(super) fn fill(
    found: &Found,
    context: &serde_json::Value,
    limits: &PdfLimits,
    token: &CpuToken,
) -> Result<String, PdfServiceError> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(limits.template_steps));
    environment.set_recursion_limit(limits.template_depth);
    environment.set_debug(false);
    let folder = found.folder.clone();
    // Includes, imports and parents come from the template's folder and nowhere else.
    environment.set_loader(move |name| load(&folder, name));
    let failed = |error: &Error| explain(found, error, limits);
    let template = environment.get_template(&found.file).map_err(|error| failed(&error))?;
    let mut out =
        Limited { bytes: Vec::new(), limit: limits.html_bytes, is_over: false, token: token.clone() };
    let filled = template.render_captured_to(Serde(context), &mut out).map(|_| ());
    match filled {
        Err(_) if out.is_over => Err(too_large(limits)),
        Err(_) if token.is_raised() => Err(PdfServiceError::Stopped),
        Err(error) => Err(failed(&error)),
        Ok(()) => String::from_utf8(out.bytes)
            .map_err(|_| PdfServiceError::Template("its output is not UTF-8".to_owned())),
    }
}

fn load(folder: &Path, name: &str) -> Result<Option<String>, Error> {
    if !is_plain_name(name) || name.contains("..") {
        return Ok(None);
    }
    let Some(path) = plain_file(folder, name) else { return Ok(None) };
    let unread = |error: std::io::Error| {
        Error::new(ErrorKind::InvalidOperation, format!("it cannot be read: {}", error.kind()))
    };
    std::fs::read_to_string(path).map(Some).map_err(unread)
}

fn too_large(limits: &PdfLimits) -> PdfServiceError {
    let message =
        format!("the template made more than the {} bytes of HTML that are allowed", limits.html_bytes);
    PdfServiceError::Limit { code: "input_too_large", message }
}

fn explain(found: &Found, error: &Error, limits: &PdfLimits) -> PdfServiceError {
    if error.kind() == ErrorKind::OutOfFuel {
        let message = format!("the template {} took more than {} steps", found.name, limits.template_steps);
        return PdfServiceError::Limit { code: "template_too_long", message };
    }
    let file = error.name().filter(|file| *file != found.file);
    let file = file.map(|file| format!(", file {file}")).unwrap_or_default();
    let line = error.line().map(|line| format!(", line {line}")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let text = format!("template {}{file}{line}: {}{detail}", found.name, error.kind());
    PdfServiceError::Template(one_line(&text))
}
