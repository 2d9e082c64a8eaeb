//! The one connection of the process, and the SDK's manners about it.

use jaco_sim_link::sdk::{Call, Reply};
use jaco_sim_link::{Plain, SOCKET_VARIABLE, SdkClient};
use kinova_sys::{
    API_NOT_INITIALIZED, COMM_FAILED, KinovaDevice, LOAD_USB_LIBRARY, NACK_FIRST_PACKET,
    NACK_LATER_PACKET, NO_DEVICE_FOUND, NOT_INITIALIZED, SUCCESS,
};
use std::ffi::c_int;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where `jaco-sim` listens, by the environment.
pub fn socket() -> Option<PathBuf> {
    // Set to nothing, it is not set.
    let named = std::env::var_os(SOCKET_VARIABLE).filter(|socket| !socket.is_empty());
    named.map(PathBuf::from)
}

/// Between `InitAPI` and `CloseAPI`.
#[derive(Debug)]
pub struct Session {
    initialised: bool,
    base: Option<SdkClient>,
}

/// What calls return when there is no connection. The SDK has many words for it.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    /// Of reads.
    pub read: c_int,
    /// Of commands: what is sent to nobody has been sent.
    pub command: c_int,
    /// Of listing and selecting devices.
    pub devices: c_int,
    /// Of looking for devices.
    pub rescan: c_int,
}

const BEFORE_INIT: Refusal = Refusal {
    read: API_NOT_INITIALIZED,
    command: API_NOT_INITIALIZED,
    devices: API_NOT_INITIALIZED,
    rescan: API_NOT_INITIALIZED,
};

const NO_ARM: Refusal = Refusal {
    read: NO_DEVICE_FOUND,
    command: SUCCESS,
    devices: NOT_INITIALIZED,
    rescan: LOAD_USB_LIBRARY,
};

impl Session {
    /// Before `InitAPI`.
    pub const fn new() -> Self {
        Self { initialised: false, base: None }
    }

    /// Whether `InitAPI` was called, with whatever success.
    pub fn is_initialised(&self) -> bool {
        self.initialised
    }

    /// Connects. Sticky as in the real library: the second attempt claims success.
    pub fn open(&mut self, socket: Option<&Path>) -> c_int {
        if self.initialised {
            return SUCCESS;
        }
        self.initialised = true;
        self.connect(socket)
    }

    /// Connects if nothing is connected.
    pub fn connect(&mut self, socket: Option<&Path>) -> c_int {
        if self.base.is_some() {
            return SUCCESS;
        }
        let connected = match socket {
            Some(path) => SdkClient::connect(path).map_err(|error| error.to_string()),
            None => Err(format!("{SOCKET_VARIABLE} is not set: it must name jaco-sim's socket")),
        };
        match connected {
            Ok(base) => {
                self.base = Some(base);
                match self.call(&Call::InitAPI) {
                    Ok(reply) if reply.code == SUCCESS => return SUCCESS,
                    _ => self.base = None,
                }
            }
            // Whoever sees only 1015 has nothing to go by; a lost word is no harm.
            Err(reason) => _ = writeln!(std::io::stderr(), "SDK stand-in: {reason}"),
        }
        NO_DEVICE_FOUND
    }

    /// 1 with a connection.
    pub fn connected(&self) -> Result<c_int, Refusal> {
        match &self.base {
            _ if !self.initialised => Err(BEFORE_INIT),
            None => Err(NO_ARM),
            Some(_) => Ok(SUCCESS),
        }
    }

    /// Makes a read; `output` stays as it is unless it succeeds.
    pub fn read<T: Plain>(&mut self, call: &Call, output: &mut T) -> c_int {
        match self.call(call) {
            Ok(reply) if reply.code == SUCCESS => match T::from_bytes(&reply.output) {
                Ok(value) => {
                    *output = value;
                    SUCCESS
                }
                Err(_) => COMM_FAILED,
            },
            Ok(reply) => reply.code,
            Err(refusal) => refusal.read,
        }
    }

    /// Makes a command. Tells no failure but the arm's own refusal.
    pub fn command(&mut self, call: &Call) -> c_int {
        match self.call(call) {
            Ok(Reply { code: code @ (NACK_FIRST_PACKET | NACK_LATER_PACKET), .. }) => code,
            Ok(_) => SUCCESS,
            Err(refusal) => refusal.command,
        }
    }

