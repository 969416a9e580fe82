//! Programs that are run, with what they start.
use tokio::process::Child;

/// A child whose whole group ends with it.
pub(super) struct Group {
    pub(super) leader: Child,
    /// Its number, which the child itself no longer knows once it ended.
    #[cfg(unix)]
    group: Option<rustix::process::Pid>,
}

impl Group {
    pub(super) fn of(leader: Child) -> Group {
        Group {
            #[cfg(unix)]
            group: leader.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?)),
            leader,
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(group) = self.group {
            // Fails where nobody of it is left.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}
