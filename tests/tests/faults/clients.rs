//! Clients that go away, say nothing, say nonsense or never listen; a full disk; a camera that
//! shows nothing.

use crate::{failed, heal, inject, is_shown, now_ns};
use jaco_api::{Activity, Mode};
use jaco_sim_link::control::Faults;
use jaco_tests::faults::Row;
use jaco_tests::{Rig, Setup, poll};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

fn connect(rig: &Rig) -> UnixStream {
    UnixStream::connect(rig.path("jacod.sock")).unwrap()
}

#[test]
fn client_killed_run() {
    let (row, rig) = (Row::of("client-killed-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("300").unwrap();
    let since_ns = now_ns(&mut sim);
    run.signal(Signal::KILL).unwrap();
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.bring_back(&rig).unwrap();
    row.is_told(&rig.log());
}

#[test]
fn client_killed_homing() {
    let (row, rig) = (Row::of("client-killed-homing"), Rig::start().unwrap());
    let (home, mut sim) = rig.begin_homing().unwrap();
    let since_ns = now_ns(&mut sim);
    home.signal(Signal::KILL).unwrap();
    row.judge_arm(&mut sim, since_ns).unwrap();
    rig.until("its end", |status| status.activity == Activity::Nobody).unwrap();
    row.is_told(&rig.log());
    row.bring_back(&rig).unwrap();
}

#[test]
fn client_never_reads() {
    let (row, rig) = (Row::of("client-never-reads"), Rig::homed().unwrap());
    let mut client = connect(&rig);
    let body = r#"{"instruction":"put the blue cube on the green plate","max_steps":60}"#;
    let length = body.len();
    write!(
        client,
        "POST /v1/run HTTP/1.1\r\nhost: jacod\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    rig.until("the run", |status| status.activity == Activity::Run).unwrap();
    rig.until("its end", |status| status.activity == Activity::Nobody).unwrap();
    row.is_told(&rig.log());
    row.bring_back(&rig).unwrap();
}

/// It kept jacod alive after SIGTERM until it went away.
#[test]
fn half_a_request() {
    let (row, mut rig) = (Row::of("half-a-request"), Rig::homed().unwrap());
    let mut sim = rig.control().unwrap();
    let mut client = connect(&rig);
    client
        .write_all(
            b"POST /v1/run HTTP/1.1\r\nhost: jacod\r\ncontent-type: application/json\r\n\
              content-length: 400\r\n\r\n{\"ins",
        )
        .unwrap();
    // Clients are accepted in order: this one comes after it.
    rig.status().unwrap();
    let since_ns = now_ns(&mut sim);
    // The client is still there when the daemon has ended.
    assert!(rig.end_daemon(Signal::TERM).unwrap().success());
    row.is_told(&rig.log());
    row.judge_arm(&mut sim, since_ns).unwrap();
    drop(client);
}

#[test]
fn garbage() {
    let (row, rig) = (Row::of("garbage"), Rig::homed().unwrap());
    let mut sim = rig.control().unwrap();
    for bytes in [&b"\0\x01\x02\xff"[..], b"GET", b"stop\n", b"HTTP/1.1 200\r\n\r\n"] {
        let mut client = connect(&rig);
        client.write_all(bytes).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // The daemon may answer or close; it may not keep the client.
        let _ = client.read_to_end(&mut answer);
    }
    is_shown(&rig, &row);
    let since_ns = now_ns(&mut sim);
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.bring_back(&rig).unwrap();
}

#[test]
fn long_line() {
    let (row, rig) = (Row::of("long-line"), Rig::homed().unwrap());
    let mut sim = rig.control().unwrap();
    for head in
        ["GET /", "POST /v1/run HTTP/1.1\r\nhost: jacod\r\ncontent-length: 10000000\r\n\r\n"]
    {
        let mut client = connect(&rig);
        client.write_all(head.as_bytes()).unwrap();
        let line = vec![b'x'; 10_000_000];
        // The daemon hangs up on it.
        let _ = client.write_all(&line);
        let _ = client.read_to_end(&mut Vec::new());
    }
    is_shown(&rig, &row);
    let since_ns = now_ns(&mut sim);
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.bring_back(&rig).unwrap();
}

#[test]
fn many_clients() {
    let row = Row::of("many-clients");
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let rig = Rig::homed().unwrap();
    let mut sim = rig.control().unwrap();
    let clients: Vec<UnixStream> = (0..2000)
        .map(|_| poll("a connection", || Ok(UnixStream::connect(rig.path("jacod.sock")).ok())))
        .collect::<Result<_, _>>()
        .unwrap();
    let since_ns = now_ns(&mut sim);
    let stopped = rig.jaco_json(&["stop"]).unwrap();
    row.is_told(stopped["detail"].as_str().unwrap());
    assert_eq!(rig.status().unwrap().mode, Mode::Stopped);
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.bring_back(&rig).unwrap();
    drop(clients);
}

/// In a mount namespace of its own the daemon's runs/ is a disk of 64 kB.
#[test]
fn runs_disk_full() {
    let row = Row::of("runs-disk-full");
    let script = "mount -t tmpfs -o size=64k full \"$RUNS\" && exec \"$@\"";
    let script = format!("RUNS=$(dirname \"$3\")/data/runs; mkdir -p \"$RUNS\"; {script}");
    let wrapper = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"];
    let wrapper = wrapper.map(Into::into).to_vec();
    let rig = Rig::start_as(Setup { homed: true, wrapper, ..Setup::default() }).unwrap();
    let (run, mut sim) = rig.drive("30").unwrap();
    let since_ns = now_ns(&mut sim);
    row.is_told(&failed(run));
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.bring_back(&rig).unwrap();
}

#[test]
fn camera_frozen() {
    let (row, rig) = (Row::of("camera-frozen"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("300").unwrap();
    inject(&mut sim, Faults { freeze_camera: true, ..Faults::default() });
    let said = failed(run);
    let since_ns = now_ns(&mut sim);
    row.judge_arm(&mut sim, since_ns).unwrap();
    let faults = rig.until("the fault", |status| !status.faults.is_empty()).unwrap().faults;
    row.is_told(&(said + &faults.concat()));
    heal(&mut sim);
    rig.until("pictures", |status| status.faults.is_empty()).unwrap();
    row.bring_back(&rig).unwrap();
}
