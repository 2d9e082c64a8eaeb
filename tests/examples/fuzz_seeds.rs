//! Writes the fuzzers' seeds whose form is a wire of ours: run it when a wire changes.
//! `cargo run -p jaco-tests --example fuzz_seeds`

use jaco_core::{
    Action, ActionStatistics, ActionStream, ActionUnit, ArmState, Chunk, Limits, Pose, TICK_NS,
    Task, Twist,
};
use jaco_servo::message::{
    MAX_COMMAND_LEN, MAX_FROM_SERVO_LEN, Note, encode_command, encode_from_servo,
};
use jaco_servo::{Command, FromServo, ServoCore, ServoStatus, StopReason};
use jaco_sim_link::camera::{encode_frame, encode_refusal};
use jaco_sim_link::sdk::Call;
use kinova_sys::{JoystickCommand, POSITION_TYPE, TrajectoryPoint};
use std::fs;
use std::path::Path;

fn main() -> anyhow::Result<()> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let write = |target: &str, name: &str, bytes: &[u8]| -> anyhow::Result<()> {
        fs::create_dir_all(seeds.join(target))?;
        Ok(fs::write(seeds.join(target).join(name), bytes)?)
    };
    for (name, command) in commands() {
        write("servo_wire", name, &[&[0], packet(&command)?.as_slice()].concat())?;
    }
    for (name, message) in messages()? {
        let mut buffer = [0; MAX_FROM_SERVO_LEN];
        let packet = encode_from_servo(&message, &mut buffer)?;
        write("servo_wire", name, &[&[1], packet].concat())?;
    }
    for (name, script) in scripts()? {
        write("servo_law", name, &script)?;
    }
    for (name, stream) in link_streams()? {
        write("sim_link", name, &stream)?;
    }
    for (name, script) in world_scripts() {
        write("sim_world", name, &script)?;
    }
    Ok(())
}

fn commands() -> Vec<(&'static str, Command)> {
    let action = Action::from_array([0.01, -0.02, 0.005, 0.1, 0.0, -0.05, 0.5]);
    let units = Chunk::Units {
        units: [ActionUnit([1, 256, 128, 129, 64, 200, 256]); 3].into_iter().collect(),
        values: [[0.5, -1.0, 1.0, 0.0, 0.25, -0.25, 1.0]; 3].into_iter().collect(),
    };
    let actions = Chunk::Actions([action; 2].into_iter().collect());
    let stream =
        |first_step, chunk| Command::Stream(ActionStream { first_step, chunk, from_frame_ns: 5 });
    let twist =
        Twist { linear_m_s: [0.1, 0.0, -0.1].into(), angular_rad_s: [0.0, 0.3, 0.0].into() };
    vec![
        ("heartbeat", Command::Heartbeat),
        ("hold", Command::Hold),
        ("policy", Command::StartPolicy { statistics: Some(statistics()), pause_when_empty: true }),
        ("policy_in_numbers", Command::StartPolicy { statistics: None, pause_when_empty: false }),
        ("motion_mode", Command::StartMotion),
        ("units", stream(0, units)),
        ("actions", stream(1, actions)),
        ("motion", Command::Motion { step: 0, action }),
        ("jog", Command::Jog { twist, gripper: 0.3 }),
        ("stop", Command::Stop { reason: StopReason::Operator }),
        ("reset", Command::Reset),
        ("home", Command::Home),
    ]
}

fn statistics() -> ActionStatistics {
    ActionStatistics {
        q01: [-0.02, -0.02, -0.02, -0.1, -0.1, -0.1, 0.0],
        q99: [0.02, 0.02, 0.02, 0.1, 0.1, 0.1, 1.0],
        mask: [true, true, true, true, true, true, false],
    }
}

fn packet(command: &Command) -> anyhow::Result<Vec<u8>> {
    Ok(encode_command(command, &mut [0; MAX_COMMAND_LEN])?.to_vec())
}

