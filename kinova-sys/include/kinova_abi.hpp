// The binary interface of the Kinova SDK's command layer (x86-64), as this project declares it.
//
// Written from measured offsets, sizes and calling conventions (tests/fixtures), not from the
// vendor's headers. It owns names, types and units; it never ships vendor text. Functions that
// change an arm for good (flash, serial number, addresses, joint zeros, actuator gains) are left
// out on purpose.
//
// bindgen turns the types into Rust, comments included; the prototypes at the end are checked
// against the signatures in src/sdk.rs at compile time.
#pragma once

typedef unsigned long size_t;

/// Most devices that GetDevices reports.
const size_t MAX_KINOVA_DEVICE = 20;
/// Bytes of a serial number, terminator included.
const size_t SERIAL_LENGTH = 20;
/// Bytes of every other string, terminator included.
const size_t STRING_LENGTH = 20;
/// Numbers in a Cartesian vector.
const size_t CARTESIAN_SIZE = 6;
/// Actuators of the largest arm.
const size_t MAX_ACTUATORS = 7;
/// Entries that GetPeripheralInventory fills.
const size_t MAX_INVENTORY = 15;
/// Numbers that GetCodeVersion fills.
const size_t CODE_VERSION_COUNT = 42;
/// Numbers that GetAPIVersion fills.
const size_t API_VERSION_COUNT = 3;
/// Numbers that GetPositionCurrentActuators fills.
const size_t POSITION_CURRENT_COUNT = 12;
/// Numbers in a torque or force command.
const size_t COMMAND_SIZE = 70;
/// Numbers that RunGravityZEstimationSequence fills.
const size_t OPTIMAL_Z_PARAM_SIZE = 16;
/// Numbers in a gravity vector.
const size_t GRAVITY_VECTOR_SIZE = 3;
/// Numbers in a set of gravity parameters.
const size_t GRAVITY_PARAM_SIZE = 42;
/// Numbers in a gravity payload: mass [kg], then its centre x, y, z [m].
const size_t GRAVITY_PAYLOAD_SIZE = 4;
/// Buttons of a joystick.
const size_t JOYSTICK_BUTTON_COUNT = 16;
/// Poses in the retract sequence of a client configuration.
const size_t NB_ADVANCE_RETRACT_POSITION = 20;
/// Fingers of a hand.
const size_t JACO_FINGERS_COUNT = 3;
/// Protection zones in a list.
const size_t LEGACY_CONFIG_NB_ZONES_MAX = 10;
/// Corners of a protection zone.
const size_t LEGACY_CONFIG_NB_POINTS_COUNT = 8;
/// Layers that a system error reports on.
const size_t ERROR_LAYER_COUNT = 7;
/// Numbers in a system error.
const size_t ERROR_DATA_COUNT_MAX = 50;

/// What a trajectory point asks for. There is no relative displacement.
enum class POSITION_TYPE : int {
    /// Nothing.
    NOMOVEMENT_POSITION = 0,
    /// An absolute tool pose: runs to its end even if the client dies.
    CARTESIAN_POSITION = 1,
    /// Absolute joint angles: runs to its end even if the client dies.
    ANGULAR_POSITION = 2,
    /// The retracted pose.
    RETRACTED = 3,
    /// Stored pose 1.
    PREDEFINED1 = 4,
    /// Stored pose 2.
    PREDEFINED2 = 5,
    /// Stored pose 3.
    PREDEFINED3 = 6,
    /// A tool velocity for one 10 ms tick.
    CARTESIAN_VELOCITY = 7,
    /// Joint velocities for one 10 ms tick.
    ANGULAR_VELOCITY = 8,
    /// Stored pose 4.
    PREDEFINED4 = 9,
    /// Stored pose 5.
    PREDEFINED5 = 10,
    /// Any of the others.
    ANY_TRAJECTORY = 11,
    /// A pause.
    TIME_DELAY = 12,
};

/// What a trajectory point does with the fingers. With a velocity type of point the finger
/// numbers are velocities whatever this says.
enum class HAND_MODE : int {
    /// Fingers stay.
    HAND_NOMOVEMENT = 0,
    /// Finger numbers are positions: zeros OPEN the hand.
    POSITION_MODE = 1,
    /// Finger numbers are velocities.
    VELOCITY_MODE = 2,
    /// No finger.
    NO_FINGER = 3,
    /// One finger.
    ONE_FINGER = 4,
    /// Two fingers.
    TWO_FINGERS = 5,
    /// Three fingers.
    THREE_FINGERS = 6,
};

