//! The two layers that the library stands in for, USB and Ethernet: each with a session of its
//! own, and the manners in which they differ.

use crate::semaphore::Semaphore;
use crate::session::{Session, socket};
use jaco_sim_link::sdk::Call;
use jaco_sim_link::{CRASH_VARIABLE, Plain, SEMAPHORE_VARIABLE};
use kinova_sys::{API_NOT_INITIALIZED, KinovaDevice, SEMAPHORE, SUCCESS};
use std::ffi::c_int;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The USB layer.
pub static USB: Layer = Layer::new(Bus::Usb);
/// The Ethernet layer.
pub static ETHERNET: Layer = Layer::new(Bus::Ethernet);

/// How a layer reaches the arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bus {
    Usb,
    Ethernet,
}

/// A layer, with its session.
#[derive(Debug)]
pub struct Layer {
    bus: Bus,
    session: Mutex<Session>,
    semaphore: Mutex<Option<Semaphore>>,
}

impl Layer {
    const fn new(bus: Bus) -> Self {
        Self { bus, session: Mutex::new(Session::new()), semaphore: Mutex::new(None) }
    }

    /// `InitAPI`, `InitEthernetAPI`. The Ethernet layer only binds its ports, which works whoever
    /// is there.
    pub fn open(&self) -> c_int {
        let mut session = lock(&self.session);
        match self.bus {
            Bus::Ethernet => {
                session.open(socket().as_deref());
                SUCCESS
            }
            Bus::Usb if session.is_initialised() => SUCCESS,
            Bus::Usb => match self.open_semaphore() {
                SUCCESS => session.open(socket().as_deref()),
                code => code,
            },
        }
    }

    fn open_semaphore(&self) -> c_int {
        let name = std::env::var(SEMAPHORE_VARIABLE).unwrap_or_default();
        if name.is_empty() {
            *lock(&self.semaphore) = None;
            return SUCCESS;
        }
        match Semaphore::init(&name) {
            Ok(semaphore) => {
                *lock(&self.semaphore) = Some(semaphore);
                SUCCESS
            }
            Err(error) => {
                let stderr = &mut std::io::stderr();
                // A lost word is no harm.
                let _ = writeln!(stderr, "SDK stand-in: {SEMAPHORE_VARIABLE}={name}: {error}");
                SEMAPHORE
            }
        }
    }

    /// `CloseAPI`.
    pub fn close(&self) -> c_int {
        *lock(&self.session) = Session::new();
        SUCCESS
    }

    /// Makes a read; `output` stays as it is unless it succeeds. One that fails keeps what it took
    /// of the semaphore, if there is one.
    pub fn read<T: Plain>(&self, call: &Call, output: &mut T) -> c_int {
        if !lock(&self.session).is_initialised() {
            return API_NOT_INITIALIZED;
        }
        let semaphore = self.enter();
        let code = lock(&self.session).read(call, output);
        if let Some(semaphore) = semaphore.filter(|_| code == SUCCESS) {
            semaphore.post();
        }
        code
    }

    /// Makes a command. Tells no failure but the arm's own refusal.
    pub fn command(&self, call: &Call) -> c_int {
        if !lock(&self.session).is_initialised() {
            if let Call::SendBasicTrajectory(_) | Call::SendAdvanceTrajectory(_) = call {
                crash_if_asked();
            }
            return API_NOT_INITIALIZED;
        }
        let semaphore = self.enter();
        let code = lock(&self.session).command(call);
        if let Some(semaphore) = semaphore {
            semaphore.post();
        }
        code
    }

    /// The number of arms, the first of which goes to `first`, and the return code.
    pub fn devices(&self, first: &mut KinovaDevice) -> (c_int, c_int) {
        let mut session = lock(&self.session);
        let code = session.devices(first);
        match self.bus {
            Bus::Ethernet if session.is_initialised() => (c_int::from(code == SUCCESS), SUCCESS),
            _ => (c_int::from(code == SUCCESS), code),
        }
    }

