//! Child processes whose lines are read with a time limit and that do not outlive their handle.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How long a stopped process may take to end before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A running child.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    kind: Kind,
}

/// Whom a signal to a child reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The child alone. It shares our group, so that an interrupt from the terminal ends it too.
    Single,
    /// The child and what it starts: it leads a process group.
    Group,
}

/// What reading a line came to.
#[derive(Debug)]
pub(crate) enum Line {
    /// The next line of standard output.
    Text(String),
    /// Nothing came in time.
    Late,
    /// Standard output is closed.
    End,
}

impl Process {
    /// Starts a command; its standard error goes to `log`.
    pub(crate) fn start(command: &mut Command, log: &Path, kind: Kind) -> Result<Self> {
        let errors = File::create(log).with_context(|| log.display().to_string())?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        if kind == Kind::Group {
            command.process_group(0);
        }
        let mut child = command
            .spawn()
            .with_context(|| format!("{:?} does not start", command.get_program()))?;
        let output = child.stdout.take().context("standard output was piped above")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        Ok(Process { child, lines, kind })
    }

    /// The child's process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line, if it comes in time.
    pub(crate) fn line(&self, wait: Duration) -> Line {
        match self.lines.recv_timeout(wait) {
            Ok(text) => Line::Text(text),
            Err(RecvTimeoutError::Timeout) => Line::Late,
            Err(RecvTimeoutError::Disconnected) => Line::End,
        }
    }

    /// Whether the child has ended.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends a signal; that the child is gone already is no error.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let sent = pid.map(|pid| match self.kind {
            Kind::Single => kill_process(pid, signal),
            Kind::Group => kill_process_group(pid, signal),
        });
        // A process that is gone already is what is wanted.
        sent.and_then(Result::ok);
    }
}

/// Ends the child: first politely, so that a broker can close its log.
impl Drop for Process {
    fn drop(&mut self) {
        // The id of a child that was waited for may be another process's by now.
        if self.kind == Kind::Single && !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        self.signal(Signal::TERM);
        while let Line::Text(_) = self.line(STOP_TIMEOUT) {}
        self.signal(Signal::KILL);
        self.child.wait().ok();
    }
}

/// Runs a command to its end; an error carries the end of what it said. Folders of the log are made.
pub(crate) fn finish(command: &mut Command, log: &Path) -> Result<()> {
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let file = File::create(log).with_context(|| log.display().to_string())?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let status =
        command.status().with_context(|| format!("{:?} does not start", command.get_program()))?;
    if !status.success() {
        bail!("{status}; the end of {}:\n{}", log.display(), tail(log, 15));
    }
    Ok(())
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path, lines: usize) -> String {
    let text = std::fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
