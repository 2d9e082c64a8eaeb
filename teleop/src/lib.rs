//! Operator input and the recording session.
