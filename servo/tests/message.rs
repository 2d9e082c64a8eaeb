//! The wire: what is written is read back, and what was not written is refused.
#![allow(clippy::unwrap_used)]

use jaco_core::{
    Action, ActionStatistics, ActionStream, ActionUnit, ArmState, Pose, TICK_NS, Twist,
};
use jaco_servo::message::{
    CommandDecoder, MAX_COMMAND_LEN, MessageError, Note, STATUS_LEN, ServoStatus, VERSION,
    decode_status, encode_command, encode_status,
};
use jaco_servo::{Command, Limits, ServoCore, StopReason};
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
    let rows = proptest::collection::vec((unit, values), 0..=64);
    (any::<u64>(), rows, any::<bool>(), any::<u64>()).prop_map(
        |(first_step, rows, refined, from_frame_ns)| {
            let (units, mut values): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
            values.truncate(if refined { units.len() } else { 0 });
            ActionStream { first_step, units, values, from_frame_ns }
        },
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
        (statistics(), any::<bool>()).prop_map(|(statistics, pause_when_empty)| {
            Command::StartPolicy { statistics, pause_when_empty }
        }),
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
        stamp_ns: 0,
        pose,
        joints_rad: [1.0, -2.0, 3.5, 0.0, 7.0, -0.1],
        closure: [0.1, 0.2, 0.3],
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
        read_failures: 9,
        send_failures: 10,
        arm_queue: 11,
        queue_erasures: 12,
        realtime: true,
        memory_locked: false,
        homed: true,
        at_rest: false,
        note: Note::of(note),
    }
}

fn encoded(command: &Command) -> Vec<u8> {
    encode_command(command, &mut [0; MAX_COMMAND_LEN]).unwrap().to_vec()
}

proptest! {
    #[test]
    fn commands_come_back_as_they_went(commands in proptest::collection::vec(command(), 1..6)) {
        let mut decoder = CommandDecoder::default();
        for command in &commands {
            prop_assert_eq!(decoder.decode(&encoded(command)), Ok(command));
        }
    }

    #[test]
    fn statuses_come_back_as_they_went(
        commands in proptest::collection::vec(command(), 0..6),
        ticks in 0..40_u64,
        note in ".{0,300}",
    ) {
        let status = status(&commands, ticks, &note);
        let mut packet = [0; STATUS_LEN];
        encode_status(&status, &mut packet);
        prop_assert_eq!(decode_status(&packet), Ok(status));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let _ = CommandDecoder::default().decode(&bytes);
        let _ = decode_status(&bytes);
        let mut forged = bytes;
        for kind in 0..16 {
            if let [version, at, ..] = forged.as_mut_slice() {
                (*version, *at) = (VERSION, kind);
            }
            let _ = CommandDecoder::default().decode(&forged);
        }
    }

    #[test]
    fn a_packet_cut_short_or_run_long_is_refused(command in command(), cut in 1..900_usize) {
        let packet = encoded(&command);
        let mut decoder = CommandDecoder::default();
        let short = &packet[..packet.len().saturating_sub(cut)];
        prop_assert!(decoder.decode(short).is_err());
        let long = [packet.as_slice(), &[0]].concat();
        prop_assert!(decoder.decode(&long).is_err());
    }
}

#[test]
fn another_version_or_kind_is_refused_by_name() {
    let mut decoder = CommandDecoder::default();
    let refused = decoder.decode(&[VERSION + 1, 1, 0, 0]).unwrap_err();
    assert_eq!(refused, MessageError::Version { found: VERSION + 1 });
    let refused = decoder.decode(&[VERSION, 99, 0, 0]).unwrap_err();
    assert_eq!(refused, MessageError::Kind { found: 99 });
    assert!(decoder.decode(&[]).is_err());
}

#[test]
fn values_outside_an_enumeration_are_refused() {
    let mut stop = encoded(&Command::Stop { reason: StopReason::Operator });
    *stop.last_mut().unwrap() = 77;
    let refused = CommandDecoder::default().decode(&stop).unwrap_err().to_string();
    assert_eq!(refused, "field stop reason cannot be 77");
}

#[test]
fn a_stream_that_no_queue_holds_is_not_sent() {
    let units = vec![ActionUnit([1; 7]); 65];
    let stream = ActionStream { first_step: 0, units, values: vec![], from_frame_ns: 0 };
    let refused = encode_command(&Command::Stream(stream), &mut [0; MAX_COMMAND_LEN]).unwrap_err();
    assert_eq!(refused, MessageError::TooManyUnits { units: 65, most: 64 });
}

#[test]
fn values_that_are_not_one_row_for_each_unit_are_not_sent() {
    let (units, values) = (vec![ActionUnit([1; 7]); 3], vec![[0.0; 7]; 2]);
    let stream = ActionStream { first_step: 0, units, values, from_frame_ns: 0 };
    let refused = encode_command(&Command::Stream(stream), &mut [0; MAX_COMMAND_LEN]).unwrap_err();
    assert_eq!(refused, MessageError::ValueRows { rows: 2, units: 3 });
}

/// The process that decodes runs in real time.
#[test]
fn the_decoder_keeps_its_vectors() {
    let stream = |rows: usize| {
        let (units, values) = (vec![ActionUnit([1; 7]); rows], vec![[0.5; 7]; rows]);
        encoded(&Command::Stream(ActionStream { first_step: 0, units, values, from_frame_ns: 0 }))
    };
    let mut decoder = CommandDecoder::default();
    let mut kept = Vec::new();
    for packet in [stream(1), encoded(&Command::Heartbeat), stream(64), vec![], stream(3)] {
        if let Ok(Command::Stream(stream)) = decoder.decode(&packet) {
            kept.push((stream.units.as_ptr(), stream.values.as_ptr()));
        }
    }
    assert_eq!(kept, [kept[0]; 3]);
}

#[test]
fn a_status_of_another_length_is_refused() {
    let mut packet = [0; STATUS_LEN];
    encode_status(&status(&[], 0, ""), &mut packet);
    let refused = decode_status(&packet[..STATUS_LEN - 1]).unwrap_err();
    assert_eq!(refused, MessageError::Length { found: STATUS_LEN - 1, needed: STATUS_LEN });
}
