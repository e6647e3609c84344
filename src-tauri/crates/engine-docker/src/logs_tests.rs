#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

const STAMP: &str = "2026-01-01T10:00:00.123456789Z ";

fn frame(stream: u8, text: &[u8]) -> Vec<u8> {
    let mut frame = vec![stream, 0, 0, 0];
    frame.extend_from_slice(&u32::try_from(STAMP.len() + text.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(STAMP.as_bytes());
    frame.extend_from_slice(text);
    frame
}

/// The lines, with the input cut into chunks of every given size: the cut must not matter.
fn lines(tty: bool, input: &[u8]) -> Vec<LogLine> {
    let mut all: Vec<Vec<LogLine>> = Vec::new();
    for size in [1, 7, 4096, input.len().max(1)] {
        let (mut splitter, mut ready) = (Splitter::new(tty, true), Ready::new());
        for chunk in input.chunks(size) {
            splitter.feed(chunk, &mut ready).unwrap();
        }
        splitter.finish(&mut ready);
        all.push(ready.into_iter().map(Result::unwrap).collect());
    }
    assert!(
        all.windows(2).all(|pair| pair[0] == pair[1]),
        "the chunk size changed the lines"
    );
    all.remove(0)
}

fn texts(lines: &[LogLine]) -> Vec<String> {
    lines
        .iter()
        .map(|line| String::from_utf8_lossy(&line.bytes).into_owned())
        .collect()
}

#[test]
fn a_line_in_pieces_is_one_line_without_stamps_inside() {
    let long = vec![b'a'; 40_000];
    let mut input = Vec::new();
    input.extend(frame(1, &long[..16_384]));
    input.extend(frame(2, b"error between\n"));
    input.extend(frame(1, &long[16_384..32_768]));
    input.extend(frame(1, &[&long[32_768..], b"\n".as_slice()].concat()));
    input.extend(frame(1, b"after\n"));
    let lines = lines(false, &input);
    assert_eq!(
        texts(&lines),
        ["error between".to_owned(), "a".repeat(40_000), "after".to_owned()]
    );
    assert_eq!(lines[0].stream, LogStream::Stderr);
    assert_eq!(lines[1].at, Some(STAMP.trim().parse().unwrap()));
}

#[test]
fn a_terminal_line_in_pieces_is_one_line_too() {
    let long = "b".repeat(16_384);
    let input = format!("{STAMP}{long}{STAMP}{long}{STAMP}tail\r\n{STAMP}after\r\n{STAMP}{long}\r\n{STAMP}no end");
    let lines = lines(true, input.as_bytes());
    assert_eq!(
        texts(&lines),
        [format!("{long}{long}tail"), "after".into(), long, "no end".into()]
    );
    assert!(lines.iter().all(|line| line.at.is_some()));
}

#[test]
fn bytes_that_look_like_a_header_are_output() {
    let mut input = frame(1, b"\x01\0\0\0\0\0\0\x05hello\n");
    input.extend(frame(1, b"\n"));
    assert_eq!(texts(&lines(false, &input)), ["\u{1}\0\0\0\0\0\0\u{5}hello", ""]);
    let raw = b"h\xc3\xa9llo\r\n\x01\0\0\0\0\0\0\x05hello\r\nno newline";
    assert_eq!(
        texts(&lines(true, raw)),
        ["héllo", "\u{1}\0\0\0\0\0\0\u{5}hello", "no newline"]
    );
}

#[test]
fn a_line_without_end_is_cut_and_counted() {
    let mut input = Vec::new();
    let piece = vec![b'x'; 1024 * 1024];
    for _ in 0..3 {
        input.extend(frame(1, &piece));
    }
    let (mut splitter, mut ready) = (Splitter::new(false, true), Ready::new());
    splitter.feed(&input, &mut ready).unwrap();
    assert!(ready.is_empty() && splitter.out.bytes.len() == LogLine::LIMIT);
    splitter.finish(&mut ready);
    let line = ready.pop_front().unwrap().unwrap();
    assert_eq!((line.bytes.len(), line.cut_bytes), (LogLine::LIMIT, 1024 * 1024));
}

#[test]
fn an_error_frame_of_the_engine_is_an_error() {
    let mut input = vec![3, 0, 0, 0, 0, 0, 0, 4];
    input.extend_from_slice(b"oops");
    assert_eq!(
        Splitter::new(false, true).feed(&input, &mut Ready::new()),
        Err("oops".to_owned())
    );
    assert!(
        Splitter::new(false, true)
            .feed(b"plain text", &mut Ready::new())
            .is_err()
    );
}