    /// `RefresDevicesList`.
    pub fn rescan(&self) -> c_int {
        let mut session = lock(&self.session);
        if self.bus == Bus::Ethernet && session.is_initialised() {
            session.connect(socket().as_deref());
            return SUCCESS;
        }
        if !session.is_initialised() {
            crash_if_asked();
        }
        session.connected().unwrap_or_else(|refusal| refusal.rescan)
    }

    /// `SetActiveDevice`.
    pub fn select(&self, device: KinovaDevice) -> c_int {
        lock(&self.session).select(device)
    }

    /// Whether the calls wait at a semaphore.
    pub fn has_semaphore(&self) -> bool {
        lock(&self.semaphore).is_some()
    }

    /// Waits at the semaphore, holding no lock: who waits for ever must not stop `CloseAPI`.
    fn enter(&self) -> Option<Semaphore> {
        let semaphore = *lock(&self.semaphore);
        if let Some(semaphore) = semaphore {
            semaphore.wait();
        }
        semaphore
    }
}

/// Ends the process as the vendor's library ends it where it uses what InitAPI has not made.
fn crash_if_asked() {
    if std::env::var_os(CRASH_VARIABLE).is_some_and(|set| !set.is_empty()) {
        // A handler of the program's, such as that of Rust's runtime, may return from a signal that
        // no instruction raised.
        // SAFETY: this process is to die.
        unsafe {
            libc::signal(libc::SIGSEGV, libc::SIG_DFL);
            libc::raise(libc::SIGSEGV);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jaco_sim_link::sdk::Reply;
    use jaco_sim_link::{Channel, Message, read_hello};
    use kinova_sys::QuickStatus;
    use std::io::BufReader;
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    /// A base that answers reads and commands with `codes` in turn.
    fn base(path: &Path, codes: Vec<c_int>) {
        let listener = UnixListener::bind(path).unwrap();
        std::thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            assert_eq!(read_hello(&mut stream).unwrap(), Channel::Sdk);
            for code in std::iter::once(SUCCESS).chain(codes) {
                let message = Message::read(&mut stream, 4096).unwrap().unwrap();
                let read = Call::decode(&message).unwrap() == Call::GetQuickStatus;
                let good = read && code == SUCCESS;
                let status = Reply::output(&QuickStatus::default());
                let reply = if good { status } else { Reply::code(code) };
                reply.encode().write(stream.get_mut()).unwrap();
            }
        });
    }

    #[test]
    fn two_failed_reads_empty_the_semaphore_and_the_next_call_waits_for_it() {
        let name = format!("/jaco-sim-sdk-layer-{}", std::process::id());
        let layer = Layer::new(Bus::Usb);
        let semaphore = Semaphore::init(&name).unwrap();
        *lock(&layer.semaphore) = Some(semaphore);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sim.sock");
        base(&path, vec![1, 1, 1015, 2003, 1015, 1]);
        assert_eq!(lock(&layer.session).open(Some(&path)), SUCCESS);

        let read = || layer.read(&Call::GetQuickStatus, &mut QuickStatus::default());
        assert_eq!((read(), semaphore.value()), (1, 2));
        assert_eq!((layer.command(&Call::MoveHome), semaphore.value()), (1, 2));
        assert_eq!((read(), semaphore.value()), (1015, 1));
        let refused = layer.command(&Call::MoveHome);
        assert_eq!((refused, semaphore.value()), (2003, 1), "a command keeps nothing");
        assert_eq!((read(), semaphore.value()), (1015, 0));

        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| layer.command(&Call::StopControlAPI));
            semaphore.post();
            assert_eq!(waiting.join().unwrap(), 1);
        });
        // A call that had not waited would have added one more.
        assert_eq!(semaphore.value(), 1);
        Semaphore::unlink(&name);
    }

    #[test]
    fn on_ethernet_nobody_there_is_no_failure_but_no_arm() {
        let layer = Layer::new(Bus::Ethernet);
        let mut device = KinovaDevice::default();
        assert_eq!(layer.devices(&mut device), (0, API_NOT_INITIALIZED));
        assert_eq!(lock(&layer.session).open(Some(Path::new("/nonexistent/sim.sock"))), 1015);
        assert_eq!(layer.devices(&mut device), (0, SUCCESS));
    }
}
