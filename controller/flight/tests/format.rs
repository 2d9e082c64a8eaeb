//! The file format through its two doors: what is written is read back, whatever becomes of the
//! file on the way; and the schemas in it say what the messages hold.

#![allow(clippy::unwrap_used)]

use jaco_core::{ArmState, Limits, Pose, TICK_NS};
use jaco_flight::channel::{Channel, METADATA};
use jaco_flight::{
    About, Cause, Flight, FrameSeen, Heading, Kind, ReadError, Record, StreamSent, Summary, Tick,
    Told, What, encode,
};
use jaco_servo::message::Note;
use jaco_servo::{
    CompletedStep, Condition, Conditions, Limit, Mode, ServoCore, ServoStatus, StopReason,
    Telemetry,
};
use nalgebra::{UnitQuaternion, Vector3};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Monotonic time of the first status \[ns\].
const BEGIN_NS: u64 = 100_000_000_000;
/// What it is as a date \[ns\].
const UNIX_NS: u64 = 1_790_000_000_000_000_000;

fn status(tick: u64) -> ServoStatus {
    let position_m = Vector3::new(0.001 * tick as f64, -0.4, 0.25);
    let pose = Pose { position_m, orientation: UnitQuaternion::identity() };
    let sent_ns = BEGIN_NS + tick * TICK_NS;
    let mut report = ServoCore::new(Limits::default()).unwrap().report();
    report.mode = Mode::Policy;
    report.step = Some(tick / 10);
    report.from_frame_ns = Some(sent_ns - 200_000_000);
    report.reference = Some(Pose { position_m: position_m + Vector3::z() * 0.004, ..pose });
    report.setpoint.twist.linear_m_s = Vector3::new(0.1, 0.0, 0.0);
    report.acted.note(Limit::Leash, tick.is_multiple_of(4));
    ServoStatus {
        sent_ns,
        state: ArmState::at(sent_ns, pose),
        report,
        ticks: 1 + tick,
        late_ticks: 0,
        missed_ticks: 0,
        lateness_ns: 50_000,
        worst_lateness_ns: 50_000,
        send_ns: 100_000,
        read_ns: 200_000,
        points_sent: 7 + tick,
        read_failures: 0,
        send_failures: 0,
        arm_queue: 0,
        queue_erasures: 0,
        realtime: true,
        memory_locked: true,
        homed: true,
        at_rest: false,
        still: false,
        joystick_held: Some(false),
        in_control: true,
        conditions: Conditions::default(),
        telemetry: Telemetry::default(),
        note: Note::default(),
    }
}

/// A run that a servo ends by itself, with all that a record can hold.
fn record(ticks: u64) -> Record {
    let mut record = Record::default();
    for tick in 0..ticks {
        let mut status = status(tick);
        if tick == ticks / 2 {
            status.telemetry = Telemetry { stamp_ns: 5, supply_v: 24.0, ..Telemetry::default() };
            let (asked, sent) = (jaco_core::Action::still(1.0), jaco_core::Action::still(0.5));
            status.report.completed = Some(CompletedStep { step: 1, starved: false, asked, sent });
        }
        if tick > ticks * 3 / 4 {
            status.report.mode = Mode::Stopped;
            status.report.stop_reason = Some(StopReason::StateNotFinite);
            status.report.reference = None;
            status.state.pose.position_m.x = f64::NAN;
            status.conditions.set(Condition::PoseRefused, true);
            status.note = Note::of("a reading that is no number");
        }
        record.ticks.push(Tick { process: 1, status });
    }
    let at_ns = BEGIN_NS + ticks * TICK_NS / 2;
    record.streams.push(StreamSent {
        at_ns,
        run: "20260922-133320".into(),
        policy: "model/mini".into(),
        first_step: 4,
        steps: 2,
        from_frame_ns: at_ns - 150_000_000,
    });
    record.frames.push(FrameSeen { at_ns, camera: "front".into(), captured_ns: at_ns - 1 });
    let fault = What::Fault("was killed (signal: 9)".to_owned());
    record.told.push(Told::new(at_ns + TICK_NS, "servo", fault));
    record.told.push(Told::new(at_ns + 2 * TICK_NS, "servo", What::Works));
    record.told.push(Told::new(at_ns + 3 * TICK_NS, "run", What::News("ended".to_owned())));
    record
}

fn heading() -> Heading {
    let cause = Cause { kind: Kind::ServoStopped, why: "not finite".to_owned() };
    let about = BTreeMap::from([("version".to_owned(), "0.1.0".to_owned())]);
    Heading { cause, monotonic_ns: BEGIN_NS, unix_ns: UNIX_NS, about }
}

static SMALL: LazyLock<Vec<u8>> = LazyLock::new(|| encode(&record(60), &heading()).unwrap());

