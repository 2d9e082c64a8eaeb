//! The `sdk` channel: calls that the SDK stand-in hands to the emulated base.

use crate::wire::{Channel, Message, open};
use crate::{LinkError, Plain};
use kinova_sys::{JoystickCommand, KinovaDevice, TrajectoryPoint};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Longest payload of a call or a reply: the largest struct has 2480 bytes.
pub const MAX_PAYLOAD_BYTES: usize = 4096;

macro_rules! calls {
    (
        reads { $($read:ident = $read_id:literal,)* }
        commands { $($command:ident = $command_id:literal,)* }
        commands_with_argument { $($with:ident($type:ty) = $with_id:literal,)* }
    ) => {
        /// A call of the SDK, named as there. Its number is its tag on the wire.
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[allow(missing_docs, clippy::large_enum_variant)]
        pub enum Call {
            $($read,)*
            $($command,)*
            $($with($type),)*
        }

        /// The name of a [`Call`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[allow(missing_docs)]
        pub enum CallName {
            $($read,)*
            $($command,)*
            $($with,)*
        }

        impl CallName {
            /// Whether the call reads state: such a call reports failures, the others claim
            /// success.
            pub fn is_read(self) -> bool {
                matches!(self, $(CallName::$read)|*)
            }
        }

        impl fmt::Display for CallName {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(CallName::$read => stringify!($read),)*
                    $(CallName::$command => stringify!($command),)*
                    $(CallName::$with => stringify!($with),)*
                })
            }
        }

        impl Call {
            /// What the call is called.
            pub fn name(&self) -> CallName {
                match self {
                    $(Call::$read => CallName::$read,)*
                    $(Call::$command => CallName::$command,)*
                    $(Call::$with(_) => CallName::$with,)*
                }
            }

            /// Whether it reads state: such a call reports failures, the others claim success.
            pub fn is_read(&self) -> bool {
                self.name().is_read()
            }

            /// The call as a message.
            pub fn encode(&self) -> Message {
                match self {
                    $(Call::$read => Message { tag: $read_id, payload: Vec::new() },)*
                    $(Call::$command => Message { tag: $command_id, payload: Vec::new() },)*
                    $(Call::$with(argument) => {
                        Message { tag: $with_id, payload: argument.to_bytes() }
                    })*
                }
            }

            /// The inverse of [`Call::encode`]; fails on an unknown number or a wrong size.
            pub fn decode(message: &Message) -> Result<Call, LinkError> {
                let call = match message.tag {
                    $($read_id => Call::$read,)*
                    $($command_id => Call::$command,)*
                    $($with_id => return Ok(Call::$with(<$type>::from_bytes(&message.payload)?)),)*
                    tag => {
                        let detail = format!("no function has number {tag}");
                        return Err(LinkError::Malformed { what: "call", detail });
                    }
                };
                if !message.payload.is_empty() {
                    let detail = format!("function {} takes no argument", message.tag);
                    return Err(LinkError::Malformed { what: "call", detail });
                }
                Ok(call)
            }
        }
    };
}

calls! {
    reads {
        GetDevices = 1,
        GetClientConfigurations = 2,
        GetGeneralInformations = 3,
        GetQuickStatus = 4,
        GetSensorsInfo = 5,
        GetForcesInfo = 6,
        GetGripperStatus = 7,
        GetControlType = 8,
        GetGlobalTrajectoryInfo = 9,
        GetJoystickValue = 10,
        GetCartesianPosition = 11,
        GetAngularPosition = 12,
        GetCartesianCommand = 13,
        GetAngularCommand = 14,
        GetCartesianForce = 15,
        GetAngularForce = 16,
        GetAngularForceGravityFree = 17,
        GetAngularVelocity = 18,
        GetAngularCurrent = 19,
        GetCodeVersion = 20,
        GetPeripheralInventory = 21,
        GetTrajectoryTorqueMode = 22,
    }
    commands {
        InitAPI = 40,
        StartControlAPI = 41,
        StopControlAPI = 42,
        SetCartesianControl = 43,
        SetAngularControl = 44,
        EraseAllTrajectories = 45,
        MoveHome = 46,
        InitFingers = 47,
        StopForceControl = 48,
    }
    commands_with_argument {
        SetActiveDevice(KinovaDevice) = 60,
        SetFrameType(i32) = 61,
        SendBasicTrajectory(TrajectoryPoint) = 62,
        SendAdvanceTrajectory(TrajectoryPoint) = 63,
        SendJoystickCommand(JoystickCommand) = 64,
    }
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Return code.
    pub code: i32,
    /// The struct that a read fills; empty when it failed.
    pub output: Vec<u8>,
}

