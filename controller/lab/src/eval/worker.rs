//! Tries made in other processes of this program: orders in, results out, a line of JSON each, a
//! contact sheet's bytes after its result. A worker that dies takes only its own try along.

use super::player::{Made, Order, Stage};
use anyhow::{Context, bail};
use jaco_shell::args::Unusable;
use jaco_shell::say::in_full;
use jaco_trials::Try;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

/// Makes `jaco-lab` a worker, as its only argument.
pub const WORKER: &str = "worker";
/// A worker's last words that are quoted \[bytes\].
const LAST_WORDS: usize = 2000;
/// Longest contact sheet \[bytes\].
const LARGEST_SHEET: usize = 64 << 20;

/// What a worker answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reply {
    /// The try, and how many bytes of its contact sheet follow the line.
    Made { made: Box<Try>, sheet_bytes: Option<usize> },
    /// It could not be made; whether because of what the user gave.
    Failed { why: String, unusable: bool },
}

/// The command that starts a worker.
pub fn command() -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("where this program lies")?);
    command.arg(WORKER);
    Ok(command)
}

/// A worker process, from outside.
pub struct Worker {
    child: Child,
    orders: ChildStdin,
    replies: BufReader<ChildStdout>,
    words: Option<JoinHandle<Vec<u8>>>,
}

impl Worker {
    /// Starts one.
    pub fn start(mut command: Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start a worker process")?;
        let (Some(orders), Some(replies), Some(words)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            bail!("a worker process has no pipes");
        };
        let words = Some(std::thread::spawn(move || last_words(words)));
        Ok(Self { child, orders, replies: BufReader::new(replies), words })
    }

    /// Lets it make a try.
    pub(super) fn make(&mut self, order: &Order) -> anyhow::Result<Made> {
        match self.ask(order) {
            Ok(Reply::Made { made, sheet_bytes }) => {
                let sheet = sheet_bytes.map(|bytes| self.sheet(bytes)).transpose();
                let sheet = sheet.or_else(|error| self.died(order, &error))?;
                Ok(Made { made: *made, sheet })
            }
            Ok(Reply::Failed { why, unusable: true }) => Err(Unusable(why).into()),
            Ok(Reply::Failed { why, unusable: false }) => bail!(why),
            Err(error) => self.died(order, &error),
        }
    }

    fn ask(&mut self, order: &Order) -> io::Result<Reply> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        self.orders.write_all(&line)?;
        let mut reply = Vec::new();
        self.replies.read_until(b'\n', &mut reply)?;
        if reply.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_slice(&reply)?)
    }

    fn sheet(&mut self, bytes: usize) -> io::Result<Vec<u8>> {
        if bytes > LARGEST_SHEET {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut sheet = vec![0; bytes];
        self.replies.read_exact(&mut sheet)?;
        Ok(sheet)
    }

    /// What is known of its end.
    fn died<T>(&mut self, order: &Order, error: &io::Error) -> anyhow::Result<T> {
        let status = match self.child.try_wait() {
            // What it said makes no sense, but it lives.
            Ok(None) if error.kind() == io::ErrorKind::InvalidData => {
                self.child.kill().and_then(|()| self.child.wait())
            }
            _ => self.child.wait(),
        };
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        let words = self.words.take().and_then(|words| words.join().ok()).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).trim().to_owned();
        let said = if words.is_empty() { "it said nothing".to_owned() } else { words };
        bail!(
            "a worker process ended ({status}) at {}, placement {}, try {}: {error}: {said}",
            order.cell.task,
            order.trial,
            order.attempt
        )
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It has nothing to lose; and it may be deep in a try.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The end of what comes from `words`, until their end.
fn last_words(mut words: impl Read) -> Vec<u8> {
    let (mut said, mut piece) = (Vec::new(), [0; 1024]);
    while let Ok(bytes @ 1..) = words.read(&mut piece) {
        said.extend(&piece[..bytes]);
        let old = said.len().saturating_sub(LAST_WORDS);
        said.drain(..old);
    }
    said
}

/// Carries out orders until they end: what a worker does, from inside.
pub fn work() -> anyhow::Result<()> {
    let mut stage = Stage::default();
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let order: Order = serde_json::from_str(&line?).context("not an order")?;
        let (reply, sheet) = match stage.make(&order) {
            Ok(Made { made, sheet }) => {
                let sheet_bytes = sheet.as_ref().map(Vec::len);
                (Reply::Made { made: Box::new(made), sheet_bytes }, sheet)
            }
            Err(error) => {
                let judged = error.chain().find_map(jaco_model::blames_input);
                let unusable = Unusable::is_in(&error) || judged == Some(true);
                (Reply::Failed { why: in_full(&error), unusable }, None)
            }
        };
        let mut bytes = serde_json::to_vec(&reply)?;
        bytes.push(b'\n');
        bytes.extend(sheet.into_iter().flatten());
        out.write_all(&bytes)?;
        out.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jaco_trials::{Cell, EXPERT};

    fn order() -> Order {
        Order {
            policy: None,
            cell: Cell {
                task: "place-block".to_owned(),
                policy: EXPERT.to_owned(),
                horizon: 1,
                decode: EXPERT.to_owned(),
                expectation: false,
                max_entropy: None,
            },
            seed: 1,
            trial: 7,
            attempt: 2,
            max_steps: 3,
            sheet: false,
        }
    }

    /// The error of a worker that does what `script` says.
    fn told(script: &str) -> anyhow::Error {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Worker::start(command).unwrap().make(&order()).unwrap_err()
    }

    #[test]
    fn a_worker_that_dies_is_quoted_with_its_try() {
        let error = told("read order; echo 'no renderer' >&2; exit 3").to_string();
        for part in ["exit status: 3", "place-block, placement 7, try 2", "no renderer"] {
            assert!(error.contains(part), "{error}");
        }
        let killed = told("read order; kill -9 $$").to_string();
        assert!(killed.contains("signal: 9") && killed.contains("it said nothing"), "{killed}");
        // It does not wait for the end of a worker that talks nonsense.
        let nonsense = told("echo hello; exec sleep 1000").to_string();
        assert!(nonsense.contains("signal: 9"), "{nonsense}");
    }

    #[test]
    fn a_refusal_keeps_whose_fault_it_was() {
        let reply = |unusable: bool| {
            let reply = Reply::Failed { why: "no such folder".to_owned(), unusable };
            format!("read order; echo '{}'", serde_json::to_string(&reply).unwrap())
        };
        assert!(Unusable::is_in(&told(&reply(true))));
        assert!(!Unusable::is_in(&told(&reply(false))));
    }

    #[test]
    fn only_the_end_of_long_words_is_kept() {
        let words = [b'x'; 5000].into_iter().chain(*b"the end").collect::<Vec<_>>();
        let said = last_words(&words[..]);
        assert!(said.len() == LAST_WORDS && said.ends_with(b"the end"));
    }

    #[test]
    fn orders_cross_as_they_are() {
        let text = serde_json::to_string(&order()).unwrap();
        assert_eq!(serde_json::from_str::<Order>(&text).unwrap(), order());
    }
}
