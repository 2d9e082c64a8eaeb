//! Work that is done in other processes of this program, for software rendering lets one thread
//! of a process draw at a time. Orders go in and answers come out, a line of JSON each, pictures
//! as bytes behind the line. A worker that dies or stands still is told of with its last words; it
//! ends with whoever started it. Nothing here may know what the work is.

use anyhow::{Context, bail};
use jaco_shell::args::Unusable;
use jaco_shell::say::in_full;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::marker::PhantomData;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Makes `jaco-lab` a worker, as its first argument; the second is the work's [`Work::NAME`].
pub const WORKER: &str = "worker";
/// A worker's last words that are quoted \[bytes\].
const LAST_WORDS: usize = 2000;
/// How long a worker is listened to at a time \[ms\].
const GLANCE_MS: u32 = 50;
/// A worker that has not run for this long never will \[ms\].
const STANDS_STILL_MS: u32 = 60_000;

/// Something that a process of its own can do over and over.
pub trait Work: Default {
    /// What a worker is told that it is for.
    const NAME: &'static str;
    /// What is to be made; in words it completes "a worker process ended at".
    type Order: Serialize + DeserializeOwned + Display;
    /// What comes of it.
    type Made: Serialize + DeserializeOwned;

    /// Carries out `order`; the pictures that go with what is made are bytes.
    fn make(&mut self, order: &Self::Order) -> anyhow::Result<(Self::Made, Vec<u8>)>;
}

/// What a worker answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reply<T> {
    /// What was made, and how many bytes follow the line.
    Made { made: T, bytes: u64 },
    /// It could not be made; whether because of what the user gave.
    Failed { why: String, unusable: bool },
}

/// A worker process, from outside.
pub struct Worker<W> {
    child: Child,
    orders: ChildStdin,
    replies: ChildStdout,
    words: Option<JoinHandle<Vec<u8>>>,
    work: PhantomData<W>,
}

impl<W: Work> Worker<W> {
    /// Starts one. It ends with the thread that calls this, at the latest.
    pub fn start() -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("where this program lies")?;
        let mut command = Command::new(program);
        command.args([WORKER, W::NAME]);
        Self::of(command)
    }

    fn of(mut command: Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C in the terminal is for whoever gives the orders.
        command.process_group(0);
        let mut child = command.spawn().context("cannot start a worker process")?;
        let (Some(orders), Some(replies), Some(words)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            bail!("a worker process has no pipes");
        };
        let words = Some(std::thread::spawn(move || last_words(words)));
        Ok(Self { child, orders, replies, words, work: PhantomData })
    }

    /// Lets it carry out `order`. None as soon as `stop` is raised.
    pub fn make(
        &mut self,
        order: &W::Order,
        stop: &AtomicBool,
    ) -> anyhow::Result<Option<(W::Made, Vec<u8>)>> {
        self.make_within(order, stop, STANDS_STILL_MS)
    }

    fn make_within(
        &mut self,
        order: &W::Order,
        stop: &AtomicBool,
        still_ms: u32,
    ) -> anyhow::Result<Option<(W::Made, Vec<u8>)>> {
        if stop.load(Ordering::Relaxed) {
            // It may still be at the order before, and reads no more until that is done.
            return Ok(None);
        }
        let mut line = serde_json::to_vec(order)
            .map_err(|error| Unusable(format!("a worker process cannot be told: {error}")))?;
        line.push(b'\n');
        match self.ask(&line, stop, still_ms) {
            // Whatever became of it.
            _ if stop.load(Ordering::Relaxed) => Ok(None),
            Ok((Reply::Made { made, .. }, bytes)) => Ok(Some((made, bytes))),
            Ok((Reply::Failed { why, unusable: true }, _)) => Err(Unusable(why).into()),
            Ok((Reply::Failed { why, unusable: false }, _)) => bail!(why),
            Err(error) => Err(self.ended(order, &error)),
        }
    }

    fn ask(
        &mut self,
        order: &[u8],
        stop: &AtomicBool,
        still_ms: u32,
    ) -> io::Result<(Reply<W::Made>, Vec<u8>)> {
        self.orders.write_all(order)?;
        let process = self.child.id();
        let mut replies =
            BufReader::new(Listening { replies: &mut self.replies, process, stop, still_ms });
        let (mut line, mut bytes) = (Vec::new(), Vec::new());
        replies.read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let reply = serde_json::from_slice(&line)?;
        if let Reply::Made { bytes: due, .. } = &reply
            && replies.take(*due).read_to_end(&mut bytes)? as u64 != *due
        {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok((reply, bytes))
    }

    /// What is known of its end.
    fn ended(&mut self, order: &W::Order, error: &io::Error) -> anyhow::Error {
        use io::ErrorKind::{InvalidData, TimedOut};
        let status = match self.child.try_wait() {
            // What it said makes no sense, or it stands still; but it lives.
            Ok(None) if matches!(error.kind(), InvalidData | TimedOut) => {
                self.child.kill().and_then(|()| self.child.wait())
            }
            _ => self.child.wait(),
        };
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        let words = self.words.take().and_then(|words| words.join().ok()).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).trim().to_owned();
        let said = if words.is_empty() { "it said nothing".to_owned() } else { words };
        anyhow::anyhow!("a worker process ended ({status}) at {order}: {error}: {said}")
    }
}

