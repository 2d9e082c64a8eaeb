//! How smooth commanded motion is, and how closely the simulated arm follows it: of the scripted
//! expert, of the mini policy, and of a person's hand on a pad.
//!
//!     cargo run -p jaco-lab --example smoothness [PLACEMENTS]
//!
//! For each it prints the jerk of the twist that is sent, and the distance from the tool point to
//! the servo's reference. `PAUSE` = ticks to wait before each look of the policy, as in real-time
//! synchronous execution (default 0); then it also tells how the policy fared.

use anyhow::Context;
use jaco_cli::shipped;
use jaco_core::{Decode, TICK_S, TICKS_PER_STEP, Task, Twist};
use jaco_lab::lockstep::Lockstep;
use jaco_model::{Decoding, Policy, PolicyOptions};
use jaco_sim::{Expert, ExpertOptions, StartPose};
use jaco_sim_link::seeds::{Purpose, episode_seed};
use nalgebra::Vector3;

const TASK: Task = Task::PlaceBlock;
const SEED: u64 = 4242;
const HORIZON: usize = 4;
const MAX_STEPS: u64 = 300;

/// What is gathered tick by tick.
#[derive(Default)]
struct Figures {
    /// The last two twists of this episode, the older first.
    last: [Option<Twist>; 2],
    jerk_m_s3: Statistic,
    jerk_rad_s3: Statistic,
    off_mm: Statistic,
    path_m: f64,
    episodes: u64,
    successes: u64,
    steps: u64,
}

#[derive(Default)]
struct Statistic {
    count: u64,
    squares: f64,
    peak: f64,
}

impl Statistic {
    fn add(&mut self, value: f64) {
        self.count += 1;
        self.squares += value * value;
        self.peak = self.peak.max(value);
    }

    fn rms(&self) -> f64 {
        (self.squares / self.count.max(1) as f64).sqrt()
    }
}

impl Figures {
    fn tick(&mut self, lockstep: &mut Lockstep) -> anyhow::Result<()> {
        let (before, _) = lockstep.tracking();
        let twist = lockstep.tick()?.twist;
        if let [Some(older), Some(old)] = self.last {
            let jerk = |of: fn(&Twist) -> Vector3<f64>| {
                (of(&twist) - of(&old) * 2.0 + of(&older)).norm() / (TICK_S * TICK_S)
            };
            self.jerk_m_s3.add(jerk(|twist| twist.linear_m_s));
            self.jerk_rad_s3.add(jerk(|twist| twist.angular_rad_s));
        }
        self.last = [self.last[1], Some(twist)];
        let (at, reference) = lockstep.tracking();
        if let Some(reference) = reference {
            self.off_mm.add((reference.position_m - at.position_m).norm() * 1e3);
        }
        self.path_m += (at.position_m - before.position_m).norm();
        Ok(())
    }

    fn end(&mut self, success: bool, steps: u64) {
        self.last = [None, None];
        self.episodes += 1;
        self.successes += u64::from(success);
        self.steps += steps;
    }

    fn print(&self, who: &str) {
        let Self { jerk_m_s3, jerk_rad_s3, off_mm, .. } = self;
        println!(
            "{who:8} jerk rms / peak {:6.1} / {:6.1} m/s^3, {:6.1} / {:6.1} rad/s^3; \
             off the reference rms / peak {:4.1} / {:4.1} mm",
            jerk_m_s3.rms(),
            jerk_m_s3.peak,
            jerk_rad_s3.rms(),
            jerk_rad_s3.peak,
            off_mm.rms(),
            off_mm.peak,
        );
        if self.steps > 0 {
            println!(
                "{:8} {} of {} done, {:.0} steps and {:.2} m an episode",
                "",
                self.successes,
                self.episodes,
                self.steps as f64 / self.episodes as f64,
                self.path_m / self.episodes as f64
            );
        }
    }
}