/// Which arm of a person the robot stands for.
enum class ArmLaterality : int {
    /// Right.
    RIGHTHAND = 0,
    /// Left.
    LEFTHAND = 1,
};

/// Whether trajectories are positions or torques.
enum class GENERALCONTROL_TYPE : int {
    /// Positions and velocities.
    POSITION = 0,
    /// Torques.
    TORQUE = 1,
};

/// How torques are controlled.
enum class TORQUECONTROL_TYPE : int {
    /// Directly.
    DIRECTTORQUE = 0,
    /// Impedance of the joints.
    IMPEDANCEANGULAR = 1,
    /// Impedance of the tool.
    IMPEDANCECARTESIAN = 2,
};

/// Where gravity parameters come from.
enum class GRAVITY_TYPE : int {
    /// SetGravityManualInputParam.
    MANUAL_INPUT = 0,
    /// SetGravityOptimalZParam.
    OPTIMAL = 1,
};

/// Kind of robot, as the firmware numbers them.
enum class ROBOT_TYPE : int {
    /// First Jaco, assistive.
    JACOV1_ASSISTIVE = 0,
    /// Mico, six joints, service.
    MICO_6DOF_SERVICE = 1,
    /// Mico, four joints, service.
    MICO_4DOF_SERVICE = 2,
    /// Jaco2, six joints, service.
    JACOV2_6DOF_SERVICE = 3,
    /// Jaco2, four joints, service.
    JACOV2_4DOF_SERVICE = 4,
    /// Mico, six joints, assistive.
    MICO_6DOF_ASSISTIVE = 5,
    /// Jaco2, six joints, curved wrist, assistive.
    JACOV2_6DOF_ASSISTIVE = 6,
    /// Jaco2, six joints, spherical wrist, service.
    SPHERICAL_6DOF_SERVICE = 7,
    /// Jaco2, seven joints, spherical wrist, service.
    SPHERICAL_7DOF_SERVICE = 8,
    /// Some robot.
    GENERIC = 254,
    /// Not known.
    ERROR = 255,
};

/// What GetControlType writes.
enum class CONTROL_TYPE : int {
    /// Cartesian control.
    CARTESIAN = 0,
    /// Joint control.
    ANGULAR = 1,
    /// Not known.
    UNKNOWN = 9999,
};

/// What QuickStatus.RetractType says: where the arm is between home and its retracted pose.
enum class RETRACT_TYPE : int {
    /// On its way from anywhere to home.
    NORMAL_TO_READY = 0,
    /// At home: the test of "homed".
    READY_STANDBY = 1,
    /// On its way from home to retracted.
    READY_TO_RETRACT = 2,
    /// Retracted.
    RETRACT_STANDBY = 3,
    /// On its way from retracted to home.
    RETRACT_TO_READY = 4,
    /// Somewhere, having been homed.
    NORMAL_STANDBY = 5,
    /// Not homed since power-up.
    NOT_INITIALIZED = 6,
};

/// Shape of a protection zone; only one is in use.
enum class ShapeType : int {
    /// A prism with a square base along z.
    PrismSquareBase_Z = 2,
};

/// Kind of a logged system error.
enum class errorLoggerType : int {
    /// An actuator's temperature is bad.
    ACTUATOR_TEMPERATURE_BAD = 5,
    /// An actuator's temperature is good again.
    ACTUATOR_TEMPERATURE_OK = 6,
    /// A finger's temperature is bad.
    FINGER_TEMPERATURE_BAD = 7,
    /// A finger's temperature is good again.
    FINGER_TEMPERATURE_OK = 8,
    /// The supply voltage is bad.
    VOLTAGE_BAD = 9,
    /// The supply voltage is good again.
    VOLTAGE_OK = 10,
    /// A finger draws too much current while closing.
    FINGER_CURRENT_CLOSING_BAD = 11,
    /// A finger draws too much current while opening.
    FINGER_CURRENT_OPENING_BAD = 12,
    /// A finger's current is good again.
    FINGER_CURRENT_OK = 13,
    /// An actuator's current is bad.
    ACTUATOR_CURRENT_BAD = 14,
    /// An actuator's current is good again.
    ACTUATOR_CURRENT_OK = 15,
    /// An actuator is missing.
    BUILD_INCOMPLETE = 16,
};

