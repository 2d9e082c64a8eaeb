//! The policy behind core's seam: what it answers is the tail of what decoding gives.

use crate::decoding::INSTRUCTION;
use crate::support::{mini, picture};
use jaco_core::{ActionPolicy, Ask, Chunk, Frame, ManualClock};
use jaco_model::{Decoding, DecodingPolicy, OpenVlaPolicy, Policy};
use std::sync::Arc;
use tch::Device;

fn behind_the_seam(decoding: Decoding) -> DecodingPolicy {
    let policy = OpenVlaPolicy::load(&mini(), Device::Cpu).unwrap();
    DecodingPolicy::new(policy, decoding, Arc::new(ManualClock::default()))
}

fn ask(frame: &Frame) -> Ask<'_> {
    Ask { frame, instruction: INSTRUCTION, horizon: 4, committed: &[], number: 3 }
}

#[test]
fn an_answer_is_what_stands_behind_the_committed_units() {
    let frame = picture(128, 128, 5);
    for expectation in [false, true] {
        let decoding = Decoding::new("greedy".parse().unwrap(), 0, expectation, None);
        let plain = OpenVlaPolicy::load(&mini(), Device::Cpu).unwrap();
        let whole = plain.decode(&frame, INSTRUCTION, &decoding.request(4, 3)).unwrap().into_best();
        let mut policy = behind_the_seam(decoding);
        for committed in [0, 1, 3] {
            let ask = Ask { committed: &whole.units[..committed], ..ask(&frame) };
            let Chunk::Units { units, values } = policy.answer(&ask).unwrap().chunk else {
                panic!("units are decoded");
            };
            assert_eq!(units, whole.units[committed..]);
            assert_eq!(values.len(), if expectation { 4 - committed } else { 0 });
        }
    }
}

#[test]
fn what_cannot_be_answered_is_an_error_in_words() {
    let frame = picture(128, 128, 5);
    let mut policy = behind_the_seam(Decoding::default());
    let units = [jaco_core::ActionUnit([128; 7]); 5];
    let error = policy.answer(&Ask { committed: &units, ..ask(&frame) }).unwrap_err();
    assert!(error.to_string().contains("5 forced action units"), "{error}");
    let error = policy.answer(&Ask { horizon: 29, ..ask(&frame) }).unwrap_err();
    assert!(error.to_string().contains("29"), "{error}");
}

#[test]
fn the_check_refuses_what_an_answer_would_refuse() {
    let frame = picture(128, 128, 5);
    let mut policy = behind_the_seam(Decoding::default());
    let check = policy.instruction_check();
    assert_eq!(check(INSTRUCTION), Ok(()));
    let refused = check("fly to the moon").unwrap_err();
    let instruction = "fly to the moon";
    assert_eq!(policy.answer(&Ask { instruction, ..ask(&frame) }).unwrap_err(), refused);
    // Words that it knows, but more than it has positions for behind the picture.
    let long = format!("put {}blue cube", "the ".repeat(130));
    assert!(check(&long).unwrap_err().to_string().contains("positions"));
}
