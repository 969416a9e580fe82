//! The thread that writes log lines: nothing waits for standard error, which may be a pipe that nobody reads.
//!
//! A warning or error that is said again and again is written once, and then how often.
use std::collections::VecDeque;
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::clock::wall_ms;
use super::log::{LogFormat, LogLevel, line as formatted};

/// How many lines may wait to be written; then they are counted only.
const MAX_WAITING: usize = 4_096;
/// For how long the same words are not written again.
const QUIET: Duration = Duration::from_secs(10);
/// How many different words are remembered for that.
const MAX_REMEMBERED: usize = 64;

enum Entry {
    Line { wall_ms: u64, level: LogLevel, message: String },
    Flush(SyncSender<()>),
}

static QUEUE: OnceLock<Option<SyncSender<Entry>>> = OnceLock::new();
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// How the lines of this process look from now on: standard error is one.
pub(super) fn set_format(format: LogFormat) {
    IS_JSON.store(format == LogFormat::Json, Ordering::Relaxed);
}

fn line(wall_ms: u64, level: LogLevel, message: &str) -> String {
    let format = if IS_JSON.load(Ordering::Relaxed) { LogFormat::Json } else { LogFormat::Text };
    formatted(format, wall_ms, level, message)
}

fn queue() -> Option<&'static SyncSender<Entry>> {
    let start = || {
        let (sender, entries) = sync_channel(MAX_WAITING);
        let body = move || run(&entries, &mut std::io::stderr(), QUIET);
        thread::Builder::new().name("confmesh-log".to_owned()).spawn(body).ok().map(|_| sender)
    };
    QUEUE.get_or_init(start).as_ref()
}

/// Has a line written, soon and in its order.
pub(super) fn write(level: LogLevel, message: &str) {
    let entry = Entry::Line { wall_ms: wall_ms(), level, message: message.to_owned() };
    match queue().map(|queue| queue.try_send(entry)) {
        Some(Ok(())) => {}
        Some(Err(TrySendError::Full(_))) => _ = LEFT_OUT.fetch_add(1, Ordering::Relaxed),
        // Nobody can be told where standard error is closed.
        None | Some(Err(TrySendError::Disconnected(_))) => {
            let _ = writeln!(std::io::stderr(), "{}", line(wall_ms(), level, message));
        }
    }
}

/// Waits until what was said is written, or until that takes too long.
pub(super) fn flush(patience: Duration) {
    let Some(Some(queue)) = QUEUE.get() else { return };
    let (done, written) = sync_channel(1);
    if queue.try_send(Entry::Flush(done)).is_ok() {
        let _ = written.recv_timeout(patience); // a reader that does not read loses the end
    }
}

/// Words that were written a moment ago.
struct Said {
    level: LogLevel,
    message: String,
    until: Instant,
    again: u64,
}

fn run(entries: &Receiver<Entry>, output: &mut impl Write, quiet: Duration) {
    let mut said: VecDeque<Said> = VecDeque::new();
    // Nobody can be told where standard error is closed.
    let mut put = |wall_ms, level, message: &str| drop(writeln!(output, "{}", line(wall_ms, level, message)));
    loop {
        let wait = said.front().map(|first| first.until.saturating_duration_since(Instant::now()));
        let entry = match wait {
            Some(wait) => entries.recv_timeout(wait),
            None => entries.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let ends = matches!(entry, Err(RecvTimeoutError::Disconnected));
        while let Some(first) = said.front() {
            if first.until > Instant::now() && said.len() <= MAX_REMEMBERED && !ends {
                break;
            }
            if let Some(first) = said.pop_front().filter(|first| first.again > 0) {
                put(wall_ms(), first.level, &format!("{} times more: {}", first.again, first.message));
            }
        }
        let left_out = LEFT_OUT.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            let message = format!("{left_out} lines were left out: standard error is read too slowly");
            put(wall_ms(), LogLevel::Warn, &message);
        }
        match entry {
            Ok(Entry::Line { wall_ms, level, message }) => {
                let is_trouble = matches!(level, LogLevel::Error | LogLevel::Warn);
                let known = said.iter_mut().find(|said| said.level == level && said.message == message);
                match known.filter(|_| is_trouble) {
                    Some(known) => known.again += 1,
                    None => {
                        put(wall_ms, level, &message);
                        if is_trouble {
                            said.push_back(Said { level, message, until: Instant::now() + quiet, again: 0 });
                        }
                    }
                }
            }
            Ok(Entry::Flush(done)) => drop(done.try_send(())),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_that_is_said_again_is_counted_and_news_are_written_as_they_come() {
        let (sender, entries) = sync_channel(100);
        let say = |level, message: &str| {
            sender.send(Entry::Line { wall_ms: 0, level, message: message.to_owned() }).unwrap();
        };
        for _ in 0..50 {
            say(LogLevel::Warn, "the disk is full");
        }
        say(LogLevel::Info, "connected");
        say(LogLevel::Info, "connected");
        drop(sender);
        let mut output = Vec::new();
        run(&entries, &mut output, Duration::from_secs(600));
        let text = String::from_utf8(output).unwrap();
        let words: Vec<&str> = text.lines().map(|line| line.split_once("Z ").unwrap().1).collect();
        let again = "warn 49 times more: the disk is full";
        assert_eq!(words, ["warn the disk is full", "info connected", "info connected", again]);
    }

    #[test]
    fn nobody_waits_for_a_reader_that_does_not_read() {
        struct Stuck(Receiver<()>);
        impl Write for Stuck {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                let _ = self.0.recv(); // until the test is over
                Ok(bytes.len())
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let (release, gate) = sync_channel(0);
        let (sender, entries) = sync_channel(2);
        let writer = thread::spawn(move || run(&entries, &mut Stuck(gate), QUIET));
        let line = || Entry::Line { wall_ms: 0, level: LogLevel::Info, message: "a line".to_owned() };
        let refused = (0..).find(|_| matches!(sender.try_send(line()), Err(TrySendError::Full(_))));
        assert!(refused.is_some(), "what there is no room for is refused and not waited for");
        drop((release, sender));
        writer.join().unwrap();
    }
}
