use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use crate::out;

#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "longshore", &mut script);
        out::raw(&script);
    }
}
