//! `jaco policy ask`: one picture, one instruction, the actions that the policy would take.

use crate::decode_request;
use anyhow::{Context, ensure};
use jaco_cli::policy::AskArgs;
use jaco_core::{Action, ActionCodec, Clock, Frame};
use jaco_model::PolicyOptions;
use jaco_model::{DecodeRequest, Policy, Stream, Timings};
use serde::Serialize;
use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// What `jaco policy ask --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// The instruction.
    pub instruction: String,
    /// How tokens were chosen.
    pub decode: String,
    /// The streams, best first.
    pub streams: Vec<AnswerStream>,
    /// How long the parts took \[ms\].
    pub elapsed_ms: ElapsedMs,
}

/// One stream.
#[derive(Clone, Debug, Serialize)]
pub struct AnswerStream {
    /// Log-probability.
    pub score: f32,
    /// Tokens that break the grammar.
    pub violations: usize,
    /// The chosen tokens.
    pub tokens: Vec<i64>,
    /// The actions, 100 ms each.
    pub actions: Vec<AnswerAction>,
}

/// One action.
#[derive(Clone, Debug, Serialize)]
pub struct AnswerAction {
    #[serde(flatten)]
    action: Action,
    score: f32,
    entropy: f32,
}

/// How long the parts took \[ms\].
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ElapsedMs {
    image: f64,
    vision: f64,
    prefill: f64,
    decode: f64,
}

impl From<Timings> for ElapsedMs {
    fn from(t: Timings) -> Self {
        let ms = |ns: u64| ns as f64 * 1e-6;
        Self {
            image: ms(t.image_ns),
            vision: ms(t.vision_ns),
            prefill: ms(t.prefill_ns),
            decode: ms(t.decode_ns),
        }
    }
}

/// Carries out `jaco policy ask`.
pub fn ask(args: &AskArgs, clock: &dyn Clock) -> anyhow::Result<Answer> {
    let frame = read_png(&args.image)?;
    jaco_model::set_threads(i32::from(args.load.threads));
    let policy = options(args).load()?;
    let request = decode_request(&args.decode, policy.horizon())?;
    let request = DecodeRequest { clock: Some(clock), ..request };
    let decoded = policy.decode(&frame, &args.instruction, &request)?;
    let codec = ActionCodec::new(policy.statistics())?;
    Ok(Answer {
        instruction: args.instruction.clone(),
        decode: request.method.to_string(),
        streams: decoded.streams.iter().map(|stream| answer_stream(stream, &codec)).collect(),
        elapsed_ms: decoded.timings.unwrap_or_default().into(),
    })
}

fn options(args: &AskArgs) -> PolicyOptions {
    PolicyOptions {
        checkpoint: args.checkpoint.clone(),
        adapter: args.load.adapter.clone(),
        merge_adapter: args.load.merge,
        statistics: args.statistics.clone(),
        view: args.view,
        device: args.load.device,
        dtype: args.load.dtype(),
    }
}

fn answer_stream(stream: &Stream, codec: &ActionCodec) -> AnswerStream {
    let actions =
        stream.units.iter().zip(&stream.confidence).enumerate().map(|(i, (unit, confidence))| {
            AnswerAction {
                action: match &stream.values {
                    Some(values) => codec.decode_values(&values[i].map(f64::from)),
                    None => codec.decode(unit),
                },
                score: confidence.score(),
                entropy: confidence.entropy,
            }
        });
    AnswerStream {
        score: stream.score(),
        violations: stream.violations(),
        tokens: stream.tokens.clone(),
        actions: actions.collect(),
    }
}

/// Reads a PNG file of any colour type as 8-bit RGB.
fn read_png(path: &Path) -> anyhow::Result<Frame> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot open the picture {name}"))?;
    let mut decoder = png::Decoder::new(BufReader::new(file));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().with_context(|| format!("{name} is no PNG picture"))?;
    let size = reader.output_buffer_size().with_context(|| format!("{name} is too large"))?;
    let mut bytes = vec![0; size];
    let info =
        reader.next_frame(&mut bytes).with_context(|| format!("{name} is a damaged picture"))?;
    bytes.truncate(info.buffer_size());
    let channels = info.color_type.samples();
    ensure!(info.bit_depth == png::BitDepth::Eight, "{name} could not be read with 8 bits");
    let rgb: Vec<u8> = bytes
        .chunks_exact(channels)
        .flat_map(|pixel| match pixel {
            [grey] | [grey, _] => [*grey; 3],
            [red, green, blue, ..] => [*red, *green, *blue],
            [] => [0; 3],
        })
        .collect();
    Ok(Frame {
        jpeg: None,
        camera: name.to_string().into(),
        captured_ns: 0,
        width: info.width,
        height: info.height,
        rgb: rgb.into(),
    })
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, stream) in self.streams.iter().enumerate() {
            writeln!(
                f,
                "stream {}: log-probability {:.3}, {} tokens break the grammar",
                number + 1,
                stream.score,
                stream.violations
            )?;
            writeln!(f, "      dx     dy     dz [mm]  droll dpitch   dyaw [mrad]  opening  nats")?;
            for AnswerAction { action, entropy, .. } in &stream.actions {
                let [x, y, z] = action.translation_m.map(|value| value * 1e3);
                let [roll, pitch, yaw] = action.rotation_rad.map(|value| value * 1e3);
                let opening = action.gripper;
                writeln!(
                    f,
                    "  {x:6.2} {y:6.2} {z:6.2}       {roll:6.2} {pitch:6.2} {yaw:6.2}         \
                     {opening:6.2} {entropy:5.2}"
                )?;
            }
        }
        let ElapsedMs { image, vision, prefill, decode } = self.elapsed_ms;
        write!(
            f,
            "{:.1} ms: picture {image:.1}, vision {vision:.1}, prefill {prefill:.1}, \
             decoding {decode:.1}",
            image + vision + prefill + decode
        )
    }
}
