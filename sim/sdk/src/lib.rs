//! Stand-in for the Kinova SDK's USB command layer, served by jaco-sim.
