//! A person at the pad, played by a program, with everything real between it and the simulated
//! arm: gilrs on mocked devices, daemon, servo, SDK stand-in, `jaco record`.

#![allow(clippy::unwrap_used)]

#[path = "../../rig/pad/rig.rs"]
mod rig;

mod kept;
mod operator;
mod pads;
mod recorded;
mod runs;