/// Where the Ethernet layer finds the arm. Addresses are as inet_addr gives them: network byte
/// order in the low 32 bits.
struct EthernetCommConfig {
    /// This machine's address on the arm's network.
    unsigned long localIpAddress;
    /// Mask of that network.
    unsigned long subnetMask;
    /// The arm's address.
    unsigned long robotIpAddress;
    /// Port for commands on this machine; 25000 by default, its own for each arm.
    unsigned short localCmdport;
    /// Port for broadcasts on this machine; 25025 by default, its own for each arm.
    unsigned short localBcastPort;
    /// The arm's port; 55000 by default.
    unsigned short robotPort;
    /// How long a read may wait [ms].
    unsigned long rxTimeOutInMs;
};

/// One arm that the SDK found.
struct KinovaDevice {
    /// Serial number, NUL-terminated; it is what selects an arm. "Not set" after a firmware update.
    char SerialNumber[SERIAL_LENGTH];
    /// Model, NUL-terminated.
    char Model[SERIAL_LENGTH];
    /// Firmware version.
    int VersionMajor;
    /// Firmware version.
    int VersionMinor;
    /// Firmware version.
    int VersionRelease;
    /// Kind of device.
    int DeviceType;
    /// The SDK's own number for it.
    int DeviceID;
};

/// One number for each actuator: angles [deg], velocities [deg/s] or torques [N m].
struct AngularInfo {
    /// Joint 1.
    float Actuator1;
    /// Joint 2.
    float Actuator2;
    /// Joint 3.
    float Actuator3;
    /// Joint 4.
    float Actuator4;
    /// Joint 5.
    float Actuator5;
    /// Joint 6.
    float Actuator6;
    /// Joint 7; unused on a six-joint arm.
    float Actuator7;
};

/// A pose [m, rad], a velocity [m/s, rad/s] or a wrench [N, N m] of the tool.
/// Orientation is R = Rx(ThetaX) Ry(ThetaY) Rz(ThetaZ) in the base frame; of a velocity the
/// linear part is in the base frame and the angular part in the tool's frame.
struct CartesianInfo {
    /// Along x.
    float X;
    /// Along y.
    float Y;
    /// Along z.
    float Z;
    /// About x.
    float ThetaX;
    /// About y.
    float ThetaY;
    /// About z.
    float ThetaZ;
};

/// One number for each finger: positions [ticks: 0 open, about 6800 closed] or velocities
/// [ticks/s].
struct FingersPosition {
    /// Finger 1.
    float Finger1;
    /// Finger 2.
    float Finger2;
    /// Finger 3; garbage on a two-finger hand.
    float Finger3;
};

/// Tool pose and fingers.
struct CartesianPosition {
    /// The tool.
    CartesianInfo Coordinates;
    /// The fingers.
    FingersPosition Fingers;
};

/// Joints and fingers.
struct AngularPosition {
    /// The joints.
    AngularInfo Actuators;
    /// The fingers.
    FingersPosition Fingers;
};

/// Supply and temperatures.
struct SensorsInfo {
    /// Supply [V].
    float Voltage;
    /// Supply [A].
    float Current;
    /// Base acceleration [g].
    float AccelerationX;
    /// Base acceleration [g].
    float AccelerationY;
    /// Base acceleration [g].
    float AccelerationZ;
    /// Joint 1 [deg C].
    float ActuatorTemp1;
    /// Joint 2 [deg C].
    float ActuatorTemp2;
    /// Joint 3 [deg C].
    float ActuatorTemp3;
    /// Joint 4 [deg C].
    float ActuatorTemp4;
    /// Joint 5 [deg C].
    float ActuatorTemp5;
    /// Joint 6 [deg C].
    float ActuatorTemp6;
    /// Joint 7 [deg C].
    float ActuatorTemp7;
    /// Finger 1 [deg C].
    float FingerTemp1;
    /// Finger 2 [deg C].
    float FingerTemp2;
    /// Finger 3 [deg C].
    float FingerTemp3;
};

