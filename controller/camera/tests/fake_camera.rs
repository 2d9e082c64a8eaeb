//! The real code against a camera that misbehaves in the ways cameras are known for.
//!
//! What is right in each case: pictures are whole and truly stamped, what is no picture is dropped
//! and counted, a fault is told in words and within 300 ms, and the camera is opened again. The
//! 300 ms are judged by the program's own stamps: from the arrival of the last picture to the
//! moment from which its health shows a fault to whoever asks. No load of the machine moves those.

#![allow(clippy::unwrap_used)]

mod fakecam;

use fakecam::{Watch, assert_whole, number, text};
use serde_json::Value;

const TOLD_WITHIN_NS: u64 = 300_000_000;
/// A picture is so old when the camera gives it.
const LATENCY_NS: u64 = 40_000_000;

/// Pictures in which whatever is waited for must have happened.
const MOST_FRAMES: u64 = 200;

/// What a machine may cause that is too busy to run the camera's thread for that long.
const LATE: &str = "has given no whole picture for 280 ms";

/// Watches until there is a picture for which `enough` holds, and returns the pictures and the
/// log. All of them must be whole and truly stamped, and there must be no fault but [`LATE`].
fn watch(words: &str, enough: impl Fn(&Value) -> bool) -> (Vec<Value>, String) {
    let watch = Watch::start(words);
    let mut events = watch.until_any(|event| {
        if event["event"] != "picture" {
            assert!(event["event"] == "recovered" || text(event) == LATE, "{words}: {event}");
            return false;
        }
        assert_whole(event);
        assert!(number(event, "now_ns") - number(event, "captured_ns") >= LATENCY_NS, "{event}");
        assert!(number(event, "frames") < MOST_FRAMES, "{words}: {event}");
        enough(event)
    });
    events.retain(|event| event["event"] == "picture");
    (events, watch.end())
}

/// The warnings, without those that a busy machine may cause.
fn warnings(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.contains("WARN") && !line.contains(LATE)).collect()
}

/// Asserts that no fault was logged twice before it went, and no recovery without a fault.
fn assert_each_told_once(log: &str) {
    let told = log.lines().filter_map(|line| {
        let fault = line.split_once("camera fault: ").map(|(_, text)| Some(text));
        fault.or_else(|| line.contains("gives pictures again").then_some(None))
    });
    let told: Vec<_> = told.collect();
    assert!(told.windows(2).all(|pair| pair[0] != pair[1]), "{log}");
    assert!(told.first().is_some_and(Option::is_some), "{log}");
}

fn lines<'a>(log: &'a str, part: &str) -> Vec<&'a str> {
    log.lines().filter(|line| line.contains(part)).collect()
}

#[test]
fn a_good_camera_gives_whole_pictures_with_the_drivers_stamps() {
    let (events, log) = watch("", |event| number(event, "frames") >= 30);
    let stamps: Vec<_> = events.iter().map(|event| number(event, "captured_ns")).collect();
    assert!(stamps.is_sorted(), "{stamps:?}");
    assert_eq!(number(events.last().unwrap(), "dropped"), 0);
    assert!(log.contains("/dev/video0 gives 640 x 480 MJPG at 30 Hz"), "{log}");
    assert_eq!(warnings(&log), Vec::<&str>::new());
}

#[test]
fn bad_buffers_are_dropped_and_counted_and_nothing_else_happens() {
    for (words, reason) in [
        ("some-bad", "does not begin as a JPEG does"),
        ("truncated", "its JPEG is cut"),
        ("empty", "the driver marks it as corrupt"),
        ("odd-picture", "its picture is 480 x 640 instead of 640 x 480"),
    ] {
        let (events, log) = watch(words, |event| number(event, "dropped") >= 5);
        let last = events.last().unwrap();
        // Every tenth is bad: the fifth of them is the fiftieth buffer.
        assert!(number(last, "frames") >= 45, "{words}: {last}");
        assert_eq!(number(last, "reopened"), 0, "{words}");
        // Told sparsely: the first, the second and the fourth.
        let told = lines(&log, "a buffer was dropped");
        assert_eq!(told.len(), 3, "{words}: {log}");
        assert!(told.iter().all(|line| line.contains(reason)), "{words}: {log}");
        assert_eq!(warnings(&log).len(), 3, "{words}: {log}");
    }
}

