//! A simulated Jaco2 tabletop (MuJoCo): arm, tasks, scripted expert, jaco-sim process.