/// Limits of one trajectory point; only the first two numbers are used.
struct Limitation {
    /// Translation [m/s], or joints 1-3 [deg/s].
    float speedParameter1;
    /// Rotation [rad/s], or the other joints [deg/s].
    float speedParameter2;
    /// Not used.
    float speedParameter3;
    /// Not used.
    float forceParameter1;
    /// Not used.
    float forceParameter2;
    /// Not used.
    float forceParameter3;
    /// Not used.
    float accelerationParameter1;
    /// Not used.
    float accelerationParameter2;
    /// Not used.
    float accelerationParameter3;
};

/// What a trajectory point asks for.
struct UserPosition {
    /// How the rest is read. Always set it: zero is not what an SDK default means.
    POSITION_TYPE Type;
    /// Pause of a TIME_DELAY point [s].
    float Delay;
    /// Pose or velocity of the tool, for the Cartesian types.
    CartesianInfo CartesianPosition;
    /// Angles or velocities of the joints, for the angular types.
    AngularInfo Actuators;
    /// How Fingers is read.
    HAND_MODE HandMode;
    /// Positions or velocities of the fingers.
    FingersPosition Fingers;
};

/// One entry of the trajectory FIFO.
struct TrajectoryPoint {
    /// What it asks for.
    UserPosition Position;
    /// Non-zero: Limitations holds (SendAdvanceTrajectory only).
    int LimitationsActive;
    /// How the joints are synchronised (SendAdvanceTrajectory only).
    int SynchroType;
    /// Limits (SendAdvanceTrajectory only).
    Limitation Limitations;
};

/// State of the trajectory FIFO.
struct TrajectoryFIFO {
    /// Points waiting.
    unsigned int TrajectoryCount;
    /// How full it is [%].
    float UsedPercentage;
    /// Points that fit; 2000 by the vendor's word.
    unsigned int MaxSize;
};

/// Nearness to a singularity; the vendor says it is not in use.
struct SingularityVector {
    /// Translation singularities near.
    int TranslationSingularityCount;
    /// Orientation singularities near.
    int OrientationSingularityCount;
    /// Distance to the nearest.
    float TranslationSingularityDistance;
    /// Distance to the nearest.
    float OrientationSingularityDistance;
    /// Where it pushes.
    CartesianInfo RepulsionVector;
};

/// State of the joystick; axes are -1..1.
struct JoystickCommand {
    /// Buttons, non-zero when held.
    short ButtonValue[JOYSTICK_BUTTON_COUNT];
    /// Axis.
    float InclineLeftRight;
    /// Axis.
    float InclineForwardBackward;
    /// Axis.
    float Rotate;
    /// Axis.
    float MoveLeftRight;
    /// Axis.
    float MoveForwardBackward;
    /// Axis.
    float PushPull;
};

/// Configuration in an arm's flash. Two arms may differ in the speeds they allow.
struct ClientConfigurations {
    /// Client.
    char ClientID[STRING_LENGTH];
    /// Client.
    char ClientName[STRING_LENGTH];
    /// Client.
    char Organization[STRING_LENGTH];
    /// Serial number.
    char Serial[STRING_LENGTH];
    /// Model.
    char Model[STRING_LENGTH];
    /// Side of the body.
    ArmLaterality Laterality;
    /// Tool speed allowed [m/s], 0.04 to 0.20.
    float MaxTranslationVelocity;
    /// Tool rotation allowed [rad/s], 0.16 to 1.07.
    float MaxOrientationVelocity;
    /// Tool acceleration allowed [m/s2].
    float MaxTranslationAcceleration;
    /// Tool rotational acceleration allowed [rad/s2].
    float MaxOrientationAcceleration;
    /// Force allowed [N].
    float MaxForce;
    /// Joystick sensitivity.
    float Sensibility;
    /// Height for drinking [m].
    float DrinkingHeight;
    /// Whether RetractPositions is a sequence.
    int ComplexRetractActive;
    /// Angle of the retracted pose [deg].
    float RetractedPositionAngle;
    /// Poses used in RetractPositions.
    int RetractedPositionCount;
    /// Poses of the retract sequence, home among them.
    UserPosition RetractPositions[NB_ADVANCE_RETRACT_POSITION];
    /// Distance for drinking [m].
    float DrinkingDistance;
    /// Whether fingers 2 and 3 are swapped.
    int Fingers2and3Inverted;
    /// Length for drinking [m] (sic).
    float DrinkingLenght;
    /// Whether retracting forgets the stored poses.
    int DeletePreProgrammedPositionsAtRetract;
    /// Whether errors are logged to flash.
    int EnableFlashErrorLog;
    /// Whether positions are logged to flash.
    int EnableFlashPositionLog;
    /// Configuration in use.
    int RobotConfigSelect;
    /// Whether torque sensors are on.
    int TorqueSensorsEnable;
    /// Frame of joystick motion: 0 fixed, 1 rotating.
    int FrameType;
    /// Room.
    int Expansion[195];
};

