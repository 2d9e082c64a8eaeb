//! The cycle allocates nothing after its start, whatever happens to it, and 8 hours of it leave
//! nothing behind.
#![allow(clippy::unwrap_used)]

#[path = "support/bench.rs"]
mod bench;
#[path = "support/mock.rs"]
mod mock;

use bench::Bench;
use jaco_core::{Action, ActionStream, ActionUnit, Chunk};
use jaco_servo::{Command, Mode, StopReason};
use mock::{Joystick, MockArm};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts what the thread that asks for it allocates.
struct Counting;

thread_local! {
    static COUNTED: Cell<Option<u64>> = const { Cell::new(None) };
}

fn count() {
    // At a thread's end its counter is gone, and nobody asks.
    let _ = COUNTED.try_with(|counted| counted.set(counted.get().map(|count| count + 1)));
}

// SAFETY: all is left to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the trait's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `work` allocates.
fn allocations(work: impl FnOnce()) -> u64 {
    COUNTED.with(|counted| counted.set(Some(0)));
    work();
    COUNTED.with(|counted| counted.replace(None)).unwrap_or_default()
}

#[test]
fn the_counter_counts() {
    assert!(allocations(|| drop(vec![1; 100])) > 0);
    assert_eq!(allocations(|| {}), 0);
}

fn policy(pause_when_empty: bool) -> Command {
    Command::StartPolicy { statistics: None, pause_when_empty }
}

fn stream(first_step: u64, dx_m: f64) -> Command {
    let action = Action { translation_m: [dx_m, 0.0, 0.0], ..Action::still(1.0) };
    let chunk = Chunk::Actions([action; 4].into_iter().collect());
    Command::Stream(ActionStream { first_step, chunk, from_frame_ns: 1 })
}

/// A stream of units, which a policy without statistics refuses.
fn refused() -> Command {
    let units = [ActionUnit([7; 7]); 3].into_iter().collect();
    let chunk = Chunk::Units { units, values: Default::default() };
    Command::Stream(ActionStream { first_step: 0, chunk, from_frame_ns: 1 })
}

#[test]
fn no_tick_and_no_command_allocates() {
    let arm = MockArm::new();
    {
        let mut inside = arm.inside();
        (inside.retract_type, inside.home_reads, inside.logs) = (6, 50, false);
        inside.fingers_initialised = false;
    }
    let mut bench = Bench::new(arm);
    let stop = Command::Stop { reason: StopReason::Operator };
    // Their own memory is the test's.
    let (failing, jumping) = (vec![1015; 15], vec![bench.arm.inside().position; 12]);
    let far = |mut position: kinova_sys::CartesianPosition| {
        position.Coordinates.X += 3.0;
        position
    };
    let (failing, jumping) = (failing.into(), jumping.into_iter().map(far).collect());
    let counted = allocations(move || {
        bench.command(&Command::Home);
        bench.until(|_, status| status.report.mode == Mode::Idle);
        for pause in [false, true] {
            bench.command(&policy(pause));
            for chunk in 0..10 {
                bench.command(&stream(chunk * 4, 0.01));
                bench.command(&refused());
                bench.ticks(40);
            }
        }
        bench.command(&Command::StartMotion);
        bench.command(&Command::Motion { step: 0, action: Action::still(0.5) });
        bench.ticks(20);
        for _ in 0..100 {
            bench.jog(0.1);
            bench.tick().unwrap();
        }
        bench.arm.inside().read_codes = failing;
        bench.ticks(30);
        bench.arm.inside().false_poses = jumping;
        bench.ticks(50);
        for command in [&stop, &Command::Reset, &Command::Release, &Command::Take] {
            bench.command(command);
            bench.ticks(30);
        }
        bench.arm.inside().joystick = Joystick::At(0.5);
        bench.ticks(30);
        bench.arm.inside().joystick = Joystick::At(0.0);
        bench.ticks(30);
        bench.command(&Command::Reset);
        bench.arm.inside().control = false;
        bench.ticks(100);
        bench.command(&Command::Take);
        bench.arm.inside().send_code = 2003;
        bench.arm.inside().packet_ns = 7_000_000;
        let status = bench.ticks(100);
        assert!(status.send_failures > 0 && status.read_failures > 0);
        // What the test itself holds goes uncounted: memory is only given back.
        drop(bench);
    });
    assert_eq!(counted, 0);
}

/// Resident memory \[KiB\] and open descriptors of this process.
fn footprint() -> (u64, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let resident = resident.split_whitespace().next().unwrap().parse().unwrap();
    (resident, std::fs::read_dir("/proc/self/fd").unwrap().count())
}

/// Hours of an operator's day on the manual clock: runs, jogs, stops, failures, homings at random.
fn soak(hours: u64) {
    let arm = MockArm::new();
    arm.inside().logs = false;
    let mut bench = Bench::new(arm);
    let mut seed = 9_u64;
    let mut draw = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let ticks = hours * 3_600 * 100;
    let mut before = None;
    let mut done = 0;
    while done < ticks {
        let burst = match draw(8) {
            0 => policy(draw(2) == 0),
            1 => Command::Hold,
            2 => Command::Home,
            3 => Command::Stop { reason: StopReason::Operator },
            4 => Command::Release,
            5 => Command::Take,
            _ => Command::Reset,
        };
        bench.command(&burst);
        for tick in 0..400_u64 {
            if tick % 40 == 0 {
                let step = bench.cycle.next_needed_step();
                bench.command(&stream(step, draw(3) as f64 * 0.005 - 0.005));
            }
            let x_m = bench.arm.inside().position.Coordinates.X;
            bench.jog(if x_m > 0.0 { -0.05 } else { 0.05 });
            bench.tick().unwrap();
        }
        if draw(4) == 0 {
            let count = draw(20) as usize;
            bench.arm.inside().read_codes = vec![1015; count].into();
        }
        bench.arm.inside().cartesian = true;
        done += 400;
        if done > ticks / 10 && before.is_none() {
            before = Some(footprint());
        }
    }
    let (before, after) = (before.unwrap(), footprint());
    let status = bench.tick().unwrap();
    println!(
        "{hours} h: {} ticks, {before:?} -> {after:?} (KiB resident, descriptors)",
        status.ticks
    );
    assert_eq!((status.missed_ticks, status.late_ticks), (0, 0));
    assert!(after.0 <= before.0 + 256, "memory grew from {} to {} KiB", before.0, after.0);
    assert_eq!(after.1, before.1, "descriptors");
}

#[test]
fn eight_hours_leave_nothing_behind() {
    soak(8);
}
