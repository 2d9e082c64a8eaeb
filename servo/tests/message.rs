//! The wire: what is written is read back, and what was not written is refused.
#![allow(clippy::unwrap_used)]

use jaco_core::{
    Action, ActionStatistics, ActionStream, ActionUnit, ArmState, Chunk, Limits, MAX_CHUNK_STEPS,
    Pose, TICK_NS, Twist,
};
use jaco_servo::message::{
    MAX_COMMAND_LEN, MAX_FROM_SERVO_LEN, MessageError, NOTE_BYTES, Note, VERSION, decode_command,
    decode_from_servo, encode_command, encode_from_servo,
};
use jaco_servo::{
    Command, Conditions, FromServo, Refusal, ServoCore, ServoStatus, StopReason, Telemetry,
};
use nalgebra::{UnitQuaternion, Vector3};
use proptest::prelude::*;

/// Any number but NaN, which is not equal to itself.
fn number() -> impl Strategy<Value = f64> {
    any::<f64>().prop_map(|value| if value.is_nan() { 0.5 } else { value })
}

fn action() -> impl Strategy<Value = Action> {
    proptest::array::uniform7(number()).prop_map(Action::from_array)
}

fn twist() -> impl Strategy<Value = Twist> {
    proptest::array::uniform6(number()).prop_map(|[x, y, z, a, b, c]| Twist {
        linear_m_s: Vector3::new(x, y, z),
        angular_rad_s: Vector3::new(a, b, c),
    })
}

fn statistics() -> impl Strategy<Value = ActionStatistics> {
    let numbers = || proptest::array::uniform7(number());
    (numbers(), numbers(), proptest::array::uniform7(any::<bool>()))
        .prop_map(|(q01, q99, mask)| ActionStatistics { q01, q99, mask })
}

fn stream() -> impl Strategy<Value = ActionStream> {
    let unit = proptest::array::uniform7(any::<u16>()).prop_map(ActionUnit);
    let values = proptest::array::uniform7(number().prop_map(|value| value as f32));
    let units = (proptest::collection::vec((unit, values), 0..=64), any::<bool>()).prop_map(
        |(rows, refined)| {
            let (units, mut values): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
            values.truncate(if refined { units.len() } else { 0 });
            let (units, values) = (units.into_iter().collect(), values.into_iter().collect());
            Chunk::Units { units, values }
        },
    );
    let actions = proptest::collection::vec(action(), 0..=64)
        .prop_map(|actions| Chunk::Actions(actions.into_iter().collect()));
    (any::<u64>(), prop_oneof![units, actions], any::<u64>()).prop_map(
        |(first_step, chunk, from_frame_ns)| ActionStream { first_step, chunk, from_frame_ns },
    )
}

fn command() -> impl Strategy<Value = Command> {
    let reason = prop_oneof![
        Just(StopReason::Operator),
        Just(StopReason::Supervisor),
        Just(StopReason::StateNotFinite),
        Just(StopReason::CartesianControlLost),
        Just(StopReason::QueueGrew),
    ];
    prop_oneof![
        Just(Command::Heartbeat),
        Just(Command::Hold),
        Just(Command::StartMotion),
        Just(Command::Reset),
        Just(Command::Home),
        (proptest::option::of(statistics()), any::<bool>()).prop_map(
            |(statistics, pause_when_empty)| {
                Command::StartPolicy { statistics, pause_when_empty }
            }
        ),
        stream().prop_map(Command::Stream),
        (any::<u64>(), action()).prop_map(|(step, action)| Command::Motion { step, action }),
        (twist(), number()).prop_map(|(twist, gripper)| Command::Jog { twist, gripper }),
        reason.prop_map(|reason| Command::Stop { reason }),
    ]
}