    /// Fills in the arm, if there is one.
    pub fn devices(&mut self, first: &mut KinovaDevice) -> c_int {
        match self.connected() {
            Ok(_) => self.read(&Call::GetDevices, first),
            Err(refusal) => refusal.devices,
        }
    }

    /// Selects an arm.
    pub fn select(&mut self, device: KinovaDevice) -> c_int {
        match self.call(&Call::SetActiveDevice(device)) {
            Ok(reply) => reply.code,
            Err(refusal) => refusal.devices,
        }
    }

    /// A broken connection is given up: from then on there is no arm.
    fn call(&mut self, call: &Call) -> Result<Reply, Refusal> {
        self.connected()?;
        let reply = self.base.as_mut().and_then(|base| base.call(call).ok());
        if reply.is_none() {
            self.base = None;
        }
        reply.ok_or(NO_ARM)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jaco_sim_link::{Channel, Message, read_hello};
    use kinova_sys::CartesianPosition;
    use std::io::BufReader;
    use std::os::unix::net::UnixListener;
    use std::thread::JoinHandle;

    /// A base that gives `replies` in turn and then hangs up; it returns the calls it had.
    fn base(path: &Path, replies: Vec<Reply>) -> JoinHandle<Vec<Call>> {
        let listener = UnixListener::bind(path).unwrap();
        std::thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            assert_eq!(read_hello(&mut stream).unwrap(), Channel::Sdk);
            let mut calls = Vec::new();
            for reply in replies {
                let message = Message::read(&mut stream, 4096).unwrap().unwrap();
                calls.push(Call::decode(&message).unwrap());
                reply.encode().write(stream.get_mut()).unwrap();
            }
            calls
        })
    }

    fn session(replies: Vec<Reply>) -> (Session, JoinHandle<Vec<Call>>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sim.sock");
        let base = base(&path, [vec![Reply::code(1)], replies].concat());
        let mut session = Session::new();
        assert_eq!(session.open(Some(&path)), 1);
        (session, base)
    }

    #[test]
    fn nothing_works_before_the_session_is_open() {
        let mut session = Session::new();
        let mut position = CartesianPosition::default();
        assert_eq!(session.read(&Call::GetCartesianPosition, &mut position), 2101);
        assert_eq!(session.command(&Call::StartControlAPI), 2101);
        assert_eq!(session.devices(&mut KinovaDevice::default()), 2101);
    }

    #[test]
    fn a_second_attempt_claims_success_though_nothing_is_there() {
        let nowhere = Path::new("/nonexistent/sim.sock");
        let mut session = Session::new();
        assert_eq!(session.open(Some(nowhere)), 1015);
        assert_eq!(session.open(Some(nowhere)), 1);
        assert_eq!(session.devices(&mut KinovaDevice::default()), 1010);
        assert_eq!(session.command(&Call::StartControlAPI), 1);
        session = Session::new();
        assert_eq!(session.open(None), 1015);
    }

    #[test]
    fn a_read_fills_its_output() {
        let mut sent = CartesianPosition::default();
        sent.Coordinates.Z = 0.25;
        let (mut session, base) = session(vec![Reply::output(&sent)]);
        let mut position = CartesianPosition::default();
        assert_eq!(session.read(&Call::GetCartesianPosition, &mut position), 1);
        assert_eq!(position, sent);
        assert_eq!(base.join().unwrap(), [Call::InitAPI, Call::GetCartesianPosition]);
    }

    #[test]
    fn a_failed_read_leaves_its_output_alone() {
        let (mut session, base) =
            session(vec![Reply::code(1015), Reply { code: 1, output: vec![0; 5] }]);
        let mut position = CartesianPosition::default();
        position.Coordinates.X = 7.0;
        assert_eq!(session.read(&Call::GetCartesianPosition, &mut position), 1015);
        assert_eq!(session.read(&Call::GetCartesianPosition, &mut position), 2004);
        base.join().unwrap();
        assert_eq!(session.read(&Call::GetCartesianPosition, &mut position), 1015);
        assert_eq!(position.Coordinates.X, 7.0);
    }

    #[test]
    fn a_command_tells_of_the_arms_refusal_and_of_nothing_else() {
        let (mut session, base) = session(vec![Reply::code(2003), Reply::code(1015)]);
        assert_eq!(session.command(&Call::SetAngularControl), 2003);
        assert_eq!(session.command(&Call::SetAngularControl), 1);
        base.join().unwrap();
        assert_eq!(session.command(&Call::EraseAllTrajectories), 1);
    }
}
