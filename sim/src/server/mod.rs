//! The `jaco-sim` program: a [`World`] run in real time and served to other
//! processes.
//!
//! One thread owns the world and ticks it; everybody else sends it requests, which it answers
//! between two ticks. Cameras are drawn by a second thread from snapshots. Each connection has a
//! thread that reads, asks and writes. No lock is held across physics, drawing or a connection.
//! It must never tell anything of the table on a channel other than `control`.

mod base;
mod connection;
mod cycle;
mod exit;
mod faults;
mod pace;
mod picture;
mod schedule;
pub mod serial;
mod socket;

use crate::{SimError, World, WorldOptions};
pub use base::Base;
use connection::Reception;
pub use exit::Exit;
use exit::Farewell;
use faults::FaultBoard;
use jaco_core::{Clock, Task};
use jaco_sim_link::control::Faults;
pub use schedule::Schedule;
pub use socket::SocketError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

/// What to serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen.
    pub socket: PathBuf,
    /// How the world is made.
    pub world: WorldOptions,
    /// The task laid out at the start.
    pub task: Task,
    /// Decides the placement.
    pub seed: u64,
    /// Whether the arm is homed at the start, or was just switched on.
    pub homed: bool,
    /// The arm's serial number; by the socket if none is given.
    pub serial: Option<String>,
    /// The faults in force at the start.
    pub faults: Faults,
    /// The seed of a schedule of further faults, if there is to be one.
    pub fault_schedule: Option<u64>,
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The world could not be made.
    #[error(transparent)]
    World(#[from] SimError),
    /// The socket could not be had.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

impl StartError {
    /// Whether what was asked for cannot be used, rather than that the machine failed.
    pub fn blames_input(&self) -> bool {
        match self {
            Self::World(error) => matches!(error, SimError::Timestep { .. }),
            Self::Socket(error) => error.blames_input(),
            Self::Thread(_) => false,
        }
    }
}

/// A running simulation. Stop it with [`Server::stop`].
pub struct Server {
    socket: socket::Bound,
    serial: String,
    exits: Receiver<Exit>,
    exit: Sender<Exit>,
    cycle: (Sender<cycle::Request>, JoinHandle<()>),
    pictures: (Sender<picture::Order>, JoinHandle<()>),
}

impl Server {
    /// Makes the world, starts its threads and listens. `clock` paces the ticks and stamps the
    /// frames.
    pub fn start(options: &Options, clock: Arc<dyn Clock>) -> Result<Server, StartError> {
        let socket = socket::Bound::new(&options.socket)?;
        let mut world = World::new(&options.world)?;
        if options.homed {
            world.reset(options.task, options.seed, crate::StartPose::Home);
        } else {
            world.power_up(options.task, options.seed);
        }
        let canvas = world.clone();
        let (exit, exits) = channel();
        let faults = Arc::new(FaultBoard::default());
        faults.inject(options.faults.clone());
        let derived = || serial::of_socket(&options.socket);
        let serial = options.serial.clone().unwrap_or_else(derived);
        let sdk_clients = Arc::new(AtomicU32::new(0));

        let (requests, inbox) = channel();
        let mut cycle = cycle::Cycle::new(
            world,
            options.seed,
            Base::new(&serial),
            clock.clone(),
            faults.clone(),
            sdk_clients.clone(),
        );
        if let Some(seed) = options.fault_schedule {
            cycle.schedule(seed);
        }
        let farewell = Farewell::new("physics", &exit);
        let cycle_thread = Builder::new().name("physics".to_owned()).spawn(move || {
            let _farewell = farewell;
            cycle.run(&inbox);
        })?;

        let (orders, order_inbox) = channel();
        let farewell = Farewell::new("pictures", &exit);
        let pictures = (requests.clone(), faults.clone());
        let picture_thread = Builder::new().name("pictures".to_owned()).spawn(move || {
            let _farewell = farewell;
            let (requests, faults) = pictures;
            picture::Studio::new(canvas, requests, faults, clock).run(&order_inbox);
        })?;

        let reception = Reception {
            requests: requests.clone(),
            orders: orders.clone(),
            faults,
            sdk_clients,
            exit: exit.clone(),
        };
        let listener = socket.listener()?;
        let farewell = Farewell::new("reception", &exit);
        Builder::new().name("reception".to_owned()).spawn(move || {
            let _farewell = farewell;
            reception.run(&listener);
        })?;
        Ok(Server {
            socket,
            serial,
            exits,
            exit,
            cycle: (requests, cycle_thread),
            pictures: (orders, picture_thread),
        })
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        self.socket.path()
    }

    /// The arm's serial number.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// A sender by which other threads, such as that of the signals, ask for the end.
    pub fn exit_sender(&self) -> Sender<Exit> {
        self.exit.clone()
    }

    /// Waits until somebody asks for the end, or something broke.
    pub fn wait(&self) -> Exit {
        self.exits.recv().unwrap_or(Exit::Broken("server"))
    }

    /// Ends the threads and removes the socket. Connections end with the process.
    pub fn stop(self) {
        // Whoever is gone already needs no telling, and has nothing to join for.
        let (orders, pictures) = self.pictures;
        let _ = orders.send(picture::Order::Stop);
        let _ = pictures.join();
        let (requests, cycle) = self.cycle;
        let _ = requests.send(cycle::Request::Stop);
        let _ = cycle.join();
    }
}
