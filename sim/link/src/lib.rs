//! How other processes talk to jaco-sim: wire format, camera and control clients.
