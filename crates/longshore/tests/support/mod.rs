//! The binary from outside: run it, start it, wait for what it says.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![expect(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// Longest wait for a line. Only a broken program takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of its own, in which commands are run.
pub(crate) struct Site {
    dir: TempDir,
    environment: Vec<(String, String)>,
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Fails the test unless the command ended with this code.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "out: {}\nerr: {}", self.out, self.err);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {}", self.out))
    }
}

impl Site {
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), environment: Vec::new() }
    }

    /// With a variable for all commands.
    pub(crate) fn with(mut self, name: &str, text: &str) -> Self {
        self.environment.push((name.to_owned(), text.to_owned()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_longshore"));
        command
            .current_dir(self.dir.path())
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, _) in std::env::vars()
            .filter(|(name, _)| name.starts_with("LONGSHORE_") || name.starts_with("ASYNC_PDF_"))
        {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, text)| (name, text)));
        command
    }

    /// A command in mounts of its own: `setup` is done by a shell first, with `"$0"` for the program and `"$@"` for its
    /// arguments. Needs a system that lets users have name spaces.
    pub(crate) fn mounted(&self, setup: &str, args: &[&str]) -> Command {
        let plain = self.command(args);
        let mut command = Command::new("unshare");
        command
            .args(["--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "sh", "-e", "-c", setup])
            .arg(plain.get_program())
            .args(plain.get_args())
            .current_dir(self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.feed(args, "")
    }

    /// Runs a command with something on its standard input.
    pub(crate) fn feed(&self, args: &[&str], input: &str) -> Ran {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        // A command that does not read its input may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let ran = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: ran.status.code().unwrap_or(-1), out: text(ran.stdout), err: text(ran.stderr) }
    }

    /// Runs a command that has to succeed, and gives its answer.
    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        self.run(args).ends(0).out
    }

    /// The same with `--json`.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--json"]].concat()).ends(0).json()
    }

    /// Enqueues a job and gives its id.
    #[track_caller]
    pub(crate) fn enqueue(&self, args: &[&str]) -> String {
        let receipt = self.json(&[&["job", "enqueue"], args].concat());
        receipt["id"].as_str().unwrap().to_owned()
    }

    /// Starts a command that goes on.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        Running::of(self.command(args))
    }

    /// Starts a worker, and waits until it is there.
    pub(crate) fn worker(&self, args: &[&str]) -> Running {
        let mut worker = self.start(&[&["worker", "start"], args].concat());
        worker.line_with("serves ");
        worker
    }

    /// Starts a server on a free port, and gives its URL as well.
    pub(crate) fn serve(&self, args: &[&str]) -> (Running, String) {
        let mut server = self.start(&[&["serve", "--listen", "127.0.0.1:0"], args].concat());
        let line = server.line_with("listening on ");
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        (server, url)
    }
}

/// A command that runs. Killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

/// Sends a signal to several at once.
pub(crate) fn signal_all<'a>(running: impl IntoIterator<Item = &'a Running>, name: &str) {
    let ids: Vec<_> = running.into_iter().map(|running| running.child.id().to_string()).collect();
    let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", ids.join(" "))).status().unwrap();
    assert!(sent.success());
}

impl Running {
    pub(crate) fn of(command: Command) -> Self {
        let mut running = Self::with_log_elsewhere(command);
        // Somebody has to read it, or the program would wait for room in the pipe.
        let mut err = running.child.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut err, &mut std::io::sink()));
        running
    }

    /// The same with a log that goes where the caller has sent it.
    pub(crate) fn with_log_elsewhere(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines, seen: Vec::new() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line of standard output with this text in it.
    #[track_caller]
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => self.seen.push(line),
                Err(error) => panic!("no line with {text:?} ({error}); so far: {:?}", self.seen),
            }
        }
    }

    /// Writes a line to its standard input.
    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Sends a signal such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        signal_all([self], name);
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end, and gives the code.
    pub(crate) fn end(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Waits for the end, and gives the rest of what it says.
    pub(crate) fn rest(&mut self) -> (i32, Vec<String>) {
        let rest = self.lines.iter().collect();
        (self.end(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build().into()
}

fn read(mut answer: ureq::http::Response<ureq::Body>) -> (u16, Value) {
    let mut text = String::new();
    answer.body_mut().as_reader().read_to_string(&mut text).unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// The body of a GET that has to succeed.
#[track_caller]
pub(crate) fn get(url: &str) -> Value {
    let (status, body) = read(agent().get(url).call().unwrap());
    assert_eq!(status, 200, "{url}: {body}");
    body
}

/// The status and the body of a GET.
pub(crate) fn look(url: &str) -> (u16, Value) {
    read(agent().get(url).call().unwrap())
}

/// The same with an API key.
pub(crate) fn look_as(key: &str, url: &str) -> (u16, Value) {
    read(agent().get(url).header("authorization", format!("Bearer {key}")).call().unwrap())
}

/// The status of a GET.
pub(crate) fn status(url: &str) -> u16 {
    look(url).0
}

/// The status and the body of a POST.
pub(crate) fn post(url: &str, body: &str) -> (u16, Value) {
    read(agent().post(url).send(body).unwrap())
}

/// The lines of an event stream, from its beginning on.
pub(crate) fn stream(url: &str) -> impl Iterator<Item = String> + use<> {
    let answer = agent().get(url).call().unwrap();
    assert_eq!(answer.status(), 200, "{url}");
    BufReader::new(answer.into_body().into_reader()).lines().map_while(Result::ok)
}

/// The status of a POST; none if no answer came.
pub(crate) fn try_post(url: &str, body: &str) -> Option<u16> {
    agent().post(url).send(body).ok().map(|answer| answer.status().as_u16())
}

/// Whether a file begins as a PDF does.
pub(crate) fn is_pdf(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"%PDF-"))
}
