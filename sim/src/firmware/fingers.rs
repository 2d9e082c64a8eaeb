//! Finger units: the SDK counts ticks, the scene's joints turn in radians, the project speaks of
//! closure (0 open, 1 closed).

/// Finger position of a closed finger \[ticks\]; an open one is at 0.
pub const CLOSED_TICKS: f64 = 6800.0;
/// Joint angle of an open finger \[rad\].
pub const OPEN_RAD: f64 = 0.1;
/// Joint angle of a closed finger \[rad\].
pub const CLOSED_RAD: f64 = 1.35;
/// Fastest that the firmware drives a finger \[ticks/s\].
pub const MAX_SPEED_TICKS_S: f64 = 7500.0;

/// Radians that a finger joint turns in one tick.
pub const RAD_PER_TICK: f64 = (CLOSED_RAD - OPEN_RAD) / CLOSED_TICKS;

/// Joint angle \[rad\] at `ticks`.
pub fn rad(ticks: f64) -> f64 {
    OPEN_RAD + ticks * RAD_PER_TICK
}

/// Finger position \[ticks\] at the joint angle `rad`.
pub fn ticks(rad: f64) -> f64 {
    (rad - OPEN_RAD) / RAD_PER_TICK
}

/// Closure, 0 open to 1 closed, at the joint angle `rad`.
pub fn closure(rad: f64) -> f64 {
    (ticks(rad) / CLOSED_TICKS).clamp(0.0, 1.0)
}