fn expert(lockstep: &mut Lockstep, seed: u64, figures: &mut Figures) -> anyhow::Result<()> {
    let mut expert = Expert::new(TASK, ExpertOptions::with_seed(seed));
    lockstep.reset(TASK, seed, StartPose::Home)?;
    lockstep.drive_by_actions()?;
    let mut step = 0;
    while step < MAX_STEPS && !lockstep.is_done() {
        let action = expert.act(&lockstep.truth());
        lockstep.queue_action(step, action)?;
        for _ in 0..TICKS_PER_STEP {
            figures.tick(lockstep)?;
        }
        step += 1;
    }
    figures.end(lockstep.is_done(), step);
    Ok(())
}

fn policy(
    lockstep: &mut Lockstep,
    policy: &dyn Policy,
    seed: u64,
    pause_ticks: u64,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let decoding = Decoding::new(Decode::Greedy, seed, true, None);
    lockstep.reset(TASK, seed, StartPose::Home)?;
    lockstep.drive_by_units(policy.statistics(), pause_ticks > 0)?;
    let (mut step, mut looks) = (0, 0);
    while step < MAX_STEPS && !lockstep.is_done() {
        if lockstep.needs_units() {
            for _ in 0..if looks > 0 { pause_ticks } else { 0 } {
                figures.tick(lockstep)?;
            }
            let seen = lockstep.observe(step)?;
            let request = decoding.request(HORIZON, looks);
            let decoded = policy.decode(&seen.frame, TASK.instruction(), &request)?;
            lockstep.queue_stream(step, decoded.into_best())?;
            looks += 1;
        }
        for _ in 0..TICKS_PER_STEP {
            figures.tick(lockstep)?;
        }
        step += 1;
    }
    figures.end(lockstep.is_done(), step);
    Ok(())
}

/// Sticks that are pushed, released and reversed at once, and turned about.
fn pad(lockstep: &mut Lockstep, seed: u64, figures: &mut Figures) -> anyhow::Result<()> {
    lockstep.reset(TASK, seed, StartPose::Home)?;
    let pushes: [(u64, [f64; 3], f64); 9] = [
        (60, [0.12, 0.0, 0.0], 0.0),
        (30, [0.0, 0.0, 0.0], 0.0),
        (50, [-0.12, 0.0, 0.0], 0.0),
        (50, [0.0, -0.08, 0.06], 0.4),
        (40, [0.0, 0.08, -0.06], -0.4),
        (30, [0.0, 0.0, 0.0], 0.0),
        (40, [0.0, 0.0, 0.15], 0.0),
        (40, [0.0, 0.0, -0.15], 0.0),
        (40, [0.0, 0.0, 0.0], 0.0),
    ];
    let mut tick = 0_u64;
    for (ticks, linear, turn_rad_s) in pushes {
        for _ in 0..ticks {
            // A pad is heard every 20 ms, its stick shakes by a percent.
            if tick.is_multiple_of(2) {
                let shake = 1.0 + 0.01 * (tick as f64 * 0.7).sin();
                lockstep.jog(Twist {
                    linear_m_s: Vector3::from(linear) * shake,
                    angular_rad_s: Vector3::z() * turn_rad_s * shake,
                })?;
            }
            figures.tick(lockstep)?;
            tick += 1;
        }
    }
    figures.end(false, 0);
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let number = |text: String| text.parse::<u64>().context("PLACEMENTS and PAUSE are numbers");
    let placements = std::env::args().nth(1).map_or(Ok(10), number)?;
    let pause_ticks = std::env::var("PAUSE").map_or(Ok(0), number)?;
    let options = PolicyOptions::on_cpu(shipped::mini_policy()?);
    let loaded = options.load()?;
    let mut lockstep = Lockstep::new(loaded.image_size())?;
    let [mut by_expert, mut by_policy, mut by_pad] = [(); 3].map(|()| Figures::default());
    for number in 0..placements {
        let seed = episode_seed(Purpose::Evaluation, SEED, number);
        if pause_ticks == 0 {
            expert(&mut lockstep, seed, &mut by_expert)?;
            pad(&mut lockstep, seed, &mut by_pad)?;
        }
        policy(&mut lockstep, &loaded, seed, pause_ticks, &mut by_policy)?;
    }
    if pause_ticks == 0 {
        by_expert.print("expert");
        by_pad.print("pad");
    }
    by_policy.print("policy");
    Ok(())
}
