//! Every value in range resolves to itself, and a resolved configuration can be written down.

#![allow(clippy::unwrap_used)]

use jaco_config::teleop::{AxisBinding, Bindings, Chord, PadAxis, PadButton};
use jaco_config::{
    Api, Arm, Camera, CameraFormat, Config, Controls, KeepOut, KeepOuts, Limits, Log, Paths,
    Pictures, Policy, PowerLine, Record, Run, Setting, Sim, Source, Teleop, VideoDevice,
};
use jaco_core::{
    AngularFrame, Decode, Device, Dtype, Ethernet, Execution, Level, LogFormat, Transport, View,
    Word,
};
use proptest::prelude::*;
use proptest::sample::select;

fn word<W: Word + std::fmt::Debug>() -> impl Strategy<Value = W> {
    select(W::ALL)
}

/// Text that needs escaping, too. A `~` in front would come back as `./~`.
fn path() -> impl Strategy<Value = std::path::PathBuf> {
    "[a-zA-Zä/ '\"\\\\._${}-][a-zA-Zä/ '\"\\\\._$~{}-]{0,49}".prop_map(Into::into)
}

prop_compose! {
    fn keep_out()(
        low in prop::array::uniform3(-1.2..=1.1),
        room in prop::array::uniform3(0.0..=1.0),
    ) -> KeepOut {
        let max_m = std::array::from_fn(|i| low[i] + 0.01 + room[i] * (1.19 - low[i]));
        KeepOut { min_m: low, max_m }
    }
}

prop_compose! {
    fn limits()(
        low in prop::array::uniform3(-1.2..=1.1),
        room in prop::array::uniform3(0.0..=1.0),
        linear in (0.01..=0.5, 0.1..=5.0, 0.5..=10.0, 0.005..=0.1, 1.0..=1e3, 50.0..=2e3, 0.0..=0.1),
        angular in (0.05..=2.0, 0.5..=25.0, 2.0..=50.0, 0.05..=0.8, 5.0..=5e3, 250.0..=1e4, 0.0..=0.5),
        smoothing_ms in 0..=300_u64,
        contact in (0.002..=0.1, 0.01..=0.8, 5.0..=200.0),
        joints in (0.05..=0.5, 0.001..=0.1),
        keep_out in prop::collection::vec(keep_out(), 0..=8),
        finger in (0.05..=1.5, 0.5..=20.0),
        feedback in (0.1..=10.0, 0.005..=0.2, 0.02..=1.0),
        (command_timeout_ms, state_age_ms) in (20..=1000_u64, 50..=1000_u64),
    ) -> Limits {
        Limits {
            workspace_min_m: low,
            workspace_max_m: std::array::from_fn(|i| low[i] + 0.05 + room[i] * (1.15 - low[i])),
            linear_speed_m_s: linear.0,
            linear_acceleration_m_s2: linear.1,
            linear_braking_m_s2: linear.2,
            reference_leash_m: linear.3,
            linear_jerk_m_s3: linear.4,
            linear_braking_jerk_m_s3: linear.5,
            dead_zone_m_s: linear.6,
            angular_jerk_rad_s3: angular.4,
            angular_braking_jerk_rad_s3: angular.5,
            dead_zone_rad_s: angular.6,
            smoothing_ms,
            contact_leash_m: contact.0,
            contact_leash_rad: contact.1,
            force_limit_n: contact.2,
            joint_margin_rad: joints.0,
            singularity_margin_m_rad: joints.1,
            keep_out: KeepOuts::try_from(keep_out).unwrap(),
            angular_speed_rad_s: angular.0,
            angular_acceleration_rad_s2: angular.1,
            angular_braking_rad_s2: angular.2,
            reference_leash_rad: angular.3,
            finger_speed_per_s: finger.0,
            finger_gain_per_s: finger.1,
            feedback_gain_per_s: feedback.0,
            feedback_linear_m_s: feedback.1,
            feedback_angular_rad_s: feedback.2,
            command_timeout_ms,
            state_age_ms,
        }
    }
}

