use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use longshore_clock::Door;
use longshore_services::{Files, PdfConfig, PdfRequest, PdfService};
use serde_json::Value;

use crate::context::Context;
use crate::exit::Usage;
use crate::out;
use crate::worker::pdf_config;

#[derive(Args, Debug)]
pub(crate) struct Render {
    /// The name of a template in the template folder, or the path of one
    template: String,
    /// A JSON file with what fills the template
    #[arg(long, value_name = "FILE", conflicts_with = "html")]
    data: Option<PathBuf>,
    /// A style sheet; may be given several times, and applies in that order
    #[arg(long, value_name = "FILE")]
    css: Vec<PathBuf>,
    /// The file to write; one that ends in .html gets the document before layout
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Take the first argument as a finished HTML document, not as a template
    #[arg(long)]
    html: bool,
}

impl Render {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        if self.output.as_os_str() == "-" {
            return Err(Usage(
                "--output: expected a file, got -; standard output is for messages".to_owned(),
            )
            .into());
        }
        out::keep_clean()?;
        let mut config = PdfConfig { threads: 1, ..pdf_config(&context.settings) };
        // For the style sheets; nothing else is kept, but the service wants a place where it could be.
        let scratch = tempfile::tempdir().context("cannot make a temporary folder")?;
        let request = self.request(&mut config, scratch.path())?;
        let door = Door::system();
        let files = Files::open(&scratch.path().join("files").to_string_lossy(), door.clone())?;
        let rendered = PdfService::open(config, files, door)?.render(&request).await?;
        std::fs::write(&self.output, &rendered.bytes)
            .with_context(|| format!("cannot write {}", self.output.display()))?;
        rendered.warnings.iter().for_each(|warning| out::note(format_args!("longshore: {warning}")));
        let pages = rendered.pages.map_or_else(String::new, |pages| format!("{pages} pages, "));
        let (name, bytes, ms) = (self.output.display(), rendered.bytes.len(), rendered.render_ms);
        out::line(format_args!("wrote {name}: {pages}{bytes} bytes, {ms} ms"));
        Ok(())
    }

    /// What is asked for, and in `config` where it is found.
    fn request(&self, config: &mut PdfConfig, scratch: &Path) -> anyhow::Result<PdfRequest> {
        let path = Path::new(&self.template);
        let mut request = if self.html {
            let html =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            config.assets.get_or_insert_with(|| folder(path));
            PdfRequest::html(html)
        } else {
            let name = locate(path, config)?;
            PdfRequest::template(name, self.data()?)
        };
        config.sheets = Some(scratch.join("sheets"));
        std::fs::create_dir(scratch.join("sheets")).context("cannot make a temporary folder")?;
        for css in &self.css {
            request.css_files.push(gather(css, config, &scratch.join("sheets"))?);
        }
        let is_html = self.output.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("html"));
        request.output_format = is_html.then(|| "html".to_owned());
        Ok(request)
    }

    fn data(&self) -> anyhow::Result<Value> {
        let Some(path) = &self.data else { return Ok(Value::Object(serde_json::Map::new())) };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("--data: cannot read {}", path.display()))?;
        serde_json::from_str(&text)
            .map_err(|error| Usage(format!("--data: expected JSON, got {error}")).into())
    }
}

/// The name of a template. One given by its path is looked up in its own folder.
fn locate(path: &Path, config: &mut PdfConfig) -> anyhow::Result<String> {
    // A file in the folder that we are in is meant as one, too.
    if path.components().count() > 1 || path.is_file() {
        let path = if path.file_name().is_some_and(|name| name == "template.html") {
            folder(path)
        } else {
            path.to_owned()
        };
        config.templates = folder(&path);
        let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
        return Ok(name.context("the template has no name")?.to_string_lossy().into_owned());
    }
    Ok(path.to_string_lossy().into_owned())
}

fn folder(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new(".")).to_owned()
}

/// Puts a style sheet where the service finds it under its name, and gives the name. One that is not there by its path may
/// still be beside the template.
fn gather(css: &Path, config: &mut PdfConfig, sheets: &Path) -> anyhow::Result<String> {
    let name = css.file_name().unwrap_or(css.as_os_str());
    if css.is_file() {
        let place = sheets.join(name);
        if place.exists() {
            return Err(
                Usage(format!("--css: expected each name once, got two of {}", name.display())).into()
            );
        }
        std::fs::copy(css, place).with_context(|| format!("--css: cannot read {}", css.display()))?;
        config.assets.get_or_insert_with(|| folder(css));
    } else if css.components().count() > 1 {
        return Err(Usage(format!("--css: expected a file that is there, got {}", css.display())).into());
    }
    Ok(name.to_string_lossy().into_owned())
}
