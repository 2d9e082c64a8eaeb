//! OpenVLA action-stream policy in libtorch: tokens, decoding, training, checkpoints.
