//! The `longshore` command.

mod command;
mod config;
mod context;
mod descriptors;
mod exit;
mod follow;
mod operator;
mod out;
mod queues;
mod retention;
mod signals;
mod system;
mod table;
mod time;
mod worker;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    exit::code(command::Cli::parse().run().and_then(|()| out::check()))
}