/// The camera's thread was gone without a word, for ever.
#[test]
fn a_first_buffer_that_is_no_jpeg_costs_that_buffer() {
    let (events, _) = watch("first-bad", |event| number(event, "frames") >= 10);
    let last = events.last().unwrap();
    assert_eq!((number(last, "dropped"), number(last, "reopened")), (1, 0));
}

#[test]
fn a_camera_that_gives_nothing_but_bad_buffers_has_a_fault_and_is_opened_again() {
    let watch = Watch::start("only-bad");
    let event = watch.next();
    assert_eq!(event["kind"], "torn", "{event}");
    assert!(text(&event).ends_with("hold no whole one: it does not begin as a JPEG does"));
    let event = watch.next();
    assert_eq!(
        (event["kind"].as_str(), text(&event)),
        (
            Some("torn"),
            "gives no whole picture for 2000 ms, only buffers that are dropped: \
         it does not begin as a JPEG does"
        )
    );
}

/// Asserts that events end with a fault, and that it was one within 300 ms of the last picture.
fn assert_told_in_time(events: &[Value]) -> &Value {
    let (fault, pictures) = events.split_last().unwrap();
    pictures.iter().for_each(assert_whole);
    let arrived_ns = number(fault, "arrived_ns");
    assert!(number(pictures.last().unwrap(), "captured_ns") <= arrived_ns);
    let told_after_ns = number(fault, "since_ns") - arrived_ns;
    assert!(told_after_ns <= TOLD_WITHIN_NS, "told after {told_after_ns} ns: {fault}");
    fault
}

#[test]
fn a_stalled_camera_is_told_within_300_ms_and_opened_again() {
    let stalled = "/dev/video0 gives no picture: nothing came for 250 ms";
    let watch = Watch::start("stall");
    for reopened in 1..=2 {
        let events = watch.until("fault");
        let fault_text = text(assert_told_in_time(&events));
        assert!([stalled, LATE].contains(&fault_text), "{fault_text}");
        let opened_again =
            |event: &Value| event["event"] == "recovered" && number(event, "reopened") == reopened;
        watch.until_any(opened_again);
        watch.until("picture");
    }
    let log = watch.end();
    assert_eq!(lines(&log, stalled).len(), 2, "{log}");
    assert_each_told_once(&log);
}

/// Nobody can bring back a thread that the driver keeps; but its silence is told.
#[test]
fn a_driver_call_that_never_returns_is_told_within_300_ms() {
    let watch = Watch::start("hang");
    let events = watch.until("fault");
    let fault = assert_told_in_time(&events);
    assert_eq!(text(fault), LATE);
    watch.until_logged(LATE);
    assert_each_told_once(&watch.end());
}

