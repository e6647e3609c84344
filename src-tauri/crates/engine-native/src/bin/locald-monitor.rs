//! Keeps one process: see `locald_engine_native::monitor`.

fn main() -> std::process::ExitCode {
    locald_engine_native::monitor::main(std::env::args().skip(1))
}
