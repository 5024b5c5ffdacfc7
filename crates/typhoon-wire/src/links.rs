use crate::bell::Bell;
use crate::config::{Address, Config};
use crate::driver::Driver;
use crate::figures::{Figures, Ledger};
use crate::handler::Handler;
use crate::helm::{Helm, Pilot};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// All links of a worker, and the thread that drives them while no [`Pilot`] does. Any thread may call any method; what is
/// not a question is done by who drives soon after.
pub struct Links {
    shared: Arc<Shared>,
    helm: Arc<Helm>,
    address: Address,
    thread: Option<JoinHandle<()>>,
}

/// What who drives shares with all others.
pub(crate) struct Shared {
    pub bell: Bell,
    pub ledger: Ledger,
    commands: Mutex<Vec<Command>>,
    stopped: AtomicBool,
}

#[derive(Debug)]
pub(crate) enum Command {
    Up(u16, u64, Address),
    Down(u16, u64),
    Cut(u16),
}

impl Links {
    /// Listen, and start the thread. Nobody is a peer before [`Links::up`].
    ///
    /// # Errors
    /// When it cannot listen, or the process lacks descriptors or threads; `InvalidInput` for limits that cannot be
    /// kept.
    pub fn start(config: Config, handler: Arc<dyn Handler>) -> io::Result<Self> {
        let (driver, shared) = Driver::new(config, Arc::clone(&handler))?;
        let address = driver.address()?;
        let (helm, keeper) = Helm::new(driver, Arc::clone(&shared))?;
        let thread = std::thread::Builder::new()
            .name("typhoon-links".to_owned())
            .spawn(move || {
                // A panic in somebody else's turn is met here, too.
                if catch_unwind(AssertUnwindSafe(|| keeper.run())).is_err() {
                    handler.died();
                }
            })?;
        Ok(Links {
            shared,
            helm,
            address,
            thread: Some(thread),
        })
    }

    /// Where peers can dial us.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// This incarnation of the peer lives and listens there. We dial it if our index is the higher one, or else let it
    /// in. Earlier incarnations are down from now on; one that is down already is ignored.
    pub fn up(&self, peer: u16, incarnation: u64, address: Address) {
        self.shared.command(Command::Up(peer, incarnation, address));
    }

    /// This incarnation of the peer and all before it are refused for ever.
    pub fn down(&self, peer: u16, incarnation: u64) {
        self.shared.command(Command::Down(peer, incarnation));
    }

    /// There is something to fill, for whichever peer. What the caller did before is seen by the `fill` that follows.
    /// Costs one atomic exchange while who drives is busy or rung already, else a system call.
    pub fn ring(&self) {
        self.shared.bell.ring();
    }

    /// Break the connection to the peer, as a network would. The session goes on over the next connection.
    pub fn cut(&self, peer: u16) {
        self.shared.command(Command::Cut(peer));
    }

    /// For those who only ring.
    #[must_use]
    pub fn ringer(&self) -> Ringer {
        Ringer(Arc::clone(&self.shared))
    }

    /// For the one thread of the worker that drives the links between other work, if there is one.
    #[must_use]
    pub fn pilot(&self) -> Pilot {
        Pilot::new(&self.helm)
    }

    #[must_use]
    pub fn figures(&self) -> Figures {
        self.shared.ledger.read()
    }

    /// End all connections at once, and the thread. The handler is not called any more when this returns; `lost` is not
    /// called. Dropping does the same. Not to be called by the handler.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.shared.stopped.store(true, Ordering::SeqCst);
            self.helm.rouse();
            let _ = thread.join();
        }
    }
}

/// Rings for a [`Links`] that somebody else owns; when that is gone, for nobody.
#[derive(Clone)]
pub struct Ringer(Arc<Shared>);

impl Ringer {
    /// As [`Links::ring`].
    pub fn ring(&self) {
        self.0.bell.ring();
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    pub fn new(bell: Bell) -> Self {
        Shared {
            bell,
            ledger: Ledger::default(),
            commands: Mutex::default(),
            stopped: AtomicBool::new(false),
        }
    }

    fn command(&self, command: Command) {
        self.commands
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(command);
        self.bell.ring();
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    pub fn take_commands(&self) -> Vec<Command> {
        std::mem::take(&mut self.commands.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
