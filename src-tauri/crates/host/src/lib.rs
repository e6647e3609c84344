//! The host: run loop, effects, probes, store and the control socket.