prop_compose! {
    fn ethernet()(
        addresses in any::<[[u8; 4]; 3]>(),
        ports in prop::array::uniform3(1024..=65535_u16),
        timeout_ms in 5..=1000_u32,
    ) -> Ethernet {
        let [local_ip, subnet_mask, robot_ip] = addresses.map(Into::into);
        let [local_command_port, local_broadcast_port, robot_port] = ports;
        Ethernet {
            local_ip,
            subnet_mask,
            robot_ip,
            local_command_port,
            local_broadcast_port,
            robot_port,
            timeout_ms,
        }
    }
}

prop_compose! {
    fn arm()(
        sdk in path(),
        (transport, ethernet) in prop_oneof![
            Just((Transport::Usb, None)),
            prop::option::of(ethernet()).prop_map(|ethernet| (Transport::Ethernet, ethernet)),
        ],
        fingers in 2..=3_u8,
        serial in prop::option::of("[A-Z0-9]{1,12}"),
        angular_frame in word::<AngularFrame>(),
        home_on_start: bool,
        limits in limits(),
    ) -> Arm {
        Arm { sdk, transport, serial, angular_frame, fingers, ethernet, home_on_start, limits }
    }
}

fn v4l(device: VideoDevice) -> Source {
    Source::V4l { device }
}

fn setting(range: std::ops::RangeInclusive<i32>) -> impl Strategy<Value = Option<Setting>> {
    prop::option::of(prop_oneof![Just(Setting::Auto), range.prop_map(Setting::Fixed)])
}

prop_compose! {
    fn controls()(
        exposure in setting(1..=100_000),
        (gain, focus) in (setting(0..=65_535), setting(0..=65_535)),
        white_balance in setting(1000..=15_000),
        power_line in prop::option::of(word::<PowerLine>()),
    ) -> Controls {
        Controls { exposure, gain, white_balance, focus, power_line }
    }
}

prop_compose! {
    fn camera(index: usize)(
        name in "[a-z_-]{1,30}",
        source in prop_oneof![
            Just(Source::Sim),
            // No device is two cameras'.
            (0..=63_u32).prop_map(move |number| v4l(VideoDevice::Number(64 * index as u32 + number))),
            "/[a-zA-Zä/ '\"\\\\._-]{0,50}"
                .prop_map(move |path| v4l(VideoDevice::Path(format!("{path}/by-id/{index}").into()))),
            "[0-9A-Z:$~]{1,9}".prop_map(move |text| v4l(VideoDevice::Serial(format!("{text}{index}")))),
            "[a-zA-Zä: ]{0,9}".prop_map(move |text| v4l(VideoDevice::Name(format!("A{text}{index}")))),
        ],
        (width, height) in (32..=3840_u32, 32..=2160_u32),
        rate_hz in 10..=120_u32,
        (stale_after_ms, late_after_ms, dark_below) in (200..=5000_u64, 50..=2000_u64, 0..=128_u8),
        (format, controls) in (word::<CameraFormat>(), controls()),
    ) -> Camera {
        let (format, controls) = match source {
            Source::V4l { .. } => (format, controls),
            Source::Sim => Default::default(),
        };
        let name = format!("{name}{index}");
        Camera {
            name,
            source,
            width,
            height,
            rate_hz,
            format,
            controls,
            stale_after_ms,
            late_after_ms,
            dark_below,
        }
    }
}

fn decode() -> impl Strategy<Value = Decode> {
    let top_k = (1..=256_u16, 1e-300..=1e300_f64);
    prop_oneof![
        Just(Decode::Greedy),
        top_k.prop_map(|(k, temperature)| Decode::TopK { k, temperature }),
        (1..=64_usize).prop_map(|width| Decode::Beam { width }),
    ]
}

prop_compose! {
    fn policy()(
        checkpoint in path(),
        (statistics, adapter) in (prop::option::of("[a-z_ ]{1,20}"), prop::option::of(path())),
        (merge_adapter, expectation) in any::<(bool, bool)>(),
        answer_timeout_s in 0.1..=600.0,
        (dtype, view) in (word::<Dtype>(), word::<View>()),
        (decode, seed) in (decode(), 0..=u64::from(u32::MAX)),
        max_entropy in prop::option::of(0.0..=5.55),
        device in prop_oneof![Just(Device::Cpu), (0..64_usize).prop_map(Device::Cuda)],
        threads in 1..=256_usize,
        execution in word::<Execution>(),
        (horizon, commit_steps) in (1..=28_usize).prop_flat_map(|h| (Just(h), 0..h)),
    ) -> Policy {
        let camera = String::new();
        Policy {
            checkpoint,
            statistics,
            adapter,
            merge_adapter,
            device,
            dtype,
            threads,
            camera,
            view,
            horizon,
            decode,
            seed,
            max_entropy,
            expectation,
            answer_timeout_s,
            execution,
            commit_steps,
        }
    }
}

