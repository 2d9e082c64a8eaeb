//! Whole-system tests that start the real programs.
