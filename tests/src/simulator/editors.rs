//! How people save: at once, in pieces, by way of no file at all, or badly.

use std::collections::VecDeque;

use confmesh::format::{Format, parse, print};

use super::host::Host;
use super::runtime::CAP_MS;
use super::swarm::Fault;
use super::world::World;

/// What stands where the file should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stands {
    File(Option<String>),
    Directory,
}

/// A save that takes a while.
pub(crate) struct Editor {
    steps: VecDeque<(u64, Stands)>,
    /// Until when no watcher believes what is there: somebody has the file open, or it is missing for a moment.
    hidden_until_ms: u64,
}

impl Editor {
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.steps.front().map(|(at_ms, _)| *at_ms)
    }

    pub(crate) fn hides(&self, now_ms: u64) -> bool {
        now_ms < self.hidden_until_ms
    }
}

impl Host {
    fn put(&mut self, stands: Stands) {
        match stands {
            Stands::File(text) => (self.is_directory, self.file) = (false, text),
            Stands::Directory => self.is_directory = true,
        }
    }
}

impl World {
    /// Somebody saves this content (`None`: removes the file), in one of the ways of editors. Whether it is there at once.
    pub(crate) fn edit(&mut self, at: usize, content: Option<String>) -> bool {
        if let Some(text) = &content {
            self.hosts[at].around.saved.insert(text.clone());
        }
        let rate = self.swarm.rate(Fault::Editors);
        let way = if self.faults && content.is_some() && self.around.chance(rate) { self.around.below(5) } else { 9 };
        let last = Stands::File(content.clone());
        let (steps, hidden_ms) = match way {
            // In place, with stalls: half of it may well be a document.
            0 | 1 => {
                let half = content.as_deref().and_then(|text| self.half(at, text));
                let mut pause = || self.around.pick(&[1, 15, 300, 1_000, 4_000]);
                let pauses = [pause(), pause()];
                let mut steps = vec![(0, Stands::File(Some(String::new())))];
                steps.extend(half.map(|half| (pauses[0], Stands::File(Some(half)))));
                let end = pauses[0] + pauses[1];
                steps.push((end, last));
                (steps, end)
            }
            // Unlinked, or emptied, and written after a while.
            2 | 3 => {
                let end = self.around.pick(&[1, 100, 400, 700, 3_000]);
                let first = if way == 2 { None } else { Some(String::new()) };
                (vec![(0, Stands::File(first)), (end, last)], end.min(CAP_MS))
            }
            // Something else stands there for a while.
            4 => {
                let end = self.around.pick(&[100, 1_000, 5_000]);
                (vec![(0, Stands::Directory), (end, last)], 0)
            }
            _ => (vec![(0, last)], 0),
        };
        let now_ms = self.now_ms;
        let steps = steps.into_iter().map(|(after, stands)| (now_ms + after, stands)).collect();
        self.hosts[at].editor = Some(Editor { steps, hidden_until_ms: now_ms + hidden_ms });
        self.go_on_editing(at);
        self.hosts[at].editor.is_none()
    }

    /// A document with some of the keys of another: what half of a save may look like.
    fn half(&mut self, at: usize, text: &str) -> Option<String> {
        let value = parse(text, Format::Json).ok()?;
        let kept = self.around.below(value.as_map()?.len());
        let half: confmesh::Value =
            value.as_map()?.iter().take(kept).map(|(key, value)| (key.clone(), value.clone())).collect();
        let half = print(&half, Format::Json).ok()?;
        (!self.hosts[at].around.saved.contains(&half)).then_some(half)
    }

    /// The next pieces get to the file.
    pub(crate) fn go_on_editing(&mut self, at: usize) {
        while let Some(editor) = &mut self.hosts[at].editor
            && editor.next_ms().is_some_and(|at_ms| at_ms <= self.now_ms)
        {
            let Some((_, stands)) = editor.steps.pop_front() else { break };
            let is_over = editor.steps.is_empty();
            self.note(|| format!("the file of {at} is {stands:?} now"));
            self.hosts[at].put(stands);
            if is_over {
                self.hosts[at].editor = None;
            }
            let wait_ms = self.poll_ms();
            self.file_changed(at, wait_ms);
        }
    }

    /// Whoever is saving gets done.
    pub(crate) fn end_editing(&mut self, at: usize) {
        let Some(editor) = self.hosts[at].editor.take() else { return };
        if let Some((_, stands)) = editor.steps.into_iter().next_back() {
            self.hosts[at].put(stands);
        }
        self.file_changed(at, 20);
    }
}