prop_compose! {
    fn record()(
        pictures in word::<Pictures>(),
        jpeg_quality in 1..=100_u8,
        (pre_roll_s, max_s, reset_s) in (0.0..=10.0, 1.0..=3600.0, 0.0..=600.0),
        min_free_gib in 0.1..=1000.0,
    ) -> Record {
        let cameras = Vec::new();
        Record { cameras, pictures, jpeg_quality, pre_roll_s, max_s, reset_s, min_free_gib }
    }
}

prop_compose! {
    /// No control twice: buttons are dealt out, and the axes keep their places.
    fn bindings()(
        buttons in Just(PadButton::ALL[..15].to_vec()).prop_shuffle(),
        kept in proptest::collection::vec(any::<bool>(), 15),
        inverted in proptest::collection::vec(any::<bool>(), 6),
        axes in Just(PadAxis::ALL.to_vec()).prop_shuffle(),
        has_x in any::<bool>(),
    ) -> Bindings {
        let axis = |i: usize| AxisBinding { axis: axes[i], inverted: inverted[i] };
        let button = |i: usize| kept[i].then_some(buttons[i]);
        Bindings {
            dead_man: buttons[0],
            x: has_x.then(|| axis(0)),
            y: Some(axis(1)),
            z: Some(axis(2)),
            roll: Some(axis(3)),
            pitch: Some(axis(4)),
            yaw: Some(axis(5)),
            open: button(1),
            close: button(2),
            faster: button(3),
            slower: button(4),
            start_keep: button(5),
            discard: button(6),
            re_record: button(7),
            success: button(8),
            failure: button(9),
            stop: button(10),
            stop_chord: Some(Chord(buttons[11], buttons[12])),
        }
    }
}

prop_compose! {
    fn teleop()(
        (pad, operator_yaw_deg) in (proptest::option::of("[a-zA-Z ]{1,9}"), -180.0..=180.0),
        (slow_m_s, normal_m_s, fast_m_s) in (0.005..=0.2, 0.005..=0.2, 0.005..=0.2),
        (slow_rad_s, normal_rad_s, fast_rad_s) in (0.02..=1.07, 0.02..=1.07, 0.02..=1.07),
        (gripper_per_s, dead_zone, curve, rumble) in (0.1..=3.0, 0.0..=0.5, 1.0..=4.0, 0.0..=1.0),
        (engage_ramp_ms, silent_after_ms) in (0..=2000_u64, 300..=60_000_u64),
        bindings in bindings(),
    ) -> Teleop {
        Teleop {
            pad,
            mapping: Some(format!("{},Pad,a:b0,", "0".repeat(32))),
            operator_yaw_deg,
            slow_m_s,
            normal_m_s,
            fast_m_s,
            slow_rad_s,
            normal_rad_s,
            fast_rad_s,
            gripper_per_s,
            dead_zone,
            curve,
            engage_ramp_ms,
            silent_after_ms,
            rumble,
            bindings,
        }
    }
}

prop_compose! {
    fn config()(
        data_dir in path(),
        (api, sim) in (path(), path()).prop_filter("one socket", |(api, sim)| api != sim),
        arm in arm(),
        cameras in (1..4_usize).prop_flat_map(|n| (0..n).map(camera).collect::<Vec<_>>()),
        seen_through in any::<prop::sample::Index>(),
        policy in policy(),
        record in record(),
        teleop in teleop(),
        max_steps in 1..=100_000_u64,
        (level, format) in (word::<Level>(), word::<LogFormat>()),
    ) -> Config {
        let camera = cameras[seen_through.index(cameras.len())].name.clone();
        let recorded = cameras.iter().skip(1).map(|camera| camera.name.clone()).collect::<Vec<_>>();
        let recorded = if recorded.is_empty() { vec![camera.clone()] } else { recorded };
        Config {
            paths: Paths { data_dir },
            api: Api { socket: api },
            arm,
            cameras,
            policy: Policy { camera, ..policy },
            sim: Some(Sim { socket: sim, semaphore: None }),
            record: Record { cameras: recorded, ..record },
            run: Run { max_steps },
            teleop,
            log: Log { level, format },
        }
    }
}

