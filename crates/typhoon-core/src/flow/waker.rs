//! Waking a thread that waits: an eventfd on Linux, a pipe elsewhere.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

const AWAKE: u8 = 0;
const RUNG: u8 = 1;
const ASLEEP: u8 = 2;

/// Rings a waiting loop. Cheap to clone; any thread may ring it; rings before the wait are not lost. A ring costs a
/// system call only when the loop sleeps.
#[derive(Clone)]
pub struct Waker(Arc<Bell>);

struct Bell {
    state: AtomicU8,
    /// Somebody else waits for the descriptor.
    watched: AtomicBool,
    read: OwnedFd,
    /// The pipe's other end, where there is no eventfd.
    write: Option<OwnedFd>,
}

impl Waker {
    /// # Errors
    /// When the process has no file descriptors left.
    pub fn new() -> io::Result<Self> {
        let bell = if cfg!(target_os = "linux") {
            Bell::eventfd()
        } else {
            Bell::pipe()
        };
        Ok(Waker(Arc::new(bell?)))
    }

    /// The descriptor that is readable when it was rung; [`Waker::wait`] without time makes it unreadable again.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        if !self.0.watched.swap(true, Ordering::SeqCst) {
            // Rings until now may have left it as it was.
            self.call();
        }
        self.0.read.as_raw_fd()
    }

    /// End the present or the next [`Waker::wait`].
    pub fn ring(&self) {
        // Always an exchange, never just a look: a look could see an old ring that is being answered without us.
        if self.0.state.swap(RUNG, Ordering::SeqCst) == ASLEEP || self.0.watched.load(Ordering::SeqCst) {
            self.call();
        }
    }

    fn call(&self) {
        let one = 1u64.to_ne_bytes();
        let (fd, length) = match &self.0.write {
            Some(write) => (write.as_raw_fd(), 1),
            None => (self.0.read.as_raw_fd(), one.len()),
        };
        // SAFETY: a valid descriptor and a buffer of at least `length` bytes. A full bell is a rung bell.
        unsafe { libc::write(fd, one.as_ptr().cast(), length) };
    }

    /// Wait until rung, until one of `others` is readable, or until the time is over. Returns the readable of `others`.
    ///
    /// The caller must not hold the GIL.
    pub fn wait(&self, timeout: Option<Duration>, others: &[RawFd]) -> Vec<RawFd> {
        let poll = |fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        };
        let mut fds: Vec<libc::pollfd> = Vec::with_capacity(1 + others.len());
        fds.push(poll(self.0.read.as_raw_fd()));
        fds.extend(others.iter().map(|fd| poll(*fd)));
        let doze = self
            .0
            .state
            .compare_exchange(AWAKE, ASLEEP, Ordering::SeqCst, Ordering::SeqCst);
        poll_fds(&mut fds, doze.map_or(Some(Duration::ZERO), |_| timeout));
        // An exchange, not a store: what was done before a ring that this answers is seen from here on.
        self.0.state.swap(AWAKE, Ordering::SeqCst);
        if fds[0].revents != 0 {
            let mut drain = [0u8; 64];
            // SAFETY: a valid, non-blocking descriptor and a buffer of its length.
            unsafe { libc::read(fds[0].fd, drain.as_mut_ptr().cast(), drain.len()) };
        }
        fds[1..]
            .iter()
            .filter(|fd| fd.revents != 0)
            .map(|fd| fd.fd)
            .collect()
    }
}

impl Bell {
    fn new(read: OwnedFd, write: Option<OwnedFd>) -> Self {
        Bell {
            state: AtomicU8::new(AWAKE),
            watched: AtomicBool::new(false),
            read,
            write,
        }
    }

    #[cfg(target_os = "linux")]
    fn eventfd() -> io::Result<Self> {
        // SAFETY: plain system call; the descriptor is owned from here on.
        match unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) } {
            -1 => Err(io::Error::last_os_error()),
            fd => {
                // SAFETY: fresh and ours.
                let read = unsafe { OwnedFd::from_raw_fd(fd) };
                Ok(Bell::new(read, None))
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn eventfd() -> io::Result<Self> {
        Self::pipe()
    }

    fn pipe() -> io::Result<Self> {
        let mut fds = [0; 2];
        // SAFETY: an array of two, as pipe wants.
        if unsafe { libc::pipe(fds.as_mut_ptr()) } == -1 {
            return Err(io::Error::last_os_error());
        }
        for fd in fds {
            // SAFETY: both descriptors are open and ours.
            unsafe {
                libc::fcntl(
                    fd,
                    libc::F_SETFL,
                    libc::fcntl(fd, libc::F_GETFL) | libc::O_NONBLOCK,
                );
                libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
            }
        }
        // SAFETY: fresh and ours.
        let [read, write] = unsafe { fds.map(|fd| OwnedFd::from_raw_fd(fd)) };
        Ok(Bell::new(read, Some(write)))
    }
}

#[cfg(target_os = "linux")]
fn poll_fds(fds: &mut [libc::pollfd], timeout: Option<Duration>) {
    let spec = timeout.map(|t| libc::timespec {
        tv_sec: libc::time_t::try_from(t.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: t.subsec_nanos().into(),
    });
    let spec = spec.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `fds` is a valid array; `spec` is null or points to a live timespec. EINTR counts as a ring.
    unsafe {
        libc::ppoll(
            fds.as_mut_ptr(),
            fds.len() as libc::nfds_t,
            spec,
            std::ptr::null(),
        )
    };
}

#[cfg(not(target_os = "linux"))]
fn poll_fds(fds: &mut [libc::pollfd], timeout: Option<Duration>) {
    let millis = timeout.map_or(-1, |t| {
        i32::try_from(t.as_micros().div_ceil(1000)).unwrap_or(i32::MAX)
    });
    // SAFETY: `fds` is a valid array.
    unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, millis) };
}

#[cfg(test)]
mod tests {
    use super::{Bell, Waker};
    use std::sync::Arc;
    use std::time::Duration;

    fn wakes(waker: &Waker) {
        waker.ring();
        assert!(waker.wait(None, &[]).is_empty(), "a ring before the wait is kept");
        let ringer = waker.clone();
        let thread = std::thread::spawn(move || ringer.ring());
        waker.wait(None, &[]);
        thread.join().unwrap();
        waker.wait(Some(Duration::from_millis(1)), &[]);
    }

    #[test]
    fn eventfd_wakes() {
        wakes(&Waker::new().unwrap());
    }

    #[test]
    fn pipe_wakes() {
        wakes(&Waker(Arc::new(Bell::pipe().unwrap())));
    }

    #[test]
    fn other_descriptors_wake() {
        let (waker, other) = (Waker::new().unwrap(), Waker::new().unwrap());
        let fd = other.fd();
        other.wait(Some(Duration::ZERO), &[]);
        other.ring();
        assert_eq!(waker.wait(None, &[fd]), vec![fd]);
    }
}