/// One entry of the error log in flash.
struct SystemError {
    /// Header.
    unsigned int ErrorHeader;
    /// Kind.
    errorLoggerType ErrorType;
    /// Firmware at the time.
    int FirmwareVersion;
    /// Operating system at the time.
    int KeosVersion;
    /// When.
    unsigned int SystemTime;
    /// Layers affected; a C++ bool each, declared as bytes so that any content is valid in Rust.
    unsigned char LayerErrorStatus[ERROR_LAYER_COUNT];
    /// Age.
    int LifeTime;
    /// Numbers used in Data.
    int DataCount;
    /// Numbers.
    unsigned int Data[ERROR_DATA_COUNT_MAX];
};

/// Limits inside a protection zone; fields as in Limitation.
struct ZoneLimitation {
    /// Translation [m/s].
    float speedParameter1;
    /// Rotation [rad/s].
    float speedParameter2;
    /// Not used.
    float speedParameter3;
    /// Not used.
    float forceParameter1;
    /// Not used.
    float forceParameter2;
    /// Not used.
    float forceParameter3;
    /// Not used.
    float accelerationParameter1;
    /// Not used.
    float accelerationParameter2;
    /// Not used.
    float accelerationParameter3;
};

/// Torques of the joints [N m] and force [N] and torque [N m] at the tool.
struct ForcesInfo {
    /// Joint 1 [N m].
    float Actuator1;
    /// Joint 2 [N m].
    float Actuator2;
    /// Joint 3 [N m].
    float Actuator3;
    /// Joint 4 [N m].
    float Actuator4;
    /// Joint 5 [N m].
    float Actuator5;
    /// Joint 6 [N m].
    float Actuator6;
    /// Joint 7 [N m].
    float Actuator7;
    /// Base frame [N].
    float X;
    /// Base frame [N].
    float Y;
    /// Base frame [N].
    float Z;
    /// About x [N m].
    float ThetaX;
    /// About y [N m].
    float ThetaY;
    /// About z [N m].
    float ThetaZ;
};

/// The state flags that fit one packet.
struct QuickStatus {
    /// 1 once finger 1 is initialised.
    unsigned char Finger1Status;
    /// 1 once finger 2 is initialised.
    unsigned char Finger2Status;
    /// 1 once finger 3 is initialised.
    unsigned char Finger3Status;
    /// A RETRACT_TYPE; 1 means homed.
    unsigned char RetractType;
    /// Whether the retract sequence is complex.
    unsigned char RetractComplexity;
    /// 0 means ON, 1 OFF.
    unsigned char ControlEnableStatus;
    /// Controller in use: 0 none, 1 joint velocity, 2 joint position, 3 tool velocity, 4 tool
    /// position, 5 retract, 6 trajectory, 7 stored pose, 8 pause.
    unsigned char ControlActiveModule;
    /// 0 fixed, 1 rotating.
    unsigned char ControlFrameType;
    /// Not documented; perhaps a singularity or collision.
    unsigned char CartesianFaultState;
    /// 0 means ON.
    unsigned char ForceControlStatus;
    /// 0 means ON.
    unsigned char CurrentLimitationStatus;
    /// A ROBOT_TYPE.
    unsigned char RobotType;
    /// Edition.
    unsigned char RobotEdition;
    /// Torque sensors.
    unsigned char TorqueSensorsStatus;
};