#[test]
fn a_record_is_read_back_as_it_was() {
    let flight = Flight::read(&encode(&record(400), &heading()).unwrap()[..]).unwrap();
    assert_eq!((flight.unreadable, &flight.damage), (0, &None));
    assert_eq!(flight.about.kind, "servo-stopped");
    assert_eq!(flight.about.more["version"], "0.1.0");
    for (tick, (at_ns, state)) in flight.states.iter().enumerate() {
        let status = record(400).ticks.iter().nth(tick).unwrap().status;
        assert_eq!(*at_ns, status.sent_ns);
        let (read, was) = (state.position_m[0].0, status.state.pose.position_m.x);
        let same = (read - was).abs() < 1e-9 || (read.is_nan() && was.is_nan());
        assert!(same, "{read} for {was}");
    }
    let summary = Summary::of(&flight);
    assert_eq!((summary.ticks, summary.points_sent, summary.missed_ticks), (400, 399, 0));
    assert!((summary.rate_hz - 100.0).abs() < 1e-6 && summary.gaps.is_empty());
    let modes: Vec<_> = summary.modes.iter().map(|span| span.mode.as_str()).collect();
    assert_eq!(modes, ["policy", "stopped"]);
    assert!((summary.modes[1].from_s - 3.01).abs() < 1e-9);
    assert_eq!(summary.stops[0].reason, "state-not-finite");
    assert_eq!(summary.conditions, ["pose-refused"]);
    assert_eq!((summary.limits[0].limit.as_str(), summary.limits[0].share), ("leash", 0.25));
    assert_eq!(summary.lateness.p99_us, 50);
    let worst = summary.worst_tracking.clone().unwrap();
    assert!((worst.error_m - 0.004).abs() < 1e-8);
    let run = summary.run.clone().unwrap();
    assert_eq!((run.policy.as_str(), run.last_first_step, run.last_steps), ("model/mini", 4, 2));
    assert!((run.last_frame_age_ms - 150.0).abs() < 1e-6);
    assert_eq!(summary.faults[0].fault.as_deref(), Some("was killed (signal: 9)"));
    assert_eq!(summary.faults[1].fault, None);
    let log = summary.to_string();
    for words in ["stopped: the arm reported a state", "a reading that is no number", "run: ended"]
    {
        assert!(log.contains(words), "{words} is not in {log}");
    }
}

#[test]
fn statuses_that_were_not_heard_are_a_gap_and_another_servo_is_none() {
    let mut record = Record::default();
    for tick in (0..50).chain(70..100) {
        record.ticks.push(Tick { process: 1, status: status(tick) });
    }
    for tick in 0..10 {
        let late = ServoStatus { sent_ns: BEGIN_NS + (tick + 300) * TICK_NS, ..status(tick) };
        record.ticks.push(Tick { process: 2, status: late });
    }
    let summary = Summary::of(&Flight::read(&encode(&record, &heading()).unwrap()[..]).unwrap());
    assert_eq!((summary.gaps.len(), summary.gaps[0].ticks), (1, 20));
    assert_eq!(summary.servo_processes, 2);
    assert_eq!(summary.points_sent, 99 + 9);
    assert_eq!(summary.modes.len(), 3, "a mode is not known while nothing is heard");
}

#[test]
fn a_record_of_nothing_is_one() {
    let flight = Flight::read(&encode(&Record::default(), &heading()).unwrap()[..]).unwrap();
    let summary = Summary::of(&flight);
    assert_eq!((summary.ticks, summary.rate_hz, summary.last), (0, 0.0, None));
}

#[test]
fn the_clock_of_a_file_is_one_line() {
    let bytes = &SMALL[..];
    let mut before = 0;
    for message in mcap::MessageStream::new(bytes).unwrap() {
        let message = message.unwrap();
        assert!(message.log_time >= before, "messages are in the order of time");
        before = message.log_time;
        assert!(message.log_time >= UNIX_NS);
    }
    assert_eq!(before, UNIX_NS + 59 * TICK_NS);
}

/// A file cut at any byte is told, and what is whole in it is given.
#[test]
fn a_file_cut_at_any_byte_is_told() {
    let bytes = encode(&record(6), &heading()).unwrap();
    let whole = Flight::read(&bytes[..]).unwrap();
    let mut before = 0;
    for len in 0..bytes.len() {
        match Flight::read(&bytes[..len]) {
            Ok(flight) => {
                assert!(flight.damage.is_some(), "cut at {len} of {}, not told", bytes.len());
                assert!(flight.states.len() >= before && whole.states.starts_with(&flight.states));
                before = flight.states.len();
            }
            Err(ReadError::Empty) => assert_eq!(len, 0),
            Err(ReadError::Broken { .. }) => assert!(before == 0, "cut at {len}"),
            Err(error) => panic!("cut at {len}: {error}"),
        }
    }
    assert_eq!(before, whole.states.len());
}

