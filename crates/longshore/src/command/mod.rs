//! The commands, one verb per file.

mod audit;
mod completions;
mod config;
mod cron;
mod demo;
mod job;
mod key;
mod kind;
mod lab;
mod metrics;
mod pdf;
mod queue;
mod schedule;
mod serve;
mod store;
mod worker;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context as _;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{Effective, Flag, Settings, Sources};
use crate::context::Context;
use crate::exit::Usage;

/// The file that is read if there is one.
const FILE: &str = "longshore.toml";

/// Most threads for what blocks, where no setting says otherwise.
const BLOCKING_THREADS: usize = 512;

/// Durable background work.
///
/// Jobs are kept in a store, run by workers, tried again when they fail, and never lost.
#[derive(Debug, Parser)]
#[command(name = "longshore", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args, Debug)]
struct Global {
    /// The store to use: memory: or sqlite:PATH
    #[arg(long, global = true, value_name = "URL", display_order = 100)]
    store: Vec<String>,
    /// A server to ask over HTTP instead, such as http://127.0.0.1:7070; its API key is LONGSHORE_API_TOKEN
    #[arg(long, global = true, value_name = "URL", conflicts_with = "store", display_order = 101)]
    api: Option<String>,
    /// The configuration file, instead of longshore.toml in this folder
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "LONGSHORE_CONFIG",
        hide_env = true,
        display_order = 102
    )]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything in one process: the HTTP API, a worker and the keeper
    Serve(serve::Serve),
    /// Run workers, and look at them
    #[command(subcommand)]
    Worker(worker::Worker),
    /// Look at queues, pause and clear them
    #[command(subcommand)]
    Queue(queue::Queue),
    /// Enqueue jobs, look at them, and change their fate
    #[command(subcommand)]
    Job(job::Job),
    /// Make jobs later: by cron expressions, or again and again
    #[command(subcommand)]
    Schedule(schedule::Schedule),
    /// Ask when cron expressions are due
    #[command(subcommand)]
    Cron(cron::Cron),
    /// Limit what runs at once of a kind
    #[command(subcommand)]
    Kind(kind::Kind),
    /// Show what all workers did over the last minutes and hours
    Metrics(metrics::Metrics),
    /// Show what operators did
    Audit(audit::Audit),
    /// Make, list and revoke the API keys of callers over HTTP
    #[command(subcommand)]
    Key(key::Key),
    /// Make PDF files
    #[command(subcommand)]
    Pdf(pdf::Pdf),
    /// Look after the store
    #[command(subcommand)]
    Store(store::Store),
    /// Show the effective configuration, and where each value comes from
    Config(config::Config),
    /// See the whole system at work: no services, no configuration
    Demo(demo::Demo),
    /// Measure
    #[command(subcommand)]
    Lab(lab::Lab),
    /// Print the completions for a shell
    Completions(completions::Completions),
}

/// Reads a whole number.
pub(crate) fn whole<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("expected a whole number, not negative, got {text:?}"))
}

/// Lets every option take a number below zero, so that whoever is to judge it can say what is wrong with it.
fn with_negatives(command: clap::Command) -> clap::Command {
    let takes_one = |arg: &clap::Arg| !arg.is_positional() && arg.get_action().takes_values();
    command
        .mut_args(|arg| if takes_one(&arg) { arg.allow_negative_numbers(true) } else { arg })
        .mut_subcommands(with_negatives)
}

