//! Answers that a program may await, wait for, or leave.
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::error::{Code, Error, Result};

/// What becomes of a request: a future for any runtime, or [`Answer::wait`] for none.
///
/// The request is on its way already; dropping the answer does not take it back.
#[must_use = "the request may be refused: await the answer, or call `wait`"]
pub struct Answer<T>(State<T>);

enum State<T> {
    Refused(Option<Error>),
    Waiting(oneshot::Receiver<Result<T>>),
    Mapped(Pin<Box<dyn Future<Output = Result<T>> + Send>>),
}

impl<T> std::fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self.0, State::Refused(_)) { "Answer(refused)" } else { "Answer(waiting)" })
    }
}

impl<T> Answer<T> {
    pub(super) fn waiting(receiver: oneshot::Receiver<Result<T>>) -> Answer<T> {
        Answer(State::Waiting(receiver))
    }

    /// The instance takes no request now.
    pub(super) fn untaken(error: Error) -> Answer<T> {
        let (reply, answer) = oneshot::channel();
        let _ = reply.send(Err(error));
        Answer::waiting(answer)
    }

    /// The arguments mean nothing, and nobody is asked.
    pub(super) fn refused(error: Error) -> Answer<T> {
        Answer(State::Refused(Some(error)))
    }

    /// This answer, unless the arguments mean nothing and nobody was asked: for programs where misuse is an error of the call.
    ///
    /// # Errors
    /// What waiting for it would say.
    ///
    /// ```
    /// # fn main() -> confmesh::Result<()> {
    /// let mesh = confmesh::MeshOptions::default().start()?;
    /// let refused = mesh.set("a..b", 1).asked().err();
    /// assert_eq!(refused.map(|error| error.code()), Some(confmesh::Code::PathSyntax));
    /// # Ok(())
    /// # }
    /// ```
    pub fn asked(self) -> Result<Answer<T>> {
        match self.0 {
            State::Refused(Some(error)) => Err(error),
            state => Ok(Answer(state)),
        }
    }

    /// The answer made into something else once it is there.
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U + Send + 'static) -> Answer<U>
    where
        T: Send + 'static,
    {
        Answer(State::Mapped(Box::pin(async { self.await.map(change) })))
    }

    /// Blocks the thread until the answer is there. In asynchronous code await the answer instead.
    ///
    /// # Errors
    /// Why the request was refused; [`Code::Closed`] where the mesh ended before it was answered.
    pub fn wait(mut self) -> Result<T> {
        block_on(None, |context| Pin::new(&mut self).poll(context)).unwrap_or_else(|| Err(closed()))
    }
}

impl<T> Future for Answer<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        match &mut self.0 {
            State::Refused(error) => Poll::Ready(Err(error.take().unwrap_or_else(closed))),
            State::Waiting(receiver) => {
                Pin::new(receiver).poll(context).map(|answer| answer.unwrap_or_else(|_| Err(closed())))
            }
            State::Mapped(answer) => answer.as_mut().poll(context),
        }
    }
}

// Nothing in it is pinned.
impl<T> Unpin for Answer<T> {}

/// What every call says once the mesh is closed.
pub(super) fn closed() -> Error {
    Error::new(Code::Closed, "this configuration is closed")
        .with_hint("a request that was not answered may or may not have been done: open it again and look")
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls on this thread until there is a value; `None` at the deadline.
pub(super) fn block_on<T>(deadline: Option<Instant>, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = poll(&mut context) {
            return Some(value);
        }
        match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
            None => thread::park(),
            Some(left) if left.is_zero() => return None,
            Some(left) => thread::park_timeout(left),
        }
    }
}
