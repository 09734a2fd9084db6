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

fn main() -> ExitCode {
    exit::code(command::Cli::read().run().and_then(|()| out::check()))
}
