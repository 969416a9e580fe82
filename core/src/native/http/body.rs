//! Bodies of requests: how large one may be, how slowly it may come, and how many bytes may wait at once.
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::StatusCode;
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::problem::Problem;
use crate::error::{Code, Error};
use crate::format::{Format, parse_from};
use crate::limits::MAX_TEXT_BYTES;
use crate::value::Value;

/// What all bodies that are on their way may come to.
const POOL_BYTES: usize = 96 << 20;
/// The pool is counted in pieces of so many bytes.
const PIECE_BYTES: usize = 1 << 10;
/// How long a body may take to begin.
const BEGINS_WITHIN: Duration = Duration::from_secs(10);
/// How slowly it may come from then on.
const LEAST_BYTES_PER_SECOND: f64 = 16_384.0;
/// When to try again what found no room.
const RETRY_AFTER_S: u32 = 5;

/// The bytes that may wait at once, of all requests together.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    room: Arc<Semaphore>,
    begins_within: Duration,
}

impl Default for Pool {
    fn default() -> Pool {
        Pool { room: Arc::new(Semaphore::new(POOL_BYTES / PIECE_BYTES)), begins_within: BEGINS_WITHIN }
    }
}

impl Pool {
    /// Reads a body as JSON.
    pub(super) async fn json(&self, body: Body) -> Result<Value, Problem> {
        let (bytes, _room) = self.read(body, MAX_TEXT_BYTES).await?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            Error::new(Code::Syntax, format!("the body is not UTF-8: byte {} is invalid", error.valid_up_to() + 1))
        })?;
        Ok(parse_from(text, Format::Json, "body")?)
    }

    /// Reads a body of at most so many bytes as it is.
    pub(super) async fn bytes(&self, body: Body, most: usize) -> Result<Vec<u8>, Problem> {
        let (bytes, _room) = self.read(body, most).await?;
        Ok(bytes)
    }

    async fn read(&self, body: Body, most: usize) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), Problem> {
        // Refused by its announced length, before anything of it is read.
        if body.size_hint().lower() > most as u64 {
            return Err(too_large(most));
        }
        let began = Instant::now();
        let (mut bytes, mut room): (Vec<u8>, Option<OwnedSemaphorePermit>) = (Vec::new(), None);
        let mut stream = body.into_data_stream();
        loop {
            let allowed = self.begins_within + Duration::from_secs_f64(bytes.len() as f64 / LEAST_BYTES_PER_SECOND);
            let chunk = match timeout_at(began + allowed, stream.next()).await {
                Err(_) => return Err(too_slow()),
                Ok(None) => return Ok((bytes, room)),
                Ok(Some(Err(_))) => return Err(Error::new(Code::Syntax, "the body did not arrive whole").into()),
                Ok(Some(Ok(chunk))) => chunk,
            };
            if bytes.len() + chunk.len() > most {
                return Err(too_large(most));
            }
            let held = room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let more = (bytes.len() + chunk.len()).div_ceil(PIECE_BYTES).saturating_sub(held);
            let more = Arc::clone(&self.room).try_acquire_many_owned(u32::try_from(more).unwrap_or(u32::MAX));
            match (more, &mut room) {
                (Err(_), _) => return Err(no_room()),
                (Ok(more), Some(room)) => room.merge(more),
                (Ok(more), None) => room = Some(more),
            }
            bytes.extend_from_slice(&chunk);
        }
    }
}

fn too_large(most: usize) -> Problem {
    Error::new(Code::TooLarge, format!("the body is larger than {} MiB", most >> 20)).into()
}

fn too_slow() -> Problem {
    let error = Error::new(Code::Busy, "the body comes too slowly")
        .with_hint("send it within 10 seconds, a large one with at least 16 KiB a second");
    Problem::new(StatusCode::REQUEST_TIMEOUT, error)
}

fn no_room() -> Problem {
    let error = Error::new(Code::Busy, "too many requests are on their way").with_hint("try again in a moment");
    Problem { retry_after: Some(RETRY_AFTER_S), ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, error) }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use futures_util::stream;
    use tokio::runtime::Builder;

    use super::*;
    use crate::canonical::canonical;

    fn wait<T>(future: impl Future<Output = T>) -> T {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn pool(pieces: usize) -> Pool {
        Pool { room: Arc::new(Semaphore::new(pieces)), begins_within: Duration::from_millis(300) }
    }

    /// A body of these chunks, and then silence if it never ends.
    fn chunks(chunks: Vec<Vec<u8>>, ends: bool) -> Body {
        let given = stream::iter(chunks.into_iter().map(|bytes| Ok::<_, std::io::Error>(Bytes::from(bytes))));
        if ends { Body::from_stream(given) } else { Body::from_stream(given.chain(stream::pending())) }
    }

    #[test]
    fn a_body_that_stalls_is_given_up() {
        for begun in [vec![], vec![b"{\"a\":".to_vec()]] {
            let stalled = wait(pool(8).json(chunks(begun, false))).unwrap_err();
            assert_eq!((stalled.status, stalled.error.code()), (StatusCode::REQUEST_TIMEOUT, Code::Busy));
        }
        let whole = wait(pool(8).json(chunks(vec![b"{\"a\":".to_vec(), b"1}".to_vec()], true)));
        assert_eq!(canonical(&whole.unwrap()), "{\"a\":1}");
    }

    #[test]
    fn bodies_that_wait_share_one_pool_and_give_it_back() {
        let pool = pool(4);
        wait(async {
            let waiting = pool.json(chunks(vec![vec![b' '; 4_096]], false));
            let refused = async {
                loop {
                    // Until the other one has taken all there is.
                    match pool.json(Body::from("1")).await {
                        Ok(_) => tokio::task::yield_now().await,
                        Err(refused) => break refused,
                    }
                }
            };
            let (stalled, refused) = futures_util::future::join(waiting, refused).await;
            assert_eq!((refused.status, refused.retry_after), (StatusCode::SERVICE_UNAVAILABLE, Some(5)));
            assert_eq!(stalled.unwrap_err().status, StatusCode::REQUEST_TIMEOUT);
            assert!(pool.json(Body::from("1")).await.is_ok());
        });
        assert_eq!(pool.room.available_permits(), 4);
    }
}