/// A status of a servo in the middle of a motion, and what else it says.
fn messages() -> anyhow::Result<Vec<(&'static str, FromServo)>> {
    let pose = Pose::from_kinova([0.1, -0.4, 0.3].into(), [1.6, 1.1, 0.1]);
    let mut state = ArmState {
        joints_rad: [1.0, 2.0, 3.5, 0.0, 7.0, -0.1],
        closure: [0.1; 3],
        ..ArmState::at(0, pose)
    };
    let mut servo = ServoCore::new(Limits::default())?;
    for (name, command) in commands() {
        if ["motion_mode", "motion"].contains(&name) {
            servo.command(0, &command)?;
        }
    }
    for tick in 0..12 {
        state.stamp_ns = tick * TICK_NS;
        servo.command(state.stamp_ns, &Command::Heartbeat)?;
        servo.tick(state.stamp_ns, &state);
    }
    let status = ServoStatus {
        sent_ns: 120_000_000,
        state,
        report: servo.report(),
        ticks: 12,
        late_ticks: 1,
        missed_ticks: 0,
        lateness_ns: 20_000,
        worst_lateness_ns: 1_200_000,
        send_ns: 300_000,
        read_ns: 900_000,
        points_sent: 12,
        read_failures: 0,
        send_failures: 0,
        arm_queue: 1,
        queue_erasures: 0,
        realtime: true,
        memory_locked: true,
        homed: true,
        at_rest: false,
        still: false,
        joystick_held: Some(false),
        in_control: true,
        conditions: jaco_servo::Conditions::default(),
        telemetry: jaco_servo::Telemetry::default(),
        note: Note::of("nothing yet"),
    };
    Ok(vec![
        ("status", FromServo::Status(status)),
        ("starting", FromServo::Starting(Note::of("opening the SDK"))),
        ("last_words", FromServo::LastWords(Note::of("the arm does not answer (1015)"))),
    ])
}

fn scripts() -> anyhow::Result<Vec<(&'static str, Vec<u8>)>> {
    let operation = |name: &str| -> anyhow::Result<Vec<u8>> {
        let known = commands().into_iter().find(|(known, _)| *known == name);
        let packet = packet(&known.map_or(Command::Heartbeat, |(_, command)| command))?;
        Ok([b"C", (packet.len() as u16).to_le_bytes().as_slice(), packet.as_slice()].concat())
    };
    let ticks = |count: u8| -> anyhow::Result<Vec<u8>> {
        let tick = [operation("heartbeat")?, b"T\x08".to_vec()].concat();
        Ok(tick.repeat(usize::from(count)))
    };
    let reading = |field: u8, value: f64| [&[b'S', field], value.to_le_bytes().as_slice()].concat();
    Ok(vec![
        ("units", [operation("policy")?, operation("units")?, ticks(4)?].concat()),
        ("motion", [operation("motion_mode")?, operation("motion")?, ticks(3)?].concat()),
        ("jog", [operation("jog")?, ticks(1)?, operation("hold")?, ticks(2)?].concat()),
        (
            "hand",
            [operation("jog")?, b"T\x05H\x01T\x20H\x00".to_vec(), operation("reset")?].concat(),
        ),
        ("home", [operation("home")?, b"T\x03E\x01T\x02".to_vec()].concat()),
        ("lost", [operation("motion_mode")?, ticks(1)?, b"R\x00T\x05".to_vec()].concat()),
        ("silence", [operation("jog")?, b"T\x40J\xff\x00T\x02A\x30T\x02".to_vec()].concat()),
        ("nan", [operation("jog")?, ticks(1)?, reading(1, f64::NAN), ticks(1)?].concat()),
        (
            "far",
            [operation("jog")?, ticks(1)?, reading(0, 1e300), reading(4, -9.0), ticks(1)?].concat(),
        ),
    ])
}

