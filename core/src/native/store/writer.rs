//! The thread that commits: batches that queue up while one commit runs share the next one.
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use super::database::{Entry, Store, Write};
use crate::error::{Code, Error, Result};

/// Bounds of one transaction, so that the first batch of a long queue does not wait for the last one.
const MAX_GROUP_BATCHES: usize = 1_024;
const MAX_GROUP_BYTES: usize = 8 << 20;

enum Job {
    Batch {
        ticket: u64,
        batch: Vec<Write>,
    },
    /// Whoever submits knows that this ticket failed.
    Resume {
        ticket: u64,
    },
    Copy(Copied),
}

/// Who gets every record, as it is after what was queued before.
type Copied = Box<dyn FnOnce(Result<Vec<Entry>>) + Send>;

/// Commits batches on a thread of its own, in the order in which they are submitted.
///
/// A commit waits for the disk; batches submitted meanwhile are committed together, in one transaction. After a failure
/// every batch fails until [`Writer::resume`]: those on their way build on the one that is missing.
/// Dropping the writer commits what is still queued, reports it, and closes the store.
#[derive(Debug)]
pub struct Writer {
    queue: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread; `done` is called on it once per ticket, in the order of submission.
    ///
    /// Batches of one transaction share its result: all are on the disk, or none is.
    ///
    /// # Errors
    /// [`Code::Store`] where the operating system refuses a thread.
    pub fn spawn(store: Store, done: impl FnMut(u64, Result<()>) + Send + 'static) -> Result<Writer> {
        let (queue, jobs) = channel();
        let thread = thread::Builder::new()
            .name("confmesh-store".to_owned())
            .spawn(move || run(|batches| store.commit_all(batches), || store.read_all(), &jobs, done))
            .map_err(|error| Error::new(Code::Store, format!("cannot start the writer thread: {error}")))?;
        Ok(Writer { queue: Some(queue), thread: Some(thread) })
    }

    /// Queues a batch; never blocks.
    ///
    /// # Errors
    /// [`Code::Closed`] where the thread has ended; the ticket will not be reported.
    pub fn submit(&self, ticket: u64, batch: Vec<Write>) -> Result<()> {
        let queued = self.queue.as_ref().is_some_and(|queue| queue.send(Job::Batch { ticket, batch }).is_ok());
        if queued { Ok(()) } else { Err(Error::new(Code::Closed, "the store is closed")) }
    }

    /// Says that the failure of this ticket is known: what is submitted from now on builds on it no more.
    pub fn resume(&self, ticket: u64) {
        if let Some(queue) = &self.queue {
            let _ = queue.send(Job::Resume { ticket }); // fails once the thread has ended, which then commits nothing
        }
    }

    /// Reads every record once what is queued is committed; never blocks. `copied` is called on the thread that commits.
    ///
    /// # Errors
    /// [`Code::Closed`] where the thread has ended.
    pub fn copy(&self, copied: impl FnOnce(Result<Vec<Entry>>) + Send + 'static) -> Result<()> {
        let queued = self.queue.as_ref().is_some_and(|queue| queue.send(Job::Copy(Box::new(copied))).is_ok());
        if queued { Ok(()) } else { Err(Error::new(Code::Closed, "the store is closed")) }
    }

    /// Commits what is queued, reports it, and closes the store; blocks until that is done.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join(); // fails where `done` panicked, which was reported there
        }
    }
}

fn run(
    commit: impl Fn(&[Vec<Write>]) -> Result<()>,
    read: impl Fn() -> Result<Vec<Entry>>,
    jobs: &Receiver<Job>,
    mut done: impl FnMut(u64, Result<()>),
) {
    let mut tickets = Vec::new();
    let mut batches = Vec::new();
    let mut failed: Option<(u64, Error)> = None;
    while let Ok(first) = jobs.recv() {
        let mut bytes = 0;
        let mut next = Some(first);
        let mut resumed = None;
        let mut copied = None;
        while let Some(job) = next {
            let (ticket, batch) = match job {
                Job::Batch { ticket, batch } => (ticket, batch),
                Job::Resume { ticket } => {
                    resumed = Some(ticket);
                    break;
                }
                Job::Copy(who) => {
                    copied = Some(who);
                    break;
                }
            };
            bytes += batch.iter().map(size).sum::<usize>();
            tickets.push(ticket);
            batches.push(batch);
            let room = batches.len() < MAX_GROUP_BATCHES && bytes < MAX_GROUP_BYTES;
            next = if room { jobs.try_recv().ok() } else { None };
        }
        if let Some(last) = tickets.last() {
            let result = match &failed {
                Some((_, error)) => Err(error.clone()),
                None => commit(&batches),
            };
            failed = result.as_ref().err().map(|error| (*last, error.clone()));
            batches.clear();
            for ticket in tickets.drain(..) {
                done(ticket, result.clone());
            }
        }
        // Only the last failure: between an earlier one and this mark there may be batches that build on what failed.
        if failed.as_ref().is_some_and(|(ticket, _)| resumed == Some(*ticket)) {
            failed = None;
        }
        if let Some(copied) = copied {
            copied(read());
        }
    }
}

