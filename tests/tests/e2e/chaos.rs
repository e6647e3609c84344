//! Chaos on a real Docker and a real Podman; `cargo xtask chaos` does the same for longer.
#![expect(clippy::print_stdout, reason = "its figures are part of the result")]

use std::time::Duration;

use locald_tests::{
    chaos::{self, Options},
    needs,
};

#[tokio::test(flavor = "multi_thread")]
async fn chaos_leaves_the_picture_true_and_tells_of_every_crash_once() {
    let options = Options {
        seed: 5,
        length: Duration::from_secs(60),
        acts: 25,
        keep_going: false,
    };
    match chaos::run(options).await {
        Ok(report) => {
            println!("{report}");
            assert!(report.is_good(), "{report}");
        }
        Err(reason) => {
            needs::unmet(&reason);
        }
    }
}