/// A status as a servo makes it, after some commands and ticks.
fn status(commands: &[Command], ticks: u64, note: &str) -> ServoStatus {
    let pose = Pose {
        position_m: Vector3::new(0.1, -0.4, 0.3),
        orientation: UnitQuaternion::from_scaled_axis(Vector3::new(0.3, -2.0, 1.0)),
    };
    let mut state = ArmState {
        joints_rad: [1.0, -2.0, 3.5, 0.0, 7.0, -0.1],
        closure: [0.1, 0.2, 0.3],
        ..ArmState::at(0, pose)
    };
    let mut servo = ServoCore::new(Limits::default()).unwrap();
    for command in commands {
        let _ = servo.command(0, command);
    }
    for tick in 0..ticks {
        state.stamp_ns = tick * TICK_NS;
        servo.command(state.stamp_ns, &Command::Heartbeat).unwrap();
        servo.tick(state.stamp_ns, &state);
    }
    ServoStatus {
        sent_ns: 1,
        state,
        report: servo.report(),
        ticks,
        late_ticks: 3,
        missed_ticks: 4,
        lateness_ns: 5,
        worst_lateness_ns: 6,
        send_ns: 7,
        read_ns: 8,
        points_sent: 13,
        read_failures: 9,
        send_failures: 10,
        arm_queue: 11,
        queue_erasures: 12,
        realtime: true,
        memory_locked: false,
        homed: true,
        at_rest: false,
        still: true,
        joystick_held: Some(false),
        in_control: true,
        conditions: Conditions::default(),
        telemetry: Telemetry::default(),
        note: Note::of(note),
    }
}

fn from_servo() -> impl Strategy<Value = FromServo> {
    let status = (proptest::collection::vec(command(), 0..6), 0..40_u64, ".{0,300}")
        .prop_map(|(commands, ticks, note)| FromServo::Status(status(&commands, ticks, &note)));
    let note = ".{0,600}".prop_map(Note::of);
    let word = prop_oneof![
        note.clone().prop_map(FromServo::Starting),
        note.prop_map(FromServo::LastWords)
    ];
    prop_oneof![4 => status, 1 => word]
}

fn encoded(command: &Command) -> Vec<u8> {
    encode_command(command, &mut [0; MAX_COMMAND_LEN]).unwrap().to_vec()
}

fn said(message: &FromServo) -> Vec<u8> {
    encode_from_servo(message, &mut [0; MAX_FROM_SERVO_LEN]).unwrap().to_vec()
}

/// Asserts that nothing but the whole `packet` is taken.
fn assert_whole<T: std::fmt::Debug>(
    packet: &[u8],
    more: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, MessageError>,
) {
    for len in 0..packet.len() {
        match decode(&packet[..len]).unwrap_err() {
            MessageError::Empty { .. } if len == 0 => {}
            MessageError::Cut { len: found, .. } => assert_eq!(found, len),
            other => panic!("cut to {len} of {}: {other}", packet.len()),
        }
    }
    let long = [packet, more].concat();
    match decode(&long).unwrap_err() {
        MessageError::TooLong { len, needed, .. } => {
            assert_eq!((len, needed), (long.len(), packet.len()));
        }
        other => panic!("run long by {}: {other}", more.len()),
    }
}

proptest! {
    #[test]
    fn commands_come_back_as_they_went(command in command()) {
        prop_assert_eq!(decode_command(&encoded(&command)), Ok(command));
    }

    #[test]
    fn what_the_servo_says_comes_back_as_it_went(message in from_servo()) {
        prop_assert_eq!(decode_from_servo(&said(&message)), Ok(message));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let _ = decode_command(&bytes);
        let _ = decode_from_servo(&bytes);
        let mut forged = bytes;
        for kind in 0..16 {
            if let [version, at, ..] = forged.as_mut_slice() {
                (*version, *at) = (VERSION, kind);
            }
            let _ = decode_command(&forged);
            let _ = decode_from_servo(&forged);
        }
    }

    #[test]
    fn a_command_cut_short_or_run_long_is_refused_with_the_numbers(
        command in command(),
        more in proptest::collection::vec(any::<u8>(), 1..20),
    ) {
        assert_whole(&encoded(&command), &more, decode_command);
    }

    #[test]
    fn a_message_of_the_servo_cut_short_or_run_long_is_refused_with_the_numbers(
        message in from_servo(),
        more in proptest::collection::vec(any::<u8>(), 1..20),
    ) {
        assert_whole(&said(&message), &more, decode_from_servo);
    }

    /// Numbers are not the wire's to judge, so the law must.
    #[test]
    fn numbers_that_are_not_finite_cross_the_wire_and_are_refused_behind_it(
        at in 0..7_usize,
        bad in prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY)],
    ) {
        let mut numbers = [0.0; 7];
        numbers[at] = bad;
        let action = Action::from_array(numbers);
        let chunk = Chunk::Actions([action].into_iter().collect());
        let stream = Command::Stream(ActionStream { first_step: 0, chunk, from_frame_ns: 0 });
        let twist = Twist {
            linear_m_s: action.translation_m.into(),
            angular_rad_s: action.rotation_rad.into(),
        };
        let policy = Command::StartPolicy { statistics: None, pause_when_empty: false };
        for (start, command) in [
            (policy, stream),
            (Command::StartMotion, Command::Motion { step: 0, action }),
            (Command::Hold, Command::Jog { twist, gripper: action.gripper }),
        ] {
            let mut servo = ServoCore::new(Limits::default()).unwrap();
            servo.command(0, &start).unwrap();
            let received = decode_command(&encoded(&command)).unwrap();
            let refused = servo.command(0, &received);
            prop_assert!(matches!(refused, Err(Refusal::NotFinite { .. })), "{:?}", refused);
        }
    }
}

