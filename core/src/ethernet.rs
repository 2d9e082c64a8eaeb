//! The addresses by which an arm on a network is reached. Opens nothing.

use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// Both ends of the way to the arm. With several arms each needs a command port, a broadcast port
/// and a robot port of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ethernet {
    /// This machine's address on the arm's network.
    pub local_ip: Ipv4Addr,
    /// Mask of that network.
    pub subnet_mask: Ipv4Addr,
    /// The arm's address.
    pub robot_ip: Ipv4Addr,
    /// Port for commands on this machine.
    pub local_command_port: u16,
    /// Port for broadcasts on this machine.
    pub local_broadcast_port: u16,
    /// Port of the arm.
    pub robot_port: u16,
    /// How long a call waits for its answer \[ms\].
    pub timeout_ms: u32,
}

impl Default for Ethernet {
    /// The vendor's factory addresses. The vendor's time-out is a second, in which an arm that does
    /// not answer would hold up a hundred ticks.
    fn default() -> Self {
        Self {
            local_ip: Ipv4Addr::new(192, 168, 100, 100),
            subnet_mask: Ipv4Addr::new(255, 255, 255, 0),
            robot_ip: Ipv4Addr::new(192, 168, 100, 11),
            local_command_port: 25_000,
            local_broadcast_port: 25_025,
            robot_port: 55_000,
            timeout_ms: 50,
        }
    }
}