/// A record that says it is longer than its chunk ended the program in the library's own reader.
#[test]
fn no_byte_of_a_file_ends_the_program() {
    let bytes = encode(&record(3), &heading()).unwrap();
    for place in 0..bytes.len() {
        for byte in [0x00, 0x7f, 0xff] {
            let mut bytes = bytes.clone();
            bytes[place] = byte;
            let _ = Flight::read(&bytes[..]);
        }
    }
}

#[test]
fn files_of_others_are_told_from_ours() {
    assert!(matches!(Flight::read(&b""[..]), Err(ReadError::Empty)));
    let text = b"[paths]\ndata_dir = \"data\"\n";
    assert!(matches!(Flight::read(&text[..]), Err(ReadError::NotMcap)));
    let mut foreign = Vec::new();
    let mut writer = mcap::Writer::new(std::io::Cursor::new(&mut foreign)).unwrap();
    let channel = writer.add_channel(0, "/arm/state", "json", &BTreeMap::new()).unwrap();
    let header = mcap::records::MessageHeader {
        channel_id: channel,
        sequence: 0,
        log_time: 0,
        publish_time: 0,
    };
    writer.write_to_known_channel(&header, b"{}").unwrap();
    writer.finish().unwrap();
    drop(writer);
    assert!(matches!(Flight::read(&foreign[..]), Err(ReadError::Foreign)));
}

#[test]
fn what_a_file_says_about_itself_is_at_its_beginning() {
    assert_eq!(About::read(&SMALL[..2000]).unwrap(), Flight::read(&SMALL[..]).unwrap().about);
    assert_eq!(METADATA, "jacod.flight");
}

/// That `value` is what `schema` says, as strictly as our own schemas are meant.
fn holds(schema: &Value, value: &Value, place: &str) {
    let number = value.is_number() || value.is_null();
    match schema["type"].as_str().unwrap() {
        "object" => {
            let properties = schema["properties"].as_object().unwrap();
            for (name, value) in value.as_object().unwrap() {
                let field = properties.get(name);
                let field = field.unwrap_or_else(|| panic!("{place}.{name} is in no schema"));
                holds(field, value, &format!("{place}.{name}"));
            }
        }
        "array" => {
            let items = value.as_array().unwrap_or_else(|| panic!("{place} is no array"));
            items.iter().for_each(|item| holds(&schema["items"], item, place));
        }
        "integer" => assert!(value.is_u64(), "{place}: {value}"),
        "number" => assert!(number, "{place}: {value}"),
        "boolean" => assert!(value.is_boolean(), "{place}: {value}"),
        "string" => assert!(value.is_string(), "{place}: {value}"),
        other => panic!("{place}: Foxglove knows no type {other}"),
    }
}

/// Every field of a schema, as "topic.field.field".
fn fields(schema: &Value, place: &str, all: &mut Vec<String>) {
    match schema["properties"].as_object() {
        Some(properties) => {
            for (name, schema) in properties {
                fields(schema, &format!("{place}.{name}"), all);
            }
        }
        None => all.push(place.to_owned()),
    }
}

fn leaves(value: &Value, place: &str, all: &mut Vec<String>) {
    match value.as_object() {
        Some(fields) => {
            for (name, value) in fields {
                leaves(value, &format!("{place}.{name}"), all);
            }
        }
        None => all.push(place.to_owned()),
    }
}

#[test]
fn the_schemas_in_the_file_are_those_of_the_messages() {
    let (mut said, mut held) = (Vec::new(), Vec::new());
    for message in mcap::MessageStream::new(&SMALL).unwrap() {
        let message = message.unwrap();
        let topic = &message.channel.topic;
        let schema = message.channel.schema.as_ref().unwrap();
        assert_eq!((&*schema.encoding, &*message.channel.message_encoding), ("jsonschema", "json"));
        let channel = Channel::of_topic(topic).unwrap();
        assert_eq!(schema.name, channel.schema_name());
        let schema: Value = serde_json::from_slice(&schema.data).unwrap();
        let value: Value = serde_json::from_slice(&message.data).unwrap();
        holds(&schema, &value, topic);
        fields(&schema, topic, &mut said);
        leaves(&value, topic, &mut held);
    }
    for list in [&mut said, &mut held] {
        list.sort();
        list.dedup();
    }
    assert_eq!(said, held, "each field of each schema is in a message, and no other is");
    assert!(Channel::ALL.iter().all(|channel| {
        said.iter().any(|field| field.starts_with(&format!("{}.", channel.topic())))
    }));
}

proptest! {
    #[test]
    fn bytes_of_anybody_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = Flight::read(&bytes[..]);
        let marked = [mcap::MAGIC, &bytes].concat();
        prop_assert!(Flight::read(&marked[..]).is_err());
    }

    #[test]
    fn a_file_with_wrong_bytes_in_it_is_read_or_told(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = SMALL.clone();
        for (place, byte) in places {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(flight) = Flight::read(&bytes[..]) {
            let _ = Summary::of(&flight).to_string();
        }
    }
}