/// State of one finger.
struct Finger {
    /// Name.
    char ID[STRING_LENGTH];
    /// Commanded position [ticks].
    float ActualCommand;
    /// Velocity [ticks/s].
    float ActualSpeed;
    /// Force.
    float ActualForce;
    /// Acceleration.
    float ActualAcceleration;
    /// Current [A].
    float ActualCurrent;
    /// Position [ticks].
    float ActualPosition;
    /// Mean current [A].
    float ActualAverageCurrent;
    /// Temperature [deg C].
    float ActualTemperature;
    /// Errors on its bus.
    int CommunicationErrors;
    /// Tuning.
    int OscillatorTuningValue;
    /// Cycles.
    float CycleCount;
    /// Hours.
    float RunTime;
    /// Highest temperature [deg C].
    float PeakMaxTemp;
    /// Lowest temperature [deg C].
    float PeakMinTemp;
    /// Highest current [A].
    float PeakCurrent;
    /// Velocity allowed [ticks/s].
    float MaxSpeed;
    /// Force allowed.
    float MaxForce;
    /// Acceleration allowed.
    float MaxAcceleration;
    /// Current allowed [A].
    float MaxCurrent;
    /// Position when closed [ticks].
    float MaxAngle;
    /// Position when open [ticks].
    float MinAngle;
    /// Device number.
    unsigned int DeviceID;
    /// Firmware.
    unsigned int CodeVersion;
    /// Non-zero once initialised.
    unsigned short IsFingerInit;
    /// Index.
    unsigned short Index;
    /// Address.
    unsigned short FingerAddress;
    /// Non-zero when present.
    unsigned short IsFingerConnected;
};

/// State of the hand.
struct Gripper {
    /// Model.
    char Model[STRING_LENGTH];
    /// The fingers.
    Finger Fingers[JACO_FINGERS_COUNT];
};

/// Shape of a protection zone.
struct ZoneShape {
    /// Kind of shape.
    ShapeType shapeType;
    /// Room.
    int Expansion1;
    /// Its corners [m].
    CartesianInfo Points[LEGACY_CONFIG_NB_POINTS_COUNT];
};

/// One protection zone.
struct Zone {
    /// Its number.
    int ID;
    /// Room.
    int Expansion1;
    /// Where.
    ZoneShape zoneShape;
    /// What holds inside.
    ZoneLimitation zoneLimitation;
    /// Room.
    int Expansion2;
};

/// All protection zones.
struct ZoneList {
    /// Zones used.
    int NbZones;
    /// Room.
    int Expansion1;
    /// The zones.
    Zone Zones[LEGACY_CONFIG_NB_ZONES_MAX];
};

/// State flags of GeneralInformations.
struct SystemStatus {
    /// 0 means active.
    unsigned int JoystickActive;
    /// A RETRACT_TYPE.
    unsigned int RetractStatus;
    /// Drinking mode.
    unsigned int DrinkingMode;
    /// Side of the body.
    unsigned int ArmLaterality;
    /// Whether the joystick may translate.
    unsigned int TranslationActive;
    /// Whether the joystick may rotate.
    unsigned int RotationActive;
    /// Whether the joystick may move fingers.
    unsigned int FingersActive;
    /// Joints overloaded.
    unsigned int WarningOverchargeForce;
    /// Fingers overloaded.
    unsigned int WarningOverchargeFingers;
    /// Supply too low.
    unsigned int WarningLowVoltage;
    /// Something is wrong.
    unsigned int MajorErrorOccured;
};

