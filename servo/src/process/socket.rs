//! A SOCK_SEQPACKET socket: whole packets or nothing, and an end that is noticed.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// One end of a pair.
#[derive(Debug)]
pub struct PacketSocket(OwnedFd);

/// What there was to receive.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// A packet; one longer than the buffer is cut to it, which no decoder accepts.
    Packet(&'a [u8]),
    /// No packet waits.
    Nothing,
    /// The other end is closed and all its packets have been received.
    Closed,
}

impl PacketSocket {
    /// Two connected ends, closed on exec.
    pub fn pair() -> io::Result<(Self, Self)> {
        let mut ends = [-1; 2];
        let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
        // SAFETY: `ends` has room for the two descriptors.
        check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) }.into())?;
        // SAFETY: both descriptors are new and owned by nobody else.
        let [ours, theirs] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
        Ok((Self(ours), Self(theirs)))
    }

    /// The end that a parent process left open as descriptor `fd`. Refuses what is not a
    /// SOCK_SEQPACKET socket.
    ///
    /// # Safety
    ///
    /// Nothing else in this process may own `fd`.
    pub unsafe fn inherited(fd: RawFd) -> io::Result<Self> {
        let mut kind: libc::c_int = 0;
        let mut len = size_of_val(&kind) as libc::socklen_t;
        // SAFETY: `kind` and `len` describe memory that is ours to write.
        check(
            unsafe {
                libc::getsockopt(
                    fd,
                    libc::SOL_SOCKET,
                    libc::SO_TYPE,
                    (&raw mut kind).cast(),
                    &mut len,
                )
            }
            .into(),
        )?;
        if kind != libc::SOCK_SEQPACKET {
            let why = format!("descriptor {fd} is not a SOCK_SEQPACKET socket");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        // SAFETY: open, as getsockopt has shown, and ours by this function's contract.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The descriptor's number.
    pub fn number(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Sends a packet, or fails at once with `WouldBlock` if the other end does not read.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: the pointer and length are of `packet`.
        let sent =
            unsafe { libc::send(self.number(), packet.as_ptr().cast(), packet.len(), flags) };
        check(sent as i64).map(|_| ())
    }

    /// The next packet, if one waits.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Received<'a>> {
        let mut received = self.receive_once(buffer);
        if matches!(&received, Err(error) if error.kind() == io::ErrorKind::ConnectionReset) {
            // The other end was closed with packets of ours unread. The kernel tells this once,
            // before what the other end had sent: its last words are still to come.
            received = self.receive_once(buffer);
        }
        match received {
            // No message of ours is empty, so an empty one is the end.
            Ok(0) => Ok(Received::Closed),
            Ok(len) => Ok(Received::Packet(&buffer[..len as usize])),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(Received::Nothing),
                io::ErrorKind::ConnectionReset => Ok(Received::Closed),
                _ => Err(error),
            },
        }
    }

    fn receive_once(&self, buffer: &mut [u8]) -> io::Result<i64> {
        let (at, len) = (buffer.as_mut_ptr().cast(), buffer.len());
        // SAFETY: the pointer and length are of `buffer`, which is ours to write.
        let received = unsafe { libc::recv(self.number(), at, len, libc::MSG_DONTWAIT) };
        check(received as i64)
    }

    /// Waits until there is something to receive, the end included; false after `timeout`.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        let mut poll = libc::pollfd { fd: self.number(), events: libc::POLLIN, revents: 0 };
        let timeout_ms = libc::c_int::try_from(timeout.as_millis()).unwrap_or(libc::c_int::MAX);
        // SAFETY: `poll` is one valid entry.
        match check(unsafe { libc::poll(&mut poll, 1, timeout_ms) }.into()) {
            Ok(ready) => Ok(ready > 0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn check(code: i64) -> io::Result<i64> {
    if code < 0 { Err(io::Error::last_os_error()) } else { Ok(code) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn packets_arrive_whole_and_in_order_and_then_the_end() {
        let (ours, theirs) = PacketSocket::pair().unwrap();
        let mut buffer = [0; 8];
        assert_eq!(theirs.receive(&mut buffer).unwrap(), Received::Nothing);
        ours.send(b"ab").unwrap();
        ours.send(b"c").unwrap();
        assert!(theirs.wait(Duration::ZERO).unwrap());
        assert_eq!(theirs.receive(&mut buffer).unwrap(), Received::Packet(b"ab"));
        drop(ours);
        assert_eq!(theirs.receive(&mut buffer).unwrap(), Received::Packet(b"c"));
        assert_eq!(theirs.receive(&mut buffer).unwrap(), Received::Closed);
    }

    /// The kernel reports the unread packets first, as a reset.
    #[test]
    fn last_words_are_read_though_the_other_end_left_packets_unread() {
        let (ours, theirs) = PacketSocket::pair().unwrap();
        ours.send(b"heartbeat").unwrap();
        theirs.send(b"last words").unwrap();
        drop(theirs);
        let mut buffer = [0; 16];
        assert_eq!(ours.receive(&mut buffer).unwrap(), Received::Packet(b"last words"));
        assert_eq!(ours.receive(&mut buffer).unwrap(), Received::Closed);
    }

    #[test]
    fn a_reader_that_sleeps_does_not_block_the_sender() {
        let (ours, _theirs) = PacketSocket::pair().unwrap();
        let full = (0..1_000_000).find_map(|_| ours.send(&[0; 900]).err()).unwrap();
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn another_kind_of_descriptor_is_refused() {
        let file = tempfile::tempfile().unwrap();
        // SAFETY: `file` is borrowed only: the call fails and takes nothing.
        let refused = unsafe { PacketSocket::inherited(file.as_raw_fd()) };
        assert!(refused.is_err());
        let stream = std::os::unix::net::UnixStream::pair().unwrap().0;
        // SAFETY: as above.
        let refused = unsafe { PacketSocket::inherited(stream.as_raw_fd()) };
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
