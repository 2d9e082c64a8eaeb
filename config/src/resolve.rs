//! From the file as written to the resolved configuration: the defaults, the ranges and the rules
//! between keys. `jacod.toml` documents what stands here and a test holds the two together.

use crate::camera::{self, Camera};
use crate::config::{Api, Arm, Config, Log, Paths, Policy, Run, Sim};
use crate::encoding;
use crate::limits;
use crate::problem::ConfigError;
use crate::record;
use crate::section::{Document, Section};
use crate::teleop;
use jaco_core::given::Variables;
use jaco_core::{AngularFrame, Decode, Device, Ethernet, Execution, Transport, View};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// Bytes of a Unix socket's path: `sun_path` without its terminating zero.
const SOCKET_PATH_BYTES: usize = 107;
/// Highest cut-off that makes a difference: 256 action tokens have at most 5.55 nats.
const MOST_ENTROPY_NATS: f64 = 5.55;

impl Config {
    /// Reads the configuration `text`, in which no path needs a variable. `name` is the file's
    /// name, for messages only.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(text: &str, name: &str) -> Result<Config, ConfigError> {
        Self::read(text.as_bytes(), name, &|_| None)
    }

    /// Reads the configuration file `bytes`. `name` is its name, for messages only; `variables`
    /// are those of the environment, which paths may name.
    ///
    /// # Errors
    /// All that is wrong with the file, at once; if it is no text or not TOML, that alone.
    pub fn read(bytes: &[u8], name: &str, variables: Variables<'_>) -> Result<Config, ConfigError> {
        let text = encoding::text(bytes)
            .map_err(|problem| ConfigError { file: name.to_owned(), problems: vec![problem] })?;
        let document = Document::new(text, variables);
        let resolved = match DeTable::parse(text) {
            Ok(table) => resolve(Section::root(&document, table.get_ref())),
            Err(error) => {
                document.refuse_syntax(&error);
                None
            }
        };
        document.verdict(name)?;
        Ok(resolved.expect("a file that resolves to nothing was refused for a reason"))
    }
}

/// None only if a problem was reported.
fn resolve(mut root: Section<'_>) -> Option<Config> {
    let paths = paths(root.section("paths"));
    let api = api(root.section("api"));
    let arm = arm(root.section("arm"));
    let sim = root.optional_section("sim").map(|section| sim(section, &api));
    let cameras = camera::read(&mut root, sim.is_some());
    let policy = policy(root.section("policy"), &paths, &cameras);
    let run = run(root.section("run"));
    let teleop = teleop::read(root.section("teleop"));
    let record = record::read(root.section("record"), &cameras);
    let log = log(root.section("log"));
    root.finish();
    Some(Config {
        paths,
        api,
        arm: arm?,
        cameras: cameras.into_iter().collect::<Option<_>>()?,
        policy: policy?,
        sim: match sim {
            Some(sim) => Some(sim?),
            None => None,
        },
        run,
        teleop,
        record,
        log,
    })
}

fn paths(mut section: Section<'_>) -> Paths {
    let data_dir = section.path("data_dir", anywhere).unwrap_or(Paths::default().data_dir);
    section.finish();
    Paths { data_dir }
}

fn api(mut section: Section<'_>) -> Api {
    let socket = socket(&mut section).unwrap_or(Api::default().socket);
    section.finish();
    Api { socket }
}

fn arm(mut section: Section<'_>) -> Option<Arm> {
    let sdk = section.path("sdk", anywhere);
    let sdk = section.require("sdk", sdk, "the path of the SDK's command-layer library");
    let transport = section.word("transport").unwrap_or(Transport::Usb);
    let serial = section.text("serial", anything);
    let angular_frame = section.word("angular_frame").unwrap_or(AngularFrame::Effector);
    let fingers = section.integer("fingers", 2..=3).unwrap_or(3);
    let home_on_start = section.boolean("home_on_start").unwrap_or(false);
    let ethernet = section.optional_section("ethernet").map(ethernet);
    if ethernet.is_some() && transport == Transport::Usb {
        let reason = "has addresses, but arm.transport is \"usb\": set it to \"ethernet\"";
        section.refuse("ethernet", reason.to_owned());
    }
    let limits = limits::read(section.section("limits"));
    section.finish();
    let sdk = sdk?;
    Some(Arm { sdk, transport, serial, angular_frame, fingers, ethernet, home_on_start, limits })
}

fn ethernet(mut section: Section<'_>) -> Ethernet {
    let d = Ethernet::default();
    let s = &mut section;
    let mut address = |key| {
        let text = s.text(key, |text| {
            let parsed = text.parse::<Ipv4Addr>();
            parsed
                .map(|_| ())
                .map_err(|_| "must be an address such as \"192.168.100.11\"".to_owned())
        });
        text.and_then(|text| text.parse().ok())
    };
    let ethernet = Ethernet {
        local_ip: address("local_ip").unwrap_or(d.local_ip),
        subnet_mask: address("subnet_mask").unwrap_or(d.subnet_mask),
        robot_ip: address("robot_ip").unwrap_or(d.robot_ip),
        local_command_port: s
            .integer("local_command_port", 1024..=65535)
            .unwrap_or(d.local_command_port),
        local_broadcast_port: s
            .integer("local_broadcast_port", 1024..=65535)
            .unwrap_or(d.local_broadcast_port),
        robot_port: s.integer("robot_port", 1024..=65535).unwrap_or(d.robot_port),
        timeout_ms: s.integer("timeout_ms", 5..=1000).unwrap_or(d.timeout_ms),
    };
    section.finish();
    ethernet
}

