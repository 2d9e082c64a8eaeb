//! Door: packets between daemon and servo, both directions. What is read is written and read
//! back to the same; what is refused is refused in words.
//!
//! Input: a byte whose lowest bit is the direction, then the packet.

use super::promise;
use jaco_servo::message::{
    MAX_COMMAND_LEN, MAX_FROM_SERVO_LEN, MessageError, decode_command, decode_from_servo,
    encode_command, encode_from_servo,
};
use jaco_servo::{Command, FromServo};

pub fn open(data: &[u8]) {
    let Some((direction, packet)) = data.split_first() else { return };
    if direction & 1 == 0 {
        match decode_command(packet) {
            Ok(command) => {
                let written = command_bytes(&command);
                let again = decode_command(&written).expect("what was written is read");
                // Bytes, not values: a NaN is not equal to itself.
                assert_eq!(command_bytes(&again), written, "{command:?}");
                assert!(!command.name().is_empty());
            }
            Err(error) => refused(&error, packet),
        }
    } else {
        match decode_from_servo(packet) {
            Ok(message) => {
                let written = message_bytes(&message);
                let again = decode_from_servo(&written).expect("what was written is read");
                assert_eq!(message_bytes(&again), written, "{message:?}");
            }
            Err(error) => refused(&error, packet),
        }
    }
}

fn command_bytes(command: &Command) -> Vec<u8> {
    let mut buffer = [0; MAX_COMMAND_LEN];
    encode_command(command, &mut buffer).expect("there is room for any command").to_vec()
}

fn message_bytes(message: &FromServo) -> Vec<u8> {
    let mut buffer = [0; MAX_FROM_SERVO_LEN];
    encode_from_servo(message, &mut buffer).expect("there is room for any message").to_vec()
}

fn refused(error: &MessageError, packet: &[u8]) {
    promise::is_for_people(&error.to_string(), packet);
}
