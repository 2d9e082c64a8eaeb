//! The 100 Hz real-time process that owns the arm.
