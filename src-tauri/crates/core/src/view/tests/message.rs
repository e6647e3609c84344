use super::{crash, exit, failed, service};
use crate::{
    Problem, ProblemCode,
    ProblemCode::*,
    snapshot::{ExitReport, ServiceSnapshot, StateDetail, StateKind},
    view::message::{exit_text, hint, menu_state, problem_view, short, state_text},
};

const CODES: [ProblemCode; 22] = [
    EngineMissing,
    EngineRefused,
    EngineNotPermitted,
    EngineIsDirectory,
    EngineSilent,
    EngineVersion,
    EngineFault,
    EngineLost,
    NoEngine,
    ImageMissing,
    PortInUse,
    PortNotPermitted,
    MountMissing,
    CommandNotFound,
    StartFailed,
    StopFailed,
    DependencyFailed,
    NameTaken,
    ConfigBroken,
    ConfigMissing,
    NotInConfig,
    LogsNotKept,
];

#[test]
fn every_problem_has_a_few_words_and_a_next_step() {
    for code in CODES {
        assert!((1..=30).contains(&short(code).len()), "{code:?}");
        // What the engine refused for a reason of its own is told in its own words alone.
        assert_eq!(
            hint(code).is_none(),
            matches!(code, StartFailed | StopFailed),
            "{code:?}"
        );
        assert!(hint(code).is_none_or(|hint| hint.ends_with('.')), "{code:?}");
    }
}

#[test]
fn a_detail_reads_as_a_sentence_and_names_keep_their_case() {
    for (detail, message) in [
        ("connection refused.", "Connection refused"),
        ("no such image: x", "No such image: x"),
        ("/var/run/docker.sock is missing", "/var/run/docker.sock is missing"),
        ("`db` is stopped", "`db` is stopped"),
        ("shop/db is gone", "shop/db is gone"),
        ("über", "über"),
        ("", ""),
    ] {
        assert_eq!(problem_view(&Problem::new(StartFailed, detail)).message, message);
    }
}

#[test]
fn every_state_has_words() {
    let with = |state, detail| {
        state_text(&ServiceSnapshot {
            detail,
            ..service("a/b", state)
        })
    };
    let ids = || StateDetail::WaitingFor(vec!["a/db".parse().unwrap(), "a/cache".parse().unwrap()]);
    let until = StateDetail::Until("2026-01-01T10:00:00Z".parse().unwrap());
    let texts = [
        with(StateKind::Stopped, StateDetail::None),
        with(StateKind::Waiting, StateDetail::None),
        with(StateKind::Waiting, ids()),
        with(StateKind::Preparing, StateDetail::Progress(None)),
        with(StateKind::Preparing, StateDetail::Progress(Some(40))),
        with(StateKind::Starting, StateDetail::None),
        with(StateKind::Running, StateDetail::None),
        with(StateKind::Running, StateDetail::Paused),
        with(StateKind::Stopping, StateDetail::None),
        with(StateKind::Stopping, ids()),
        with(StateKind::BackingOff, until),
        state_text(&crash("a/b", StateKind::BackingOff, "")),
        with(StateKind::Exited, StateDetail::None),
        state_text(&crash("a/b", StateKind::Exited, "")),
        with(StateKind::Failed, StateDetail::None),
        state_text(&failed("a/b", PortInUse, "")),
        with(StateKind::Unknown, StateDetail::None),
    ];
    insta::assert_snapshot!(texts.join("\n"), @r"
    stopped
    waiting
    waiting for db, cache
    fetching image
    fetching image, 40 %
    starting
    running
    paused
    stopping
    waiting for db, cache to stop
    restarting soon
    exited with code 3, restarting soon
    ended
    exited with code 3
    failed
    failed: port in use
    unknown
    ");
    assert_eq!(menu_state(&service("a/b", StateKind::Running)), None);
    assert_eq!(menu_state(&service("a/b", StateKind::Stopped)), None);
}

#[test]
fn an_exit_names_its_signal_and_out_of_memory_only_when_said() {
    let text = |code| exit_text(&exit(code, true, None));
    let texts = [Some(0), Some(3), Some(137), Some(143), Some(139), Some(-1), None].map(text);
    insta::assert_snapshot!(texts.join("\n"), @r"
    finished
    exited with code 3
    killed by SIGKILL (code 137)
    killed by SIGTERM (code 143)
    killed by SIGSEGV (code 139)
    exited with code -1
    ended, exit code unknown
    ");
    assert_eq!(
        exit_text(&ExitReport {
            oom: true,
            ..exit(Some(137), true, None)
        }),
        "killed: out of memory"
    );
}
