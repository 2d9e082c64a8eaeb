//! Operator input and the recording session.

pub mod session;

pub use session::{RecordingSession, SessionConfig, SessionError, StepRecord};