/// Everything at once; some 17 packets, so at most once a second.
struct GeneralInformations {
    /// Time [s].
    double TimeAbsolute;
    /// Time since power-up [s]: a fall means that the arm restarted and needs homing.
    double TimeFromStartup;
    /// Restarts.
    unsigned int IndexStartup;
    /// Room.
    int ExpansionLong1;
    /// Time of the last save [s].
    float TimeStampSavings;
    /// Room.
    float ExpansionFloat;
    /// Supply [V].
    float SupplyVoltage;
    /// Supply [A].
    float TotalCurrent;
    /// Supply [W].
    float Power;
    /// Supply [W].
    float AveragePower;
    /// Base acceleration [g].
    float AccelerationX;
    /// Base acceleration [g].
    float AccelerationY;
    /// Base acceleration [g].
    float AccelerationZ;
    /// Room.
    float SensorExpansion1;
    /// Room.
    float SensorExpansion2;
    /// Room.
    float SensorExpansion3;
    /// Firmware.
    unsigned int CodeVersion;
    /// Firmware.
    unsigned int CodeRevision;
    /// Status.
    unsigned short Status;
    /// Who commands: 0-1 joystick, 2 API, 3 Easy Rider, 4 universal interface, 5 custom, 6 none,
    /// 7 OLED.
    unsigned short Controller;
    /// Mode.
    unsigned short ControlMode;
    /// A HAND_MODE.
    unsigned short HandMode;
    /// Actuators present.
    unsigned short ConnectedActuatorCount;
    /// A POSITION_TYPE.
    unsigned short PositionType;
    /// Room.
    unsigned short ErrorsSpiExpansion1;
    /// Room.
    unsigned short ErrorsSpiExpansion2;
    /// Errors on that bus.
    unsigned short ErrorsMainSPICount;
    /// Errors on that bus.
    unsigned short ErrorsExternalSPICount;
    /// Errors on that bus.
    unsigned short ErrorsMainCANCount;
    /// Errors on that bus.
    unsigned short ErrorsExternalCANCount;
    /// Flags.
    SystemStatus ActualSystemStatus;
    /// Measured.
    UserPosition Position;
    /// Commanded.
    UserPosition Command;
    /// Currents [A].
    UserPosition Current;
    /// Forces and torques [N, N m].
    UserPosition Force;
    /// Limits in force.
    ZoneLimitation ActualLimitations;
    /// Increment of each joint.
    float ControlIncrement[MAX_ACTUATORS];
    /// Increment of each finger.
    float FingerControlIncrement[3];
    /// The joystick.
    JoystickCommand ActualJoystickCommand;
    /// Peripherals.
    unsigned int PeripheralsConnected[4];
    /// Peripherals.
    unsigned int PeripheralsDeviceID[4];
    /// Joints [deg C].
    float ActuatorsTemperatures[MAX_ACTUATORS];
    /// Fingers [deg C].
    float FingersTemperatures[3];
    /// Room.
    float FutureTemperatures[3];
    /// Errors on the joints' bus.
    int ActuatorsCommErrors[MAX_ACTUATORS];
    /// Errors on the fingers' bus.
    int FingersCommErrors[3];
    /// Room.
    int ExpansionLong2;
    /// Time of the control loop [s].
    double ControlTimeAbsolute;
    /// Time of the control loop since power-up [s].
    double ControlTimeFromStartup;
    /// Room.
    unsigned char ExpansionsBytes[192];
};

/// Accelerations that the joints' sensors measure [g].
struct AngularAcceleration {
    /// Joint 1.
    float Actuator1_X;
    /// Joint 1.
    float Actuator1_Y;
    /// Joint 1.
    float Actuator1_Z;
    /// Joint 2.
    float Actuator2_X;
    /// Joint 2.
    float Actuator2_Y;
    /// Joint 2.
    float Actuator2_Z;
    /// Joint 3.
    float Actuator3_X;
    /// Joint 3.
    float Actuator3_Y;
    /// Joint 3.
    float Actuator3_Z;
    /// Joint 4.
    float Actuator4_X;
    /// Joint 4.
    float Actuator4_Y;
    /// Joint 4.
    float Actuator4_Z;
    /// Joint 5.
    float Actuator5_X;
    /// Joint 5.
    float Actuator5_Y;
    /// Joint 5.
    float Actuator5_Z;
    /// Joint 6.
    float Actuator6_X;
    /// Joint 6.
    float Actuator6_Y;
    /// Joint 6.
    float Actuator6_Z;
    /// Joint 7.
    float Actuator7_X;
    /// Joint 7.
    float Actuator7_Y;
    /// Joint 7.
    float Actuator7_Z;
};

/// One device inside the arm.
struct PeripheralInfo {
    /// Handle.
    unsigned int Handle;
    /// Kind: 100-109 actuators, 200-201 fingers, 300-303 joysticks.
    unsigned int Type;
    /// Port.
    unsigned int Port;
    /// Address.
    unsigned int Address;
    /// Firmware.
    unsigned int CodeVersion;
};

