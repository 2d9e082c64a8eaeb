//! The typed, validated configuration of jacod.