/// A stream of the v4l crate panics when it cannot be stopped, and again when its buffers cannot
/// be given back: that was the end of the process.
#[test]
fn a_camera_that_cannot_be_stopped_is_opened_again_all_the_same() {
    let watch = Watch::start("stall,busy-off");
    assert_told_in_time(&watch.until("fault"));
    watch.until_any(|event| event["event"] == "recovered" && number(event, "reopened") == 1);
    watch.until("picture");
    let log = watch.end();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn an_unplugged_camera_is_told_and_found_again() {
    let watch = Watch::start("gone");
    let gone = "/dev/video0 is gone: was it unplugged?";
    watch.until_any(|event| event["event"] == "fault" && text(event) == gone);
    watch.until_any(|event| event["event"] == "recovered" && number(event, "reopened") == 1);
}

/// A fault of this kind is told within 300 ms of the last good picture, and goes by itself.
fn assert_kind(lines: &[&str], words: &str, kind: &str, text_part: &str) {
    let lines = [&["device = 0"], lines].concat();
    let watch = Watch::start_as(&lines, words);
    let events = watch.until_any(|event| event["kind"] == kind);
    let fault = events.last().unwrap();
    assert!(text(fault).contains(text_part), "{words}: {fault}");
    let (onset_ns, since_ns) = (number(fault, "onset_ns"), number(fault, "since_ns"));
    assert!(onset_ns <= since_ns && since_ns - onset_ns <= TOLD_WITHIN_NS, "{words}: {fault}");
    watch.until_any(|event| event["event"] == "recovered");
    let log = watch.end();
    assert_eq!(log.matches("panicked").count(), 0, "{log}");
    assert_each_told_once(&log);
}

#[test]
fn pictures_that_are_no_good_are_told_within_300_ms_and_the_camera_comes_back() {
    for format in ["format = \"mjpeg\"", "format = \"yuyv\""] {
        assert_kind(&[format], "frozen", "frozen", "frozen: the same to the last bit");
    }
    assert_kind(&[], "eio", "failed", "/dev/video0 fails to give a picture: Input/output error");
}

#[test]
fn a_dark_camera_and_a_late_one_are_told_for_as_long_as_they_are() {
    for (format, words, kind, told) in [
        ("format = \"mjpeg\"", "dark", "dark", "brightness below 8 of 255"),
        ("format = \"yuyv\"", "dark", "dark", "brightness below 8 of 255"),
        ("format = \"mjpeg\"", "late", "late", "more than 250 ms old when they come"),
        ("format = \"mjpeg\"", "torn", "torn", "hold no whole one: its JPEG is cut"),
        ("format = \"yuyv\"", "torn", "torn", "hold no whole one: it is short of the 614400"),
    ] {
        let watch = Watch::start_as(&["device = 0", format], words);
        let events = watch.until_any(|event| event["kind"] == kind);
        let fault = events.last().unwrap();
        assert!(text(fault).contains(told), "{fault}");
        let lasted_ns = number(fault, "since_ns") - number(fault, "onset_ns");
        assert!(lasted_ns <= TOLD_WITHIN_NS, "{words}: {fault}");
        // Its pictures go on, and so does the fault.
        let later =
            watch.until_any(|event| event["event"] == "picture" && number(event, "frames") >= 100);
        let others = later.iter().filter(|event| event["event"] != "picture");
        // On a busy machine there may be a silence between.
        let is_late = |event: &&Value| event["kind"] != kind && event["kind"] != "stalled";
        assert_eq!(
            others.filter(is_late).filter(|e| e["event"] == "fault").count(),
            0,
            "{later:?}"
        );
    }
    // A limit of zero is none.
    let watch = Watch::start_as(&["device = 0", "dark_below = 0"], "dark");
    let events = watch.until_any(|e| e["event"] == "picture" && number(e, "frames") >= 60);
    assert!(events.iter().all(|event| event["kind"] != "dark"), "{events:?}");
}

#[test]
fn the_cameras_own_jpeg_is_kept_whether_or_not_it_has_tables() {
    let jpeg_bytes = |lines: &[&str], words: &str| {
        let watch = Watch::start_as(&[&["device = 0"], lines].concat(), words);
        watch.until("picture").last().unwrap()["jpeg_bytes"].as_u64()
    };
    let whole = jpeg_bytes(&[], "").unwrap();
    // The tables of the encoder in this test are the standard's, in four segments instead of one.
    assert_eq!(jpeg_bytes(&[], "bare"), Some(whole - 3 * 4));
    assert_eq!(jpeg_bytes(&["format = \"yuyv\""], ""), None);
}

#[test]
fn controls_are_set_and_read_back_or_refused_by_name() {
    let set = ["exposure = 100", "gain = 32", "white_balance = 4600", "power_line = \"50Hz\""];
    let lines = [&["device = 0"], &set[..]].concat();
    let watch = Watch::start_as(&lines, "");
    assert_eq!(watch.next()["event"], "picture");
    assert_eq!(warnings(&watch.end()), Vec::<&str>::new());
    for (line, words, told) in [
        (
            "exposure = 100",
            "keeps-exposure",
            "/dev/video0 was set to exposure_time_absolute = 100 but says that it has 250",
        ),
        ("gain = 256", "", "/dev/video0 does not take gain = 256: its gain is 0 to 255"),
        (
            "power_line = \"auto\"",
            "",
            "/dev/video0 does not take power_line = 3: its power_line_frequency is \
             0 = Disabled, 1 = 50 Hz, 2 = 60 Hz",
        ),
        (
            "gain = 1",
            "no-controls",
            "/dev/video0 has no control for gain; it has no control at all",
        ),
        (
            "focus = 1",
            "",
            "/dev/video0 has no control for focus; it has white_balance_automatic (0 to 1), gain (0 \
             to 255), power_line_frequency (0 = Disabled, 1 = 50 Hz, 2 = 60 Hz), \
             white_balance_temperature (2000 to 6500 in steps of 10), auto_exposure (1 = Manual Mode, \
             3 = Aperture Priority Mode), exposure_time_absolute (3 to 2047), \
             exposure_dynamic_framerate (0 to 1)",
        ),
    ] {
        let watch = Watch::start_as(&["device = 0", line], words);
        let event = watch.next();
        assert_eq!((text(&event), event["kind"].as_str()), (told, Some("unusable")));
    }
}

/// The number of a camera that is plugged in again is another one.
#[test]
fn a_camera_is_found_by_its_serial_number_and_its_name_wherever_it_is_plugged_in() {
    for device in ["serial:8A3B1D2F", "name:Fake camera"] {
        let line = format!("device = \"{device}\"");
        let watch = Watch::start_as(&[&line], "renumbers");
        let events = watch.until_any(|event| event["kind"] == "gone");
        assert_eq!(text(events.last().unwrap()), "/dev/video0 is gone: was it unplugged?");
        watch.until_any(|event| event["event"] == "recovered");
        assert!(watch.end().contains("/dev/video7 gives 640 x 480"));
    }
    let watch = Watch::start_as(&["device = \"serial:8A3B\""], "");
    assert_eq!(
        text(&watch.next()),
        "there is no camera serial:8A3B; there is /dev/video0 (Fake camera, 8A3B1D2F)"
    );
}

#[test]
fn raw_pictures_that_are_short_are_dropped() {
    let (events, log) = watch("yuyv-only,short", |event| number(event, "dropped") >= 3);
    assert!(number(events.last().unwrap(), "frames") >= 20);
    assert!(log.contains("it is short of the 614400 bytes of a picture"), "{log}");
}

#[test]
fn formats_and_rates_as_cameras_have_them_work() {
    for (words, set) in [
        ("yuyv-only", "640 x 480 YUYV at 30 Hz"),
        ("fps-fraction", "640 x 480 MJPG at 29.97 Hz"),
        ("h264-current", "640 x 480 MJPG at 30 Hz"),
        ("slow", "640 x 480 MJPG at 15 Hz"),
    ] {
        let (_, log) = watch(words, |event| number(event, "frames") >= 10);
        assert!(log.contains(set), "{words}: {log}");
        // Only a rate below the wanted one is worth a word.
        let warnings = warnings(&log);
        assert_eq!(warnings.len(), usize::from(words == "slow"), "{words}: {log}");
        assert!(warnings.iter().all(|line| line.contains("gives 15 Hz where 30 Hz")), "{log}");
    }
}

/// Asserts that the camera cannot be opened for this reason, which is told and logged.
fn assert_refused(device: &str, words: &str, reason: &str) {
    let watch = Watch::start_on(device, words);
    assert_eq!(text(&watch.next()), reason, "{words}");
    watch.until_logged(reason);
    let log = watch.end();
    assert_eq!(lines(&log, "camera fault").len(), 1, "{words}: {log}");
}

#[test]
fn what_cannot_be_opened_says_why() {
    for (words, reason) in [
        (
            "other-size",
            "/dev/video0 offers no 640 x 480 pictures, and sizes are not changed here; \
             it offers MJPG 1280x720 (30 Hz)",
        ),
        (
            "metadata-node",
            "/dev/video0 is no capture device (a camera's second node gives only metadata: try \
             its other number, or its path that ends in index0)",
        ),
        (
            "metadata-caps",
            "/dev/video0 is no capture device (a camera's second node gives only metadata: try \
             its other number, or its path that ends in index0)",
        ),
        ("busy", "/dev/video0 is used by another program, or by another [[camera]]"),
        (
            "sets-other",
            "/dev/video0 was set to MJPG 640 x 480 but says that it gives MJPG 320 x 240",
        ),
    ] {
        assert_refused("/dev/video0", words, reason);
    }
    assert_refused(
        "/dev/null",
        "",
        "/dev/null is no capture device (a camera's second node gives only metadata: try its \
         other number, or its path that ends in index0)",
    );
}

#[test]
fn a_device_that_is_not_there_is_named_with_those_that_are() {
    let watch = Watch::start_on("/dev/video-none", "");
    let event = watch.next();
    assert!(text(&event).starts_with("there is no /dev/video-none; th"), "{event}");
}

#[test]
fn stamps_of_an_unknown_clock_are_replaced_and_noted_once() {
    let watch = Watch::start("no-stamp");
    let enough = |event: &Value| event["event"] == "picture" && number(event, "frames") >= 20;
    let events = watch.until_any(enough);
    for event in events.iter().filter(|event| event["event"] == "picture") {
        assert_whole(event);
        assert!(number(event, "captured_ns") <= number(event, "now_ns"), "{event}");
    }
    let log = watch.end();
    assert_eq!(lines(&log, "pictures are stamped when they arrive").len(), 1, "{log}");
}