extern "C" {

// Lifecycle and discovery.
int InitAPI();
int InitEthernetAPI(EthernetCommConfig &config);
int CloseAPI();
int GetAPIVersion(int version[API_VERSION_COUNT]);
int GetCodeVersion(int version[CODE_VERSION_COUNT]);
int GetDevices(KinovaDevice devices[MAX_KINOVA_DEVICE], int &result);
int RefresDevicesList();
int SetActiveDevice(KinovaDevice device);
int GetClientConfigurations(ClientConfigurations &configuration);
int SetClientConfigurations(ClientConfigurations configuration);
int GetGeneralInformations(GeneralInformations &information);
int GetQuickStatus(QuickStatus &status);
int GetSensorsInfo(SensorsInfo &sensors);
int GetForcesInfo(ForcesInfo &forces);
int GetGripperStatus(Gripper &gripper);
int GetPeripheralInventory(PeripheralInfo inventory[MAX_INVENTORY]);
int GetSystemErrorCount(unsigned int &count);
int GetSystemError(unsigned int index, SystemError &error);
int ClearErrorLog();

// Control authority and modes.
int StartControlAPI();
int StopControlAPI();
int SetCartesianControl();
int SetAngularControl();
int GetControlType(int &control_type);
int SetFrameType(int frame);
int GetTrajectoryTorqueMode(int &mode);
int SwitchTrajectoryTorque(GENERALCONTROL_TYPE mode);
int StartForceControl();
int StopForceControl();
int StartCurrentLimitation();
int StopCurrentLimitation();
int SetSpasmFilterValues(float values[1], int active);
int GetSpasmFilterValues(float values[1], int &active);
int ActivateExtraProtectionPinchingWrist(int active);
int ActivateCollisionAutomaticAvoidance(int active);
int ActivateSingularityAutomaticAvoidance(int active);

// Motion.
int SendBasicTrajectory(TrajectoryPoint point);
int SendAdvanceTrajectory(TrajectoryPoint point);
int EraseAllTrajectories();
int GetGlobalTrajectoryInfo(TrajectoryFIFO &fifo);
int GetActualTrajectoryInfo(TrajectoryPoint &point);
int MoveHome();
int InitFingers();
int SendJoystickCommand(JoystickCommand command);
int GetJoystickValue(JoystickCommand &command);

// State.
int GetCartesianPosition(CartesianPosition &position);
int GetAngularPosition(AngularPosition &position);
int GetCartesianCommand(CartesianPosition &command);
int GetAngularCommand(AngularPosition &command);
int GetCartesianForce(CartesianPosition &force);
int GetAngularForce(AngularPosition &force);
int GetAngularForceGravityFree(AngularPosition &force);
int GetAngularCurrent(AngularPosition &current);
int GetAngularCurrentMotor(AngularPosition &current);
int GetAngularVelocity(AngularPosition &velocity);
int GetCommandVelocity(float cartesian[CARTESIAN_SIZE], float angular[MAX_ACTUATORS]);
int GetActuatorAcceleration(AngularAcceleration &acceleration);
int GetPositionCurrentActuators(float values[POSITION_CURRENT_COUNT]);
int GetSingularityVector(SingularityVector &singularity);

// Limits, tool, force and torque.
int SetProtectionZone(ZoneList zones);
int GetProtectionZone(ZoneList &zones);
int EraseAllProtectionZones();
int SetEndEffectorOffset(unsigned int status, float x, float y, float z);
int GetEndEffectorOffset(unsigned int &status, float &x, float &y, float &z);
int SetCartesianForceMinMax(CartesianInfo min, CartesianInfo max);
int SetCartesianInertiaDamping(CartesianInfo inertia, CartesianInfo damping);
int SetAngularTorqueMinMax(AngularInfo min, AngularInfo max);
int SetAngularInertiaDamping(AngularInfo inertia, AngularInfo damping);
int SendAngularTorqueCommand(float command[COMMAND_SIZE]);
int SendCartesianForceCommand(float command[COMMAND_SIZE]);
int SetTorqueSafetyFactor(float factor);
int SetTorqueControlType(TORQUECONTROL_TYPE type);
int SetGravityType(GRAVITY_TYPE type);
int SetGravityVector(float vector[GRAVITY_VECTOR_SIZE]);
int SetGravityPayload(float payload[GRAVITY_PAYLOAD_SIZE]);
int SetGravityOptimalZParam(float parameters[GRAVITY_PARAM_SIZE]);
int SetGravityManualInputParam(float parameters[GRAVITY_PARAM_SIZE]);
int SetTorqueVibrationController(float value);
int SetTorqueRobotProtection(int level);
int RunGravityZEstimationSequence(ROBOT_TYPE type, double parameters[OPTIMAL_Z_PARAM_SIZE]);
}