fn link_streams() -> anyhow::Result<Vec<(&'static str, Vec<u8>)>> {
    let heard =
        |channel: &str, rest: &[u8]| [b"\0jaco-sim 1 ", channel.as_bytes(), b"\n", rest].concat();
    let mut calls = Vec::new();
    for call in calls_of_every_kind() {
        call.encode().write(&mut calls)?;
    }
    let frame = jaco_core::Frame {
        jpeg: None,
        camera: "front".into(),
        captured_ns: 77,
        width: 4,
        height: 2,
        rgb: [9; 24].into(),
    };
    let mut frames = vec![1];
    encode_frame(&frame).write(&mut frames)?;
    encode_refusal("no such camera").write(&mut frames)?;
    let lines = "\"status\"\n{\"reset\":{\"task\":\"place-block\",\"seed\":3}}\n\"outcome\"\n\
                 {\"wait\":{\"ticks\":5}}\n{\"inject\":{\"hang\":true,\"joystick_axis\":-0.5}}\n\
                 {\"inject\":{\"nan\":[\"pose\"],\"lose_only\":[\"MoveHome\"]}}\n\
                 {\"schedule\":{\"seed\":3}}\n\"quit\"\n";
    let replies = concat!(
        r#"{"status":{"simulated_ns":1,"ticks":2,"late_ticks":0,"dropped_ticks":0,"#,
        r#""lateness_p50_us":1,"lateness_p99_us":2,"points_per_s":100,"points_taken":7,"#,
        r#""points_dropped":0,"fifo_count":1,"most_fifo":1,"tool_m":[0,-0.4,0.25],"opening":1,"#,
        r#""arm_speed_m_s":0.1,"homed":true,"homing":false,"has_control":true,"sdk_clients":1,"#,
        r#""task":"place-block","seed":3}}"#,
        "\n",
        r#"{"outcome":{"success":false,"stable_ns":0,"distance_m":0.3,"detail":"apart"}}"#,
        "\n",
        r#"{"action":{"translation_m":[0,0,0.01],"rotation_rad":[0,0,0],"gripper":1}}"#,
        "\n\"done\"\n",
    );
    Ok(vec![
        ("sdk", heard("sdk", &calls)),
        (
            "camera",
            heard(
                "camera",
                b"{\"camera\":\"front\",\"width\":224,\"height\":224,\"rate_hz\":10}\n",
            ),
        ),
        ("control", heard("control", lines.as_bytes())),
        ("frames", frames),
        ("replies", [b"\x02", replies.as_bytes()].concat()),
        ("refusal", b"\x02{\"error\":\"no such task\"}\n".to_vec()),
    ])
}

fn calls_of_every_kind() -> Vec<Call> {
    let mut point = TrajectoryPoint::default();
    point.Position.Type = POSITION_TYPE::CARTESIAN_VELOCITY;
    point.Position.CartesianPosition.X = 0.1;
    let mut button = JoystickCommand::default();
    button.ButtonValue[2] = 1;
    vec![
        Call::InitAPI,
        Call::GetDevices,
        Call::StartControlAPI,
        Call::SetCartesianControl,
        Call::SendBasicTrajectory(point),
        Call::SendJoystickCommand(button),
        Call::GetCartesianPosition,
        Call::EraseAllTrajectories,
    ]
}

fn world_scripts() -> Vec<(&'static str, Vec<u8>)> {
    let call = |call: Call| {
        let message = call.encode();
        let len = (message.payload.len() as u16).to_le_bytes();
        [&[b'K', message.tag as u8], len.as_slice(), &message.payload].concat()
    };
    let with_ticks = |(index, step): (usize, Call)| [call(step), vec![b'T', index as u8]].concat();
    let to = |kind, numbers: [f32; 3]| {
        let mut point = TrajectoryPoint::default();
        point.Position.Type = kind;
        let tool = &mut point.Position.CartesianPosition;
        [tool.X, tool.Y, tool.Z] = numbers;
        let joints = &mut point.Position.Actuators;
        [joints.Actuator1, joints.Actuator2, joints.Actuator3] = numbers.map(|n| n * 100.0);
        call(Call::SendAdvanceTrajectory(point))
    };
    let reads = [
        Call::GetQuickStatus,
        Call::GetAngularPosition,
        Call::GetGeneralInformations,
        Call::GetCartesianForce,
        Call::GetSensorsInfo,
        Call::GetGlobalTrajectoryInfo,
    ];
    let every = calls_of_every_kind().into_iter().enumerate().flat_map(with_ticks).collect();
    vec![
        ("every_kind", every),
        ("reads", reads.into_iter().flat_map(call).collect()),
        (
            "power_up",
            [vec![b'P', Task::CleanTable as u8], call(Call::MoveHome), vec![b'T', 30]].concat(),
        ),
        (
            "joystick",
            [call(Call::StopControlAPI), b"J\0\0\x80\x3fT\x20X\x03T\x03".to_vec()].concat(),
        ),
        ("fingers", [call(Call::InitFingers), vec![b'T', 20]].concat()),
        (
            "to_a_pose",
            [to(POSITION_TYPE::CARTESIAN_POSITION, [0.1, -0.4, 0.2]), vec![b'T', 32]].concat(),
        ),
        (
            "far_joints",
            [to(POSITION_TYPE::ANGULAR_POSITION, [1e30, -1e30, 0.0]), vec![b'T', 32]].concat(),
        ),
        ("turn", [to(POSITION_TYPE::ANGULAR_VELOCITY, [1e9, 0.0, -1e9]), vec![b'T', 4]].concat()),
    ]
}
