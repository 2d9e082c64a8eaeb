//! One owner for each arm on this machine.
//!
//! The SDK excludes nobody: a second program's points join the first one's in the arm's queue, and
//! its end takes control from both. So whoever means to have an arm first takes a name that only
//! one process can have: a socket in the kernel's abstract namespace, which goes with its process
//! however that ends, and needs no folder and no permission. It binds only programs that ask for
//! it; Kinova's own do not.

use std::io;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

/// The right to use one arm, for as long as it lives.
#[derive(Debug)]
pub struct ArmLock {
    /// Held, never accepted from.
    _name: UnixListener,
}

/// Somebody else has the arm.
#[derive(Debug)]
pub struct Held {
    /// His process; none if the kernel does not tell.
    pub pid: Option<i32>,
}

impl ArmLock {
    /// Takes the arm with this serial number. `Ok(Err(held))` while another process has it.
    pub fn take(serial: &str) -> io::Result<Result<Self, Held>> {
        let address = SocketAddr::from_abstract_name(format!("jacod-arm-{serial}"))?;
        match UnixListener::bind_addr(&address) {
            Ok(name) => Ok(Ok(Self { _name: name })),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                Ok(Err(Held { pid: holder(&address) }))
            }
            Err(error) => Err(error),
        }
    }
}

fn holder(address: &SocketAddr) -> Option<i32> {
    let stream = UnixStream::connect_addr(address).ok()?;
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = size_of_val(&peer) as libc::socklen_t;
    // SAFETY: `peer` and `len` describe memory that is ours to write.
    let code = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &mut len,
        )
    };
    (code == 0 && peer.pid > 0).then_some(peer.pid)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_arm_has_one_owner_until_he_lets_go_and_others_have_theirs() {
        let serial = format!("TEST-{}", std::process::id());
        let owner = ArmLock::take(&serial).unwrap().unwrap();
        let held = ArmLock::take(&serial).unwrap().unwrap_err();
        assert_eq!(held.pid, Some(std::process::id() as i32));
        ArmLock::take(&format!("{serial}-B")).unwrap().unwrap();
        drop(owner);
        ArmLock::take(&serial).unwrap().unwrap();
    }
}
