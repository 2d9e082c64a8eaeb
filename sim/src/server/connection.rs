//! Accepts connections and serves each on a thread of its own. Whatever goes wrong on one ends
//! that one only.

use super::Exit;
use super::cycle::Request;
use super::faults::{Fate, FaultBoard};
use super::picture::Order;
use jaco_sim_link::camera::{self, CameraRequest, encode_frame, encode_refusal};
use jaco_sim_link::control::{self, MAX_LINE_BYTES};
use jaco_sim_link::sdk::{Call, MAX_PAYLOAD_BYTES, Reply};
use jaco_sim_link::{Channel, LinkError, Message, read_hello, read_line, write_line};
use std::io::BufReader;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::time::Duration;

/// Pause after a connection that could not be accepted: for want of file descriptors, mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a connection needs of the server.
#[derive(Clone)]
pub(super) struct Reception {
    pub requests: Sender<Request>,
    pub orders: Sender<Order>,
    pub faults: Arc<FaultBoard>,
    pub sdk_clients: Arc<AtomicU32>,
    pub exit: Sender<Exit>,
}

impl Reception {
    /// Accepts for ever.
    pub fn run(&self, listener: &UnixListener) {
        let mut told = false;
        loop {
            let accepted = listener.accept().and_then(|(stream, _)| {
                let reception = self.clone();
                let thread = std::thread::Builder::new().name("connection".to_owned());
                thread.spawn(move || reception.serve(stream))
            });
            match accepted {
                Ok(_) => told = false,
                Err(error) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(%error, "no connection can be accepted");
                    }
                    std::thread::sleep(ACCEPT_PAUSE);
                }
            }
        }
    }

    fn serve(&self, stream: UnixStream) {
        let mut reader = BufReader::new(stream);
        let served = match read_hello(&mut reader) {
            Ok(Channel::Sdk) => self.sdk(&mut reader),
            Ok(Channel::Camera) => self.camera(&mut reader),
            Ok(Channel::Control) => self.control(&mut reader),
            Err(error) => Err(error),
        };
        match served {
            Ok(()) => {}
            // A client that has gone: for a camera's this is the usual end.
            Err(error @ (LinkError::Closed | LinkError::Io(_))) => {
                tracing::debug!(%error, "a connection ended");
            }
            Err(error) => tracing::warn!(%error, "a connection was ended"),
        }
    }

    fn sdk(&self, reader: &mut BufReader<UnixStream>) -> Result<(), LinkError> {
        let _guest = Guest::new(&self.sdk_clients);
        while let Some(message) = Message::read(reader, MAX_PAYLOAD_BYTES)? {
            let call = Call::decode(&message)?;
            let reply = match self.faults.pass(&call) {
                Fate::Served => self.ask(|reply| Request::Sdk(call, reply))?,
                Fate::Fails => Reply::code(kinova_sys::NO_DEVICE_FOUND),
                Fate::Lost => Reply::code(kinova_sys::SUCCESS),
                Fate::Mistaken(other) => {
                    let mut reply = self.ask(|reply| Request::Sdk(call, reply))?;
                    let other = self.ask(|reply| Request::Sdk(other, reply))?;
                    reply.mistake_for(&other);
                    reply
                }
            };
            reply.encode().write(reader.get_mut())?;
        }
        Ok(())
    }

    fn camera(&self, reader: &mut BufReader<UnixStream>) -> Result<(), LinkError> {
        let line = read_line(reader, camera::MAX_REQUEST_BYTES)?.ok_or(LinkError::Closed)?;
        let stream = reader.get_mut();
        let request = match CameraRequest::parse(&line) {
            Ok(request) => request,
            Err(error) => {
                encode_refusal(&error.to_string()).write(stream)?;
                return Err(error);
            }
        };
        let (frames, inbox) = sync_channel(1);
        self.orders.send(Order::Subscribe(request, frames)).map_err(|_| LinkError::Closed)?;
        for frame in inbox {
            match frame {
                Ok(frame) => encode_frame(&frame).write(stream)?,
                Err(reason) => encode_refusal(&reason).write(stream)?,
            }
        }
        Ok(())
    }

    fn control(&self, reader: &mut BufReader<UnixStream>) -> Result<(), LinkError> {
        while let Some(line) = read_line(reader, MAX_LINE_BYTES)? {
            let request = match control::Request::parse(&line) {
                Ok(request) => request,
                Err(error) => {
                    let refusal = control::Reply::Error(error.to_string());
                    write_line(reader.get_mut(), &refusal.line()?)?;
                    return Err(error);
                }
            };
            let quit = request == control::Request::Quit;
            write_line(reader.get_mut(), &self.obey(request)?.line()?)?;
            if quit {
                // Nobody listens only when the program ends anyway.
                let _ = self.exit.send(Exit::Quit);
            }
        }
        Ok(())
    }

    fn obey(&self, request: control::Request) -> Result<control::Reply, LinkError> {
        use control::{Reply, Request as Asked};
        Ok(match request {
            Asked::Reset { task, seed } => {
                self.ask(|reply| Request::Reset(task, seed, reply))?;
                tracing::info!(%task, seed, "reset");
                Reply::Done
            }
            Asked::Outcome => Reply::Outcome(self.ask(Request::Outcome)?),
            Asked::Status => Reply::Status(self.ask(Request::Status)?),
            Asked::Demonstrate => Reply::Action(self.ask(Request::Demonstrate)?),
            Asked::Wait { ticks } => {
                self.ask(|reply| Request::Wait(ticks, reply))?;
                Reply::Done
            }
            Asked::Inject(faults) => {
                self.ask(|reply| Request::Schedule(None, reply))?;
                tracing::info!("faults: {faults}");
                self.faults.inject(*faults);
                Reply::Done
            }
            Asked::Schedule { seed } => {
                self.ask(|reply| Request::Schedule(Some(seed), reply))?;
                Reply::Done
            }
            Asked::Quit => Reply::Done,
        })
    }

    /// Sends the world's thread a request and waits for its answer.
    fn ask<T>(&self, request: impl FnOnce(Sender<T>) -> Request) -> Result<T, LinkError> {
        let (reply, answer) = channel();
        self.requests.send(request(reply)).map_err(|_| LinkError::Closed)?;
        answer.recv().map_err(|_| LinkError::Closed)
    }
}

/// Counts a client of the SDK while it is connected.
struct Guest<'a>(&'a AtomicU32);

impl<'a> Guest<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