impl Reply {
    /// An answer without output.
    pub fn code(code: i32) -> Self {
        Self { code, output: Vec::new() }
    }

    /// A successful answer with its output.
    pub fn output(value: &impl Plain) -> Self {
        Self { code: kinova_sys::SUCCESS, output: value.to_bytes() }
    }

    /// Takes the output of `other`, cut or filled up with zeros to its own length: the SDK reads
    /// a reply as that to its question, whatever it is.
    pub fn mistake_for(&mut self, other: &Reply) {
        let length = self.output.len();
        self.output =
            other.output.iter().copied().chain(std::iter::repeat(0)).take(length).collect();
    }

    /// The answer as a message.
    pub fn encode(self) -> Message {
        Message { tag: self.code.cast_unsigned(), payload: self.output }
    }

    /// The inverse of [`Reply::encode`].
    pub fn decode(message: Message) -> Self {
        Self { code: message.tag.cast_signed(), output: message.payload }
    }
}

/// The stand-in's connection to the emulated base.
#[derive(Debug)]
pub struct SdkClient {
    stream: UnixStream,
}

impl SdkClient {
    /// Connects to the socket at `path`.
    pub fn connect(path: &Path) -> Result<Self, LinkError> {
        Ok(Self { stream: open(path, Channel::Sdk)? })
    }

    /// Makes `call` and waits for its answer, without limit, as the SDK does.
    pub fn call(&mut self, call: &Call) -> Result<Reply, LinkError> {
        call.encode().write(&mut self.stream)?;
        let message = Message::read(&mut self.stream, MAX_PAYLOAD_BYTES)?;
        Ok(Reply::decode(message.ok_or(LinkError::Closed)?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_decodes_encodes_to_the_same(
            tag in 0u32..80,
            payload in prop::collection::vec(any::<u8>(), 0..130),
        ) {
            let message = Message { tag, payload };
            if let Ok(call) = Call::decode(&message) {
                prop_assert_eq!(call.encode(), message);
            }
        }

        #[test]
        fn points_survive_the_wire(x: f32, finger: f32, delay: f32) {
            let mut point = TrajectoryPoint::default();
            point.Position.Type = kinova_sys::POSITION_TYPE::CARTESIAN_VELOCITY;
            point.Position.CartesianPosition.X = x;
            point.Position.Fingers.Finger1 = finger;
            point.Position.Delay = delay;
            let call = Call::SendBasicTrajectory(point);
            prop_assert_eq!(Call::decode(&call.encode()).unwrap(), call);
        }

        #[test]
        fn replies_survive_the_wire(
            code: i32,
            output in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let reply = Reply { code, output };
            prop_assert_eq!(Reply::decode(reply.clone().encode()), reply);
        }
    }

    #[test]
    fn a_call_that_is_none_is_refused() {
        for message in [
            Message { tag: 0, payload: vec![] },
            Message { tag: Call::GetCartesianPosition.encode().tag, payload: vec![1] },
            Message { tag: 62, payload: vec![0; 119] },
        ] {
            let error = Call::decode(&message).unwrap_err();
            assert!(matches!(error, LinkError::Malformed { .. }), "{error}");
        }
    }
}