fn sim(mut section: Section<'_>, api: &Api) -> Option<Sim> {
    let socket = socket(&mut section);
    if socket.as_ref() == Some(&api.socket) {
        let reason = "is the socket of jacod's own API ([api] socket) too: give each its own";
        section.refuse("socket", reason.to_owned());
    }
    let socket = section.require("socket", socket, "the path of the simulator's socket");
    let semaphore = section.text("semaphore", |name| {
        let rest = name.strip_prefix('/');
        let fits = rest.is_some_and(|rest| !rest.is_empty() && !rest.contains('/'));
        if fits { Ok(()) } else { Err("must be a name such as \"/jaco-sim\"".to_owned()) }
    });
    section.finish();
    Some(Sim { socket: socket?, semaphore })
}

/// One entry per camera section; None for one that was refused.
fn policy(mut section: Section<'_>, paths: &Paths, cameras: &[Option<Camera>]) -> Option<Policy> {
    let s = &mut section;
    let checkpoint =
        s.path("checkpoint", anywhere).unwrap_or_else(|| paths.checkpoints().join("current"));
    let statistics = s.text("statistics", anything);
    let adapter = s.path("adapter", anywhere);
    let merge_adapter = s.boolean("merge_adapter").unwrap_or(true);
    let device = s.text("device", |name| match name.parse::<Device>() {
        Ok(_) => Ok(()),
        Err(_) => Err("must be \"cpu\" or \"cuda:0\", \"cuda:1\", ...".to_owned()),
    });
    let device = device.and_then(|name| name.parse().ok()).unwrap_or(Device::Cpu);
    let dtype = s.word("dtype").unwrap_or(device.default_dtype());
    let threads = s.integer("threads", 1..=256).unwrap_or(4);
    let written_camera = s.text("camera", anything);
    let view = s.word("view").unwrap_or(View::Plain);
    let horizon = s.integer("horizon", 1..=28).unwrap_or(4);
    let decode = s.text("decode", |text| match text.parse::<Decode>() {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    });
    let decode = decode.and_then(|text| text.parse().ok()).unwrap_or_default();
    let seed = s.integer("seed", 0..=u64::from(u32::MAX)).unwrap_or(0);
    let max_entropy = s.number("max_entropy", 0.0..=MOST_ENTROPY_NATS);
    let expectation = s.boolean("expectation").unwrap_or(false);
    let answer_timeout_s = s.number("answer_timeout_s", 0.1..=600.0).unwrap_or(30.0);
    let execution = s.word("execution").unwrap_or(Execution::Sync);
    let commit_steps = s.integer("commit_steps", 0..=27).unwrap_or((horizon - 1).min(2));
    if execution == Execution::Async && commit_steps >= horizon {
        let reason = format!("must be below horizon, which is {horizon}");
        section.refuse("commit_steps", reason);
    }
    let first_camera = cameras.first().and_then(|camera| camera.as_ref());
    let camera = match written_camera {
        None => first_camera.map(|camera| camera.name.clone()),
        Some(name) => {
            // A refused camera may be the one that is meant: the user fixes that first.
            if cameras.iter().all(|c| c.as_ref().is_some_and(|c| c.name != name)) {
                let names = cameras.iter().flatten().map(|camera| format!("{:?}", camera.name));
                let names = names.collect::<Vec<_>>().join(", ");
                section.refuse("camera", format!("no [[camera]] has this name; there is {names}"));
            }
            Some(name)
        }
    };
    section.finish();
    Some(Policy {
        checkpoint,
        statistics,
        adapter,
        view,
        merge_adapter,
        device,
        dtype,
        threads,
        camera: camera?,
        horizon,
        decode,
        seed,
        max_entropy,
        expectation,
        answer_timeout_s,
        execution,
        commit_steps,
    })
}

fn run(mut section: Section<'_>) -> Run {
    let max_steps = section.integer("max_steps", 1..=100_000).unwrap_or(Run::default().max_steps);
    section.finish();
    Run { max_steps }
}

fn log(mut section: Section<'_>) -> Log {
    let d = Log::default();
    let level = section.word("level").unwrap_or(d.level);
    let format = section.word("format").unwrap_or(d.format);
    section.finish();
    Log { level, format }
}

fn socket(section: &mut Section<'_>) -> Option<PathBuf> {
    section.path("socket", |path| match path.as_os_str().len() {
        0..=SOCKET_PATH_BYTES => Ok(()),
        bytes => Err(format!(
            "a socket's path has at most {SOCKET_PATH_BYTES} bytes, this one has {bytes}"
        )),
    })
}

fn anywhere(_: &Path) -> Result<(), String> {
    Ok(())
}

fn anything(_: &str) -> Result<(), String> {
    Ok(())
}