#[test]
fn another_version_is_refused_by_its_number() {
    for found in [0, VERSION - 1, VERSION + 1, u8::MAX] {
        let refused = decode_command(&[found, 0]).unwrap_err();
        assert_eq!(refused, MessageError::Version { found });
    }
    let refused = decode_from_servo(&[2, 64, 0, 0]).unwrap_err().to_string();
    assert_eq!(refused, "wire version 2 where 4 is spoken: install one version of all programs");
}

#[test]
fn a_kind_that_there_is_not_is_refused_with_what_was_due() {
    let refused = decode_command(&[VERSION, 99]).unwrap_err().to_string();
    assert!(refused.starts_with("a packet of 2 bytes that is not a command: "), "{refused}");
    let mut stop = encoded(&Command::Stop { reason: StopReason::Operator });
    *stop.last_mut().unwrap() = 77;
    assert!(matches!(decode_command(&stop), Err(MessageError::NotOne { len: 3, .. })));
    assert_eq!(
        decode_command(&[VERSION]).unwrap_err().to_string(),
        "a packet of 1 byte(s) where a command is due that goes on"
    );
}

/// A packet is received into a buffer of this size: only one that was run long may fill it.
#[test]
fn the_longest_messages_leave_room() {
    let units = [ActionUnit([u16::MAX; 7]); MAX_CHUNK_STEPS].into_iter().collect();
    let values = [[f32::MAX; 7]; MAX_CHUNK_STEPS].into_iter().collect();
    let actions = [Action::from_array([f64::MAX; 7]); MAX_CHUNK_STEPS].into_iter().collect();
    for chunk in [Chunk::Units { units, values }, Chunk::Actions(actions)] {
        let stream = ActionStream { first_step: u64::MAX, chunk, from_frame_ns: u64::MAX };
        let command = Command::Stream(stream);
        let packet = encoded(&command);
        assert!(packet.len() < MAX_COMMAND_LEN, "{}", packet.len());
        assert_eq!(decode_command(&packet), Ok(command));
    }
    let mut longest = status(&[Command::StartMotion], 30, &"x".repeat(2 * NOTE_BYTES));
    let motion = Command::Motion { step: 0, action: Action::still(1.0) };
    longest.report = status(&[Command::StartMotion, motion], 30, "").report;
    assert!(longest.report.completed.is_some() && longest.report.reference.is_some());
    // Every whole number that is not at its longest could still grow to ten bytes.
    let numbers = 40 * 10;
    assert!(said(&FromServo::Status(longest)).len() + numbers < MAX_FROM_SERVO_LEN);
}

#[test]
fn a_text_longer_than_a_note_is_refused() {
    let mut packet = said(&FromServo::LastWords(Note::of("x".repeat(NOTE_BYTES))));
    // The length, two bytes of seven bits: one more.
    assert_eq!(packet[2..4], [0xf4, 0x03]);
    packet[2] += 1;
    packet.push(b'x');
    assert!(matches!(decode_from_servo(&packet), Err(MessageError::NotOne { .. })));
}
