//! Reading what a name stands for: a file, or a pipe, which waits for its other end.
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
#[cfg(unix)]
use std::time::{Duration, Instant};

/// How long a pipe is waited for that nobody has opened for writing.
#[cfg(unix)]
const UNCONNECTED: Duration = Duration::from_secs(5);
/// How long nothing may come from one that somebody has.
#[cfg(unix)]
const SILENT: Duration = Duration::from_secs(60);

/// The bytes of a file, or all that comes out of a pipe; at most one more than `limit`.
#[cfg(unix)]
pub(super) fn bytes(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    if file.metadata()?.is_file() {
        return whole(file, limit);
    }
    flowing(file, limit, UNCONNECTED, SILENT)
}

#[cfg(not(unix))]
pub(super) fn bytes(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    whole(File::open(path)?, limit)
}

fn whole(file: File, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens without waiting for the other end of a pipe; for files it makes no difference.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    File::options().read(true).custom_flags(nonblocking).open(path)
}

#[cfg(unix)]
fn flowing(mut file: File, limit: usize, unconnected: Duration, silent: Duration) -> io::Result<Vec<u8>> {
    use std::os::unix::fs::FileTypeExt;
    let is_pipe = file.metadata()?.file_type().is_fifo();
    let mut bytes = Vec::new();
    let mut block = [0_u8; 8192];
    // A pipe that nobody has opened yet looks like one that is read to its end; once somebody has, it does no longer.
    let until = Instant::now() + unconnected;
    let mut is_connected = !is_pipe;
    while bytes.len() <= limit {
        match file.read(&mut block) {
            Ok(0) if is_connected || !bytes.is_empty() => break,
            Ok(0) => {
                let left = until.saturating_duration_since(Instant::now());
                match wait(&file, left)? {
                    Came::Nothing if left.is_zero() => return Err(late("nobody writes into the pipe")),
                    Came::Nothing | Came::Bytes => {}
                    Came::End => is_connected = true,
                }
            }
            Ok(count) => bytes.extend_from_slice(block.get(..count).unwrap_or(&[])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                is_connected = true;
                if matches!(wait(&file, silent)?, Came::Nothing) {
                    return Err(late(&format!("nothing came for {} s", silent.as_secs())));
                }
            }
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(limit + 1);
    Ok(bytes)
}

#[cfg(unix)]
fn late(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why.to_owned())
}

#[cfg(unix)]
enum Came {
    Nothing,
    Bytes,
    /// Its writers are gone.
    End,
}

#[cfg(unix)]
fn wait(file: &File, longest: Duration) -> io::Result<Came> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let longest = Timespec {
        tv_sec: i64::try_from(longest.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: longest.subsec_nanos().into(),
    };
    let mut ends = [PollFd::new(file, PollFlags::IN)];
    match poll(&mut ends, Some(&longest)) {
        Ok(0) => Ok(Came::Nothing),
        Ok(_) => {
            let [end] = &ends;
            Ok(if end.revents().contains(PollFlags::IN) { Came::Bytes } else { Came::End })
        }
        Err(rustix::io::Errno::INTR) => Ok(Came::Bytes),
        Err(error) => Err(error.into()),
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const AT_ONCE: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(60);

    fn named_pipe(directory: &Path) -> std::path::PathBuf {
        let path = directory.join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    #[test]
    fn a_pipe_that_nobody_writes_into_is_not_waited_for_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let path = named_pipe(directory.path());
        let error = flowing(open(&path).unwrap(), 9, AT_ONCE, LONG).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (io::ErrorKind::TimedOut, "nobody writes into the pipe")
        );
    }

    #[test]
    fn a_pipe_whose_writer_says_nothing_is_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = named_pipe(directory.path());
        let file = open(&path).unwrap();
        let mut writer = File::options().write(true).open(&path).unwrap();
        writer.write_all(b"half").unwrap();
        let error = flowing(file, 9, LONG, AT_ONCE).unwrap_err();
        assert_eq!(error.to_string(), "nothing came for 0 s");
    }

    #[test]
    fn all_that_comes_out_of_a_pipe_is_read_up_to_the_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = named_pipe(directory.path());
        let read = |parts: &'static [&'static [u8]], limit: usize| {
            let file = open(&path).unwrap();
            let name = path.clone();
            let writer = std::thread::spawn(move || {
                let mut pipe = File::options().write(true).open(name).unwrap();
                parts.iter().for_each(|part| pipe.write_all(part).unwrap());
            });
            let bytes = flowing(file, limit, LONG, LONG).unwrap();
            writer.join().unwrap();
            bytes
        };
        assert_eq!(read(&[b"a: 1\n", b"b: 2\n"], 100), b"a: 1\nb: 2\n");
        assert_eq!(read(&[b"0123456789"], 4), b"01234");
        assert_eq!(read(&[], 4), b"");
    }
}
