//! An engine of memory, for tests.
