//! A long procedure as a line of named steps: announced, run one by one, timed.

use std::fmt;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context;
use longshore_clock::Stopwatch;

/// One command with a name.
pub(crate) struct Step {
    name: &'static str,
    program: Option<&'static str>,
    args: Vec<String>,
    env: Option<(&'static str, &'static str)>,
}

impl Step {
    /// A step that calls cargo.
    pub(crate) fn cargo(name: &'static str, args: &[&str]) -> Self {
        Self { name, program: None, args: args.iter().map(|&arg| arg.to_owned()).collect(), env: None }
    }

    /// A step that calls another program.
    pub(crate) fn program(name: &'static str, program: &'static str, args: &[&str]) -> Self {
        Self { program: Some(program), ..Self::cargo(name, args) }
    }

    /// With more arguments at the end.
    pub(crate) fn with(mut self, more: &[String]) -> Self {
        self.args.extend_from_slice(more);
        self
    }

    /// With a variable in its environment.
    pub(crate) fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env = Some((name, value));
        self
    }

    fn run(&self) -> anyhow::Result<Option<u8>> {
        let mut command = self.program.map_or_else(cargo, Command::new);
        command.args(&self.args).stdin(Stdio::null()).envs(self.env);
        let status = command.status().with_context(|| format!("could not start `{self}`"))?;
        // A signal has no code; a code above a byte has no room.
        let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
        Ok((!status.success()).then_some(code))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, value)) = self.env {
            write!(f, "{name}={value:?} ")?;
        }
        write!(f, "{}", self.program.unwrap_or("cargo"))?;
        // An argument with spaces is shown as it would have to be typed.
        self.args
            .iter()
            .try_for_each(|arg| if arg.contains(' ') { write!(f, " '{arg}'") } else { write!(f, " {arg}") })
    }
}

/// The cargo that started us, at the root of the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::root());
    // What cargo tells us about this package would make the build scripts of others think that something changed.
    for (name, _) in std::env::vars_os() {
        let known = name.to_string_lossy();
        if known.starts_with("CARGO_PKG_") || known.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Whether `cargo NAME` can be called on this machine.
pub(crate) fn has_cargo(name: &str) -> bool {
    let mut command = cargo();
    command.args([name, "--version"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Whether a program of this name can be called on this machine.
pub(crate) fn has_program(name: &str) -> bool {
    let mut command = Command::new(name);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Says what will be done.
pub(crate) fn announce(steps: &[Step]) {
    for (number, step) in steps.iter().enumerate() {
        println!("{:>3}. {:<9} {step}", number + 1, step.name);
    }
}

/// Runs one step that has words of its own for how it went.
pub(crate) fn run_quietly(step: &Step) -> anyhow::Result<ExitCode> {
    Ok(step.run()?.map_or(ExitCode::SUCCESS, ExitCode::from))
}

/// Runs the steps up to the first that fails, whose exit code is returned, and says how long each one took.
pub(crate) fn run_all(steps: &[Step]) -> anyhow::Result<ExitCode> {
    let mut summary = Vec::new();
    let mut exit = ExitCode::SUCCESS;
    for step in steps {
        println!("\n── {}: {step}", step.name);
        let watch = Stopwatch::start();
        let failed = step.run()?;
        summary.push(line(step.name, failed, watch.elapsed()));
        if let Some(code) = failed {
            exit = ExitCode::from(code);
            break;
        }
    }
    summary.extend(steps[summary.len()..].iter().map(|step| format!("{:<9} not run", step.name)));
    println!("\n{}", summary.join("\n"));
    Ok(exit)
}

fn line(name: &str, failed: Option<u8>, took: Duration) -> String {
    let took = human(took);
    match failed {
        None => format!("{name:<9} ok      {took:>12}"),
        Some(code) => format!("{name:<9} failed  {took:>12}  exit code {code}"),
    }
}

fn human(took: Duration) -> String {
    let seconds = took.as_secs();
    if seconds < 60 {
        format!("{:.1} s", took.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_gives_the_exit_code_and_ends_the_line() {
        let steps = [Step::cargo("wrong", &["no-such-verb"]), Step::cargo("never", &["no-such-verb-either"])];
        assert_eq!(steps[0].run().unwrap(), Some(101));
        assert_eq!(run_all(&steps).unwrap(), ExitCode::from(101));
    }

    #[test]
    fn a_step_is_shown_as_it_would_be_typed() {
        let step = Step::cargo("docs", &["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(step.to_string(), r#"RUSTDOCFLAGS="-D warnings" cargo doc --no-deps"#);
    }

    #[test]
    fn times_are_for_people() {
        assert_eq!(human(Duration::from_millis(12_340)), "12.3 s");
        assert_eq!(human(Duration::from_secs(65)), "1 min 05 s");
    }
}