fn size(write: &Write) -> usize {
    match write {
        Write::Put { key, bytes } => key.len() + bytes.len(),
        Write::Delete { key } => key.len(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn put(key: String, bytes: &str) -> Vec<Write> {
        vec![Write::Put { key: key.into(), bytes: bytes.into() }]
    }

    #[test]
    fn tickets_come_back_in_order_and_on_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let (sender, results) = mpsc::channel();
        let done = move |ticket, result: Result<()>| sender.send((ticket, result)).unwrap();
        let writer = Writer::spawn(Store::open(dir.path()).unwrap(), done).unwrap();
        for ticket in 0..200 {
            writer.submit(ticket, put(format!("{ticket:03}"), "x")).unwrap();
        }
        for ticket in 0..200 {
            assert_eq!(results.recv().unwrap(), (ticket, Ok(())));
        }
        writer.submit(200, put("200".into(), "x")).unwrap();
        writer.close();
        assert_eq!(results.recv().unwrap(), (200, Ok(())), "what is queued is still committed");
        assert_eq!(Store::open(dir.path()).unwrap().read_all().unwrap().len(), 201);
    }

    #[test]
    fn a_copy_holds_what_was_queued_before_it_and_nothing_after() {
        let dir = tempfile::tempdir().unwrap();
        let (sender, copies) = mpsc::channel();
        let writer = Writer::spawn(Store::open(dir.path()).unwrap(), |_, _| {}).unwrap();
        for ticket in 0..50 {
            writer.submit(ticket, put(format!("{ticket:03}"), "x")).unwrap();
            let sender = sender.clone();
            writer.copy(move |entries| sender.send(entries.unwrap().len()).unwrap()).unwrap();
        }
        drop(sender);
        assert_eq!(copies.iter().take(50).collect::<Vec<_>>(), (1..=50).collect::<Vec<_>>());
        writer.close();
    }

    #[test]
    fn batches_that_queue_up_share_a_commit() {
        let dir = tempfile::tempdir().unwrap();
        let (sender, results) = mpsc::channel();
        let (release, gate) = mpsc::channel::<()>();
        let done = move |ticket: u64, _| {
            sender.send(ticket).unwrap();
            gate.recv().unwrap();
        };
        let writer = Writer::spawn(Store::open(dir.path()).unwrap(), done).unwrap();
        writer.submit(0, put("0".into(), "x")).unwrap();
        assert_eq!(results.recv().unwrap(), 0);
        // The thread stands in `done`, so all of these are queued when it looks again; the last value wins.
        for ticket in 1..=50 {
            writer.submit(ticket, put("shared".into(), &ticket.to_string())).unwrap();
        }
        release.send(()).unwrap();
        assert_eq!(results.recv().unwrap(), 1);
        drop(release); // lets `done` panic after the first ticket of the group: the group is on the disk nevertheless
        drop(writer);
        let expected = [(b"0".to_vec(), b"x".to_vec()), (b"shared".to_vec(), b"50".to_vec())];
        assert_eq!(Store::open(dir.path()).unwrap().read_all().unwrap(), expected);
    }

    #[test]
    fn what_builds_on_a_failed_batch_fails_until_the_failure_is_known() {
        let (queue, jobs) = channel();
        // A mark ends a group; the first two are of failures before the last one.
        for (ticket, mark) in [(1, 0), (2, 1), (3, 3), (4, 0)] {
            queue.send(Job::Batch { ticket, batch: put(ticket.to_string(), "x") }).unwrap();
            queue.send(Job::Resume { ticket: mark }).unwrap();
        }
        drop(queue);
        let failing = put("1".into(), "x");
        let commit = |batches: &[Vec<Write>]| match batches.contains(&failing) {
            true => Err(Error::new(Code::Store, "the disk is full")),
            false => Ok(()),
        };
        let mut results = Vec::new();
        run(commit, || Ok(Vec::new()), &jobs, |ticket, result| results.push((ticket, result.is_ok())));
        assert_eq!(results, [(1, false), (2, false), (3, false), (4, true)]);
    }

    #[test]
    fn a_writer_whose_thread_ended_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let (sender, results) = mpsc::channel::<()>();
        let done = move |_, _| {
            let _keep = &sender;
            panic!("the owner is broken");
        };
        let writer = Writer::spawn(Store::open(dir.path()).unwrap(), done).unwrap();
        writer.submit(0, Vec::new()).unwrap();
        assert!(results.recv().is_err(), "ends with the thread");
        let refused = (1..).find_map(|ticket| writer.submit(ticket, Vec::new()).err()); // while the thread unwinds it queues
        assert_eq!(refused.unwrap().code(), Code::Closed);
    }
}