proptest! {
    #[test]
    fn any_configuration_in_range_survives_its_file(config in config()) {
        let text = toml::to_string(&config).unwrap();
        let read = Config::parse(&text, "written.toml");
        prop_assert_eq!(read.map_err(|error| format!("{error}\n{text}")), Ok(config));
    }

    #[test]
    fn no_text_makes_it_panic(text in "(\\[\\[?(arm|camera|log|policy)\\]\\]?\n|[a-z]{1,4} = .{0,9}\n|.{0,20}\n){0,8}") {
        let _ = Config::parse(&text, "any.toml");
    }
}

#[test]
fn the_policy_defaults_follow_the_other_sections() {
    let text = "[paths]\ndata_dir = \"/srv/jacod\"\n[arm]\nsdk = \"s\"\n\
                [[camera]]\nname = \"wrist\"\nsource = \"v4l\"\ndevice = 3\n\
                [policy]\nhorizon = 1\nexecution = \"async\"\n";
    let config = Config::parse(text, "t").unwrap();
    assert_eq!(config.policy.checkpoint, config.paths.checkpoints().join("current"));
    assert_eq!(config.policy.camera, "wrist");
    assert_eq!(config.policy.commit_steps, 0);
    assert_eq!(config.camera("wrist").unwrap().source, v4l(VideoDevice::Number(3)));
    assert_eq!(VideoDevice::Number(3).path().unwrap().to_str(), Some("/dev/video3"));
    assert_eq!(config.camera("front"), None);
}

#[test]
fn a_gpu_computes_in_half_the_bytes_unless_told_otherwise() {
    let config = |policy: &str| {
        let text = format!(
            "[arm]\nsdk = \"s\"\n[[camera]]\nname = \"a\"\nsource = \"v4l\"\ndevice = 0\n\
             [policy]\n{policy}"
        );
        Config::parse(&text, "t").unwrap().policy.dtype
    };
    assert_eq!(config("device = \"cpu\""), Dtype::F32);
    assert_eq!(config("device = \"cuda:1\""), Dtype::Bf16);
    assert_eq!(config("device = \"cuda:0\"\ndtype = \"f16\""), Dtype::F16);
}

#[test]
fn ways_to_choose_tokens_read_back() {
    for (text, decode) in [
        ("greedy", Decode::Greedy),
        ("top-k:5", Decode::TopK { k: 5, temperature: 1.0 }),
        ("top-k:256:0.7", Decode::TopK { k: 256, temperature: 0.7 }),
        ("beam:64", Decode::Beam { width: 64 }),
    ] {
        assert_eq!(text.parse(), Ok(decode));
        assert_eq!(decode.to_string().parse(), Ok(decode));
    }
    for text in [
        "",
        "Greedy",
        "greedy:1",
        "top-k",
        "top-k:",
        "top-k:0",
        "top-k:257",
        "top-k:5:0",
        "top-k:5:-1",
        "top-k:5:inf",
        "top-k:5:NaN",
        "top-k:5:1:1",
        "beam",
        "beam:0",
        "beam:65",
        "beam:5:2",
        "nucleus:0.9",
    ] {
        assert!(text.parse::<Decode>().is_err(), "{text:?} was taken for a way to decode");
    }
}

#[test]
fn device_names_read_back() {
    for device in [Device::Cpu, Device::Cuda(0), Device::Cuda(12)] {
        assert_eq!(device.to_string().parse(), Ok(device));
    }
    for name in ["", "gpu", "cuda", "cuda:", "cuda:+1", "cuda:-1", "cuda:1 ", "CPU"] {
        assert!(name.parse::<Device>().is_err(), "{name:?} was taken for a device");
    }
}
