//! LeRobotDataset v3 on disk: write, read, repair, check, statistics.
