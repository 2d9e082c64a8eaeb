//! Operator input and the recording session.

pub mod pad;
pub mod session;
pub mod settings;
pub mod steering;

pub use session::{Live, RecordingSession, SessionCamera, SessionConfig, SessionError, StepRecord};
pub use settings::TeleopSettings;
pub use steering::{Press, Speed, Steer, Steering, Still};