impl Cli {
    /// What was typed, or the end of the process with what is wrong with it.
    pub(crate) fn read() -> Self {
        let matches = with_negatives(Self::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Self { global, command } = self;
        if global.api.is_some() && !command.is_for_operators() {
            let wrong = "--api: expected nothing, because this command works without a server elsewhere";
            return Err(Usage(wrong.to_owned()).into());
        }
        match command {
            Command::Completions(command) => {
                command.run();
                return Ok(());
            }
            // The lab measures stores of its own, any number of them.
            Command::Lab(lab::Lab::Queue(command)) => return wait_for(command.run(global.store)),
            Command::Lab(lab::Lab::Features(command)) => return wait_for(command.run(global.store)),
            Command::Cron(command) => return command.run(),
            Command::Demo(_) if !global.store.is_empty() => {
                return Err(Usage(
                    "--store: expected nothing, because the demo brings its own store".to_owned(),
                )
                .into());
            }
            Command::Demo(command) => return wait_for(command.run()),
            _ => {}
        }
        let context = global.context(command.flags())?;
        match command {
            Command::Serve(command) => run(command.run(&context), context.settings.blocking_threads),
            Command::Worker(command) => run(command.run(&context), context.settings.blocking_threads),
            Command::Queue(command) => wait_for(command.run(&context)),
            Command::Job(command) => wait_for(command.run(&context)),
            Command::Schedule(command) => wait_for(command.run(&context)),
            Command::Kind(command) => wait_for(command.run(&context)),
            Command::Metrics(command) => wait_for(command.run(&context)),
            Command::Audit(command) => wait_for(command.run(&context)),
            Command::Key(command) => wait_for(command.run(&context)),
            Command::Pdf(command) => wait_for(command.run(&context)),
            Command::Store(command) => wait_for(command.run(&context)),
            Command::Config(command) => command.run(&context),
            Command::Cron(_) | Command::Demo(_) | Command::Lab(_) | Command::Completions(_) => Ok(()),
        }
    }
}

impl Command {
    /// Whether a server can be asked for it.
    fn is_for_operators(&self) -> bool {
        match self {
            Self::Queue(_)
            | Self::Job(_)
            | Self::Schedule(_)
            | Self::Kind(_)
            | Self::Metrics(_)
            | Self::Audit(_)
            | Self::Key(_)
            | Self::Config(_) => true,
            Self::Worker(command) => !matches!(command, worker::Worker::Start(_)),
            _ => false,
        }
    }

    /// The settings that the flags of this command make.
    fn flags(&self) -> Vec<Flag> {
        match self {
            Self::Serve(command) => command.flags(),
            Self::Worker(command) => command.flags(),
            _ => Vec::new(),
        }
    }
}

impl Global {
    fn context(&self, mut flags: Vec<Flag>) -> anyhow::Result<Context> {
        if let [_, _, ..] = self.store.as_slice() {
            return Err(Usage(
                "--store: expected one URL, got several; only `lab queue` takes more".to_owned(),
            )
            .into());
        }
        flags.extend(self.api.as_ref().map(|url| Flag::new("api", "--api", url)));
        if let Some(url) = self.store.first() {
            // Who names a store means it, whatever server is configured.
            flags.extend([Flag::new("store", "--store", url), Flag::new("api", "--store", "")]);
        }
        let sources = Sources { file: read_file(self.config.as_deref())?, environment: environment(), flags };
        let effective = Effective::read(&sources)?;
        Ok(Context { settings: Settings::of(&effective), effective })
    }
}

/// The environment. A value that is not Unicode is kept as what it looks like, so that it is found to be a mistake.
fn environment() -> Vec<(String, String)> {
    let texts = std::env::vars_os().map(|(name, text)| (name.into_string(), text));
    texts.filter_map(|(name, text)| Some((name.ok()?, text.to_string_lossy().into_owned()))).collect()
}

/// The named file, which has to be there, or the usual one, which need not.
fn read_file(named: Option<&Path>) -> anyhow::Result<Option<(String, String)>> {
    let path = named.unwrap_or(Path::new(FILE));
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some((path.display().to_string(), text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => Ok(None),
        Err(error) => {
            let wrong = Usage(format!("expected a file that can be read, got {error}"));
            Err(wrong).with_context(|| format!("--config {}", path.display()))
        }
    }
}

/// Runs a command on all cores.
fn wait_for(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    run(command, BLOCKING_THREADS)
}

/// The same with so many threads at most for what blocks.
fn run(command: impl Future<Output = anyhow::Result<()>>, blocking_threads: usize) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(blocking_threads)
        .build()
        .context("cannot start the runtime")?;
    let ended = runtime.block_on(command);
    // Whatever still runs was let go of by its owner: blocking work that nobody waits for must not hold up the end.
    runtime.shutdown_background();
    ended
}