impl<W> Drop for Worker<W> {
    fn drop(&mut self) {
        // It has nothing to lose; and it may be deep in its work.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A worker's answers, for as long as somebody wants them and it can still give them.
struct Listening<'a> {
    replies: &'a mut ChildStdout,
    process: u32,
    stop: &'a AtomicBool,
    still_ms: u32,
}

impl Read for Listening<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        const GLANCE: Timespec = Timespec { tv_sec: 0, tv_nsec: GLANCE_MS as i64 * 1_000_000 };
        let (mut ran, mut still_ms) = (processor_time(self.process), 0);
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(io::Error::other("nobody wants it any more"));
            }
            match poll(&mut [PollFd::new(self.replies, PollFlags::IN)], Some(&GLANCE)) {
                Ok(0) => still_ms += GLANCE_MS,
                Ok(_) => return self.replies.read(buffer),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let now = processor_time(self.process);
            if now != ran {
                (ran, still_ms) = (now, 0);
            } else if still_ms >= self.still_ms {
                let why = format!("it had not run for {} s", still_ms / 1000);
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
        }
    }
}

/// What a process has had of the processors, in the kernel's ticks: for itself, and in the kernel.
fn processor_time(process: u32) -> Option<(u64, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The program's name, in brackets, may hold anything; proc(5) counts both as fields 14 and 15.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
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
pub fn serve<W: Work>() -> anyhow::Result<()> {
    // What it is making is of no use to anybody else.
    set_parent_process_death_signal(Some(Signal::KILL)).context("cannot end with its parent")?;
    let mut work = W::default();
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let order: W::Order = serde_json::from_str(&line?).context("not an order")?;
        let (reply, bytes) = match work.make(&order) {
            Ok((made, bytes)) => (Reply::Made { made, bytes: bytes.len() as u64 }, bytes),
            Err(error) => {
                let judged = error.chain().find_map(jaco_model::blames_input);
                let unusable = Unusable::is_in(&error) || judged == Some(true);
                (Reply::Failed { why: in_full(&error), unusable }, Vec::new())
            }
        };
        let mut line = serde_json::to_vec(&reply)?;
        line.push(b'\n');
        out.write_all(&line)?;
        out.write_all(&bytes)?;
        out.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Work that nobody does: the workers of these tests are shells.
    #[derive(Debug, Default)]
    struct Sums;

    impl Work for Sums {
        const NAME: &'static str = "sums";
        type Order = u32;
        type Made = u32;

        fn make(&mut self, order: &u32) -> anyhow::Result<(u32, Vec<u8>)> {
            Ok((*order, Vec::new()))
        }
    }

    fn worker(script: &str) -> Worker<Sums> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Worker::of(command).unwrap()
    }

    /// The error of a worker that does what `script` says.
    fn told(script: &str) -> anyhow::Error {
        worker(script).make(&7, &AtomicBool::new(false)).unwrap_err()
    }

    #[test]
    fn a_worker_that_dies_is_quoted_with_its_order() {
        let error = told("read order; echo 'no renderer' >&2; exit 3").to_string();
        for part in ["exit status: 3", ") at 7: ", "no renderer"] {
            assert!(error.contains(part), "{error}");
        }
        let killed = told("read order; kill -9 $$").to_string();
        assert!(killed.contains("signal: 9") && killed.contains("it said nothing"), "{killed}");
        // It does not wait for the end of a worker that talks nonsense.
        let nonsense = told("echo hello; exec sleep 1000").to_string();
        assert!(nonsense.contains("signal: 9"), "{nonsense}");
    }

    /// Half an answer is none, neither in its line nor in the bytes behind it.
    #[test]
    fn what_a_worker_could_not_finish_is_not_taken() {
        let made = r#"{"made":{"made":7,"bytes":4}}"#;
        let answer = |end: &str| {
            let script = format!("read order; printf '%s{end}' '{made}'; exit 3");
            worker(&script).make(&7, &AtomicBool::new(false))
        };
        assert_eq!(answer("\\nabcd").unwrap(), Some((7, b"abcd".to_vec())));
        for end in ["\\nabc", "\\n"] {
            let error = answer(end).unwrap_err().to_string();
            assert!(error.contains("exit status: 3") && error.contains("end of file"), "{error}");
        }
    }

    #[test]
    fn a_worker_that_stands_still_is_killed_and_told_of() {
        let mut worker = worker("read order; exec sleep 1000");
        let error = worker.make_within(&7, &AtomicBool::new(false), 1000).unwrap_err().to_string();
        assert!(error.contains("signal: 9") && error.contains("not run for 1 s"), "{error}");
    }

    #[test]
    fn nobody_waits_for_what_nobody_wants() {
        let stop = AtomicBool::new(false);
        let mut busy = worker("exec sleep 1000");
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| busy.make(&7, &stop).unwrap());
            stop.store(true, Ordering::Relaxed);
            assert_eq!(asking.join().unwrap(), None);
        });
        // More than a pipe holds.
        for _ in 0..100_000 {
            assert_eq!(busy.make(&7, &stop).unwrap(), None);
        }
    }

    #[test]
    fn a_process_that_works_is_seen_to() {
        let before = processor_time(std::process::id()).unwrap();
        while processor_time(std::process::id()).unwrap() == before {}
        assert_eq!(processor_time(u32::MAX), None);
    }

    #[test]
    fn a_refusal_keeps_whose_fault_it_was() {
        let reply = |unusable: bool| {
            let reply = Reply::<u32>::Failed { why: "no such folder".to_owned(), unusable };
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
}
