//! The functions that the stand-in exports so that a program linked to the SDK can load it, and
//! that do nothing: each returns 1013, "not supported", whatever its arguments, and writes to
//! none of them.

use std::ffi::c_int;

macro_rules! unsupported {
    ($($name:ident,)*) => {
        $(
            #[doc = concat!("Not emulated: 1013. SDK: `", stringify!($name), "`.")]
            // The caller's arguments are ignored, which the C calling convention allows: who
            // calls also clears them away.
            #[unsafe(no_mangle)]
            pub extern "C" fn $name() -> c_int {
                kinova_sys::LIBUSB_NOT_SUPPORTED
            }

            const _: () = {
                #[unsafe(export_name = concat!("Ethernet_", stringify!($name)))]
                extern "C" fn ethernet() -> c_int {
                    kinova_sys::LIBUSB_NOT_SUPPORTED
                }
            };
        )*
    };
}

unsupported! {
    ActivateAutoNullSpaceMotionCartesian,
    ActivateCollisionAutomaticAvoidance,
    ActivateExtraProtectionPinchingWrist,
    ActivateSingularityAutomaticAvoidance,
    ClearErrorLog,
    EraseAllProtectionZones,
    GetActualTrajectoryInfo,
    GetActuatorAcceleration,
    GetAngularCurrentMotor,
    GetAngularTorqueCommand,
    GetAngularTorqueGravityEstimation,
    GetCommandVelocity,
    GetControlMapping,
    GetDevValue,
    GetEndEffectorOffset,
    GetEthernetConfiguration,
    GetPositionCurrentActuators,
    GetProtectionZone,
    GetSingularityVector,
    GetSpasmFilterValues,
    GetSystemError,
    GetSystemErrorCount,
    OpenRS485_Activate,
    ProgramFlash,
    RestoreFactoryDefault,
    RunGravityZEstimationSequence,
    RunGravityZEstimationSequence7DOF,
    SendAngularTorqueCommand,
    SendCartesianForceCommand,
    SetActuatorAddress,
    SetActuatorMaxVelocity,
    SetActuatorPID,
    SetActuatorPIDFilter,
    SetAngularInertiaDamping,
    SetAngularTorqueMinMax,
    SetCartesianForceMinMax,
    SetCartesianInertiaDamping,
    SetClientConfigurations,
    SetControlMapping,
    SetDefaultGravityParam,
    SetDevValue,
    SetEndEffectorOffset,
    SetEthernetConfiguration,
    SetGravityManualInputParam,
    SetGravityOptimalZParam,
    SetGravityPayload,
    SetGravityType,
    SetGravityVector,
    SetJointZero,
    SetLocalMACAddress,
    SetModel,
    SetPositionLimitDistance,
    SetProtectionZone,
    SetRobotConfiguration,
    SetSerialNumber,
    SetSpasmFilterValues,
    SetSwitchThreshold,
    SetTorqueActuatorDamping,
    SetTorqueActuatorGain,
    SetTorqueBrake,
    SetTorqueCommandMax,
    SetTorqueControlType,
    SetTorqueDampingMax,
    SetTorqueErrorDeadband,
    SetTorqueErrorResend,
    SetTorqueFeedCurrent,
    SetTorqueFeedCurrentVoltage,
    SetTorqueFeedFilter,
    SetTorqueFeedVelocity,
    SetTorqueFeedVelocityUnderGain,
    SetTorqueFilterControlEffort,
    SetTorqueFilterError,
    SetTorqueFilterMeasuredTorque,
    SetTorqueFilterVelocity,
    SetTorqueGainMax,
    SetTorqueInactivityTimeActuator,
    SetTorqueInactivityTimeMainController,
    SetTorqueInactivityType,
    SetTorquePositionLimitDampingGain,
    SetTorquePositionLimitDampingMax,
    SetTorquePositionLimitRepulsGain,
    SetTorquePositionLimitRepulsMax,
    SetTorqueRateLimiter,
    SetTorqueRobotProtection,
    SetTorqueSafetyFactor,
    SetTorqueStaticFriction,
    SetTorqueStaticFrictionMax,
    SetTorqueVelocityLimitFilter,
    SetTorqueVibrationController,
    SetTorqueZero,
    StartCurrentLimitation,
    StartForceControl,
    StartRedundantJointNullSpaceMotion,
    StopCurrentLimitation,
    StopRedundantJointNullSpaceMotion,
    SwitchTrajectoryTorque,
}

macro_rules! unsupported_on_ethernet {
    ($($name:ident,)*) => {
        $(
            #[doc = concat!("Not emulated: 1013. SDK: `", stringify!($name), "`.")]
            #[unsafe(no_mangle)]
            pub extern "C" fn $name() -> c_int {
                kinova_sys::LIBUSB_NOT_SUPPORTED
            }
        )*
    };
}

// Of the Ethernet layer only.
unsupported_on_ethernet! {
    Ethernet_GetAllRobotIdentity,
    Ethernet_GetRobotIdentity,
}
