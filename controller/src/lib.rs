//! jacod, the Jaco2 controller daemon, and jaco, the operator's tool.
