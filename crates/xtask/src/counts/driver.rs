//! A broker, the load in lock step, and what happens before and after the part that is counted.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::interop::broker::free_port;
use crate::interop::process::{Kind, Process, tail};

/// Under callgrind a broker takes a while to start.
const STEPS_MAX: u32 = 3000;
const STEP: Duration = Duration::from_millis(20);

/// Where programs are, and the folder for what they write.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tools<'a> {
    pub(super) klamm: &'a Path,
    pub(super) load: &'a Path,
    pub(super) out: &'a Path,
}

/// A broker with an empty folder.
#[derive(Debug)]
pub(super) struct Broker {
    /// Declared before the folder: the process ends first.
    process: Process,
    address: String,
    _folder: TempDir,
}

impl Broker {
    /// Starts one, by a command that gets the program and its arguments.
    pub(super) fn start(tools: &Tools<'_>, mut command: Command) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = format!("127.0.0.1:{}", free_port()?);
        command.args(["serve", "--data"]).arg(folder.path().join("data"));
        // One worker: which of two takes a request is not what is counted.
        command.args(["--set", "klamm.worker.threads=1", "--listen", &address]);
        let log = tools.out.join("klamm.log");
        let process = Process::start(&mut command, &log, Kind::Single)?;
        let broker = Broker { process, address, _folder: folder };
        until(|| TcpStream::connect(&broker.address).is_ok())
            .with_context(|| format!("the broker does not start:\n{}", tail(&log, 8)))?;
        Ok(broker)
    }

    /// The process.
    pub(super) fn id(&self) -> String {
        self.process.id().to_string()
    }
}

/// Waits until something is so.
pub(super) fn until(mut is: impl FnMut() -> bool) -> Result<()> {
    for _ in 0..STEPS_MAX {
        if is() {
            return Ok(());
        }
        #[expect(clippy::disallowed_methods, reason = "waits for a real program")]
        std::thread::sleep(STEP);
    }
    bail!("not within {:?}", STEP * STEPS_MAX)
}

/// A load that waits for the word to begin.
#[derive(Debug)]
pub(super) struct Work {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Work {
    /// Starts the load; it is warm when this returns.
    pub(super) fn prepare(
        tools: &Tools<'_>,
        broker: &Broker,
        work: &str,
        count: u64,
    ) -> Result<Self> {
        let mut command = Command::new(tools.load);
        command.args(["counted", "--work", work, "--count", &count.to_string()]);
        command.args(["--bootstrap", &broker.address]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the load")?;
        let out = BufReader::new(child.stdout.take().context("it was piped above")?);
        let mut work = Work { child, out };
        work.hears("ready")?;
        Ok(work)
    }

    fn hears(&mut self, word: &str) -> Result<()> {
        let line = self.line()?;
        ensure!(line == word, "the load said {line:?} instead of {word}");
        Ok(())
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.out.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    fn go_on(&mut self) -> Result<()> {
        let input = self.child.stdin.as_mut().context("it was piped above")?;
        Ok(input.write_all(b"go\n")?)
    }

    /// Does the work.
    pub(super) fn run(&mut self) -> Result<()> {
        self.go_on()?;
        self.hears("done")
    }

    /// Ends the load; how many units of work there were.
    pub(super) fn finish(mut self) -> Result<f64> {
        self.go_on()?;
        let said: serde_json::Value = serde_json::from_str(&self.line()?)?;
        ensure!(self.child.wait()?.success(), "the load failed");
        said["units"].as_f64().filter(|units| *units > 0.0).context("the load did nothing")
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // It has ended, unless something failed before.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
