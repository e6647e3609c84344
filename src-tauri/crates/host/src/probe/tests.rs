#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
//! Each kind of answer, and each kind of lie, over real sockets.

mod mongodb_stand_in;
mod odd_servers;
mod servers;
mod services;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use locald_core::{EngineId, InstanceId, ServiceSpec};
use locald_engine::{Engine as _, ExecOutcome, InstanceSpec, fake::FakeEngine};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;

/// Long enough for a busy machine: what waits so long has failed.
const PATIENT: Duration = Duration::from_secs(20);
/// For what never answers.
const SHORT: Duration = Duration::from_millis(300);

/// A server that does this with each connection; it ends with the test's runtime.
async fn server<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// What happens behind an answer.
#[derive(Clone, Copy)]
enum Then {
    Close,
    StayOpen,
}

/// A server that reads a request and answers these bytes.
async fn answering(answer: impl Into<Vec<u8>>, then: Then) -> SocketAddr {
    let answer: Arc<[u8]> = answer.into().into();
    server(move |mut stream| {
        let answer = Arc::clone(&answer);
        async move {
            request(&mut stream).await;
            // A probe that has seen enough hangs up.
            let _ = stream.write_all(&answer).await;
            match then {
                Then::Close => {}
                Then::StayOpen => std::future::pending().await,
            }
        }
    })
    .await
}

/// Reads a request to the end of its headers.
async fn request(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
            break;
        }
        head.extend_from_slice(&byte);
    }
    String::from_utf8(head).unwrap()
}

async fn refused() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

async fn tcp(address: SocketAddr, timeout: Duration) -> Result<(), String> {
    ask(None, &ProbeTarget::Tcp { address }, timeout).await
}

/// GET /up, with the port in the answer written as PORT.
async fn get(address: SocketAddr, status: Option<u16>, body: Option<&str>, timeout: Duration) -> Result<(), String> {
    let target = ProbeTarget::Http {
        address,
        path: "/up".into(),
        status,
        body: body.map(str::to_owned),
    };
    let answer = ask(None, &target, timeout).await;
    answer.map_err(|said| said.replace(&address.port().to_string(), "PORT"))
}

async fn get_from(answer: &str, then: Then) -> Result<(), String> {
    get(answering(answer, then).await, None, None, PATIENT).await
}

fn said(message: &str) -> Result<(), String> {
    Err(message.to_owned())
}

#[tokio::test]
async fn a_port_that_takes_connections_and_keeps_them_answers() {
    let silent = server(|stream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(tcp(silent, PATIENT).await, Ok(()));
    assert_eq!(
        tcp(silent, Duration::from_millis(60)).await,
        Ok(()),
        "a timeout shorter than the watch leaves time for an answer"
    );
    let greeting = server(|mut stream| async move { stream.write_all(b"220 ready\r\n").await.unwrap() }).await;
    assert_eq!(tcp(greeting, PATIENT).await, Ok(()));
}

#[tokio::test]
async fn a_port_that_nobody_serves_does_not_answer() {
    let address = refused().await;
    let port = address.port();
    assert_eq!(
        tcp(address, PATIENT).await,
        Err(format!("port {port} refuses connections"))
    );
    assert_eq!(
        get(address, None, None, PATIENT).await,
        said("port PORT refuses connections")
    );

    // As a port forwarder does while nothing listens behind it.
    let forwarder = server(|stream| async move { drop(stream) }).await;
    let port = forwarder.port();
    let at_once = Err(format!("port {port} accepts and closes at once"));
    assert_eq!(tcp(forwarder, PATIENT).await, at_once);
    assert_eq!(
        get(forwarder, None, None, PATIENT).await,
        said("port PORT closed the connection without an answer")
    );

    // The reset may be there before the connection is looked at for the first time.
    let reset = server(|stream| async move { stream.set_zero_linger().unwrap() }).await;
    let port = reset.port();
    assert_eq!(
        tcp(reset, PATIENT).await,
        Err(format!("port {port} accepts and closes at once"))
    );
    let told = get(reset, None, None, PATIENT).await.unwrap_err();
    assert!(
        told == "port PORT closed the connection without an answer" || told == "port PORT accepts and closes at once",
        "{told}"
    );
}

#[tokio::test]
async fn the_status_decides() {
    let ok = answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", Then::StayOpen).await;
    assert_eq!(get(ok, None, None, PATIENT).await, Ok(()));
    assert_eq!(get(ok, Some(204), None, PATIENT).await, said("GET /up answered 200"));
    let broken = answering("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", Then::Close).await;
    assert_eq!(get(broken, None, None, PATIENT).await, said("GET /up answered 503"));
    assert_eq!(get(broken, Some(503), None, PATIENT).await, Ok(()));
    let old = answering("HTTP/1.0 200 OK\r\n\r\nok", Then::Close).await;
    assert_eq!(get(old, None, Some("ok"), PATIENT).await, Ok(()));
    let unnamed = answering("HTTP/1.1 204\r\n\r\n", Then::StayOpen).await;
    assert_eq!(get(unnamed, None, None, PATIENT).await, Ok(()));
}

#[tokio::test]
async fn a_redirection_is_an_answer_and_is_not_followed() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let elsewhere = server(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        std::future::ready(())
    })
    .await;
    let answer = format!("HTTP/1.1 302 Found\r\nlocation: http://{elsewhere}/\r\ncontent-length: 0\r\n\r\n");
    let address = answering(answer, Then::Close).await;
    assert_eq!(get(address, None, None, PATIENT).await, Ok(()));
    assert_eq!(get(address, Some(302), None, PATIENT).await, Ok(()));
    assert_eq!(
        get(address, Some(200), None, PATIENT).await,
        said("GET /up answered 302")
    );
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_request_names_its_host() {
    let (sender, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let address = server(move |mut stream| {
        let sender = sender.clone();
        async move {
            sender.send(request(&mut stream).await).unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .await
                .unwrap();
        }
    })
    .await;
    assert_eq!(get(address, None, None, PATIENT).await, Ok(()));
    let request = requests.recv().await.unwrap();
    assert!(request.starts_with("GET /up HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: {address}\r\n")), "{request}");
}

#[tokio::test]
async fn text_is_looked_for_in_the_first_64_kib() {
    let whole = |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let near = answering(whole("all is wéll here"), Then::StayOpen).await;
    assert_eq!(get(near, None, Some("wéll"), PATIENT).await, Ok(()));
    assert_eq!(
        get(near, None, Some("ill"), PATIENT).await,
        said("GET /up answered 200 without `ill` in it")
    );
    let last = answering(
        whole(&format!("{}well{}", " ".repeat(64 * 1024 - 4), "x".repeat(9))),
        Then::StayOpen,
    )
    .await;
    assert_eq!(get(last, None, Some("well"), PATIENT).await, Ok(()));
    let far = answering(whole(&format!("{}well", " ".repeat(64 * 1024 - 3))), Then::StayOpen).await;
    assert_eq!(
        get(far, None, Some("well"), PATIENT).await,
        said("GET /up answered 200 without `well` in it")
    );
    let pieces = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\na w\r\n2\r\nel\r\n1\r\nl\r\n0\r\n\r\n";
    let pieces = answering(pieces, Then::StayOpen).await;
    assert_eq!(get(pieces, None, Some("well"), PATIENT).await, Ok(()));
}

#[tokio::test]
async fn a_stream_without_end_is_an_answer() {
    let events = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nready\r\n";
    let events = answering(events, Then::StayOpen).await;
    assert_eq!(get(events, None, None, PATIENT).await, Ok(()));
    assert_eq!(get(events, None, Some("ready"), PATIENT).await, Ok(()));
    assert_eq!(
        get(events, None, Some("done"), SHORT).await,
        said("no answer within 0.3 s")
    );
    // One that says something all the time, for longer than anybody waits.
    let ticks = server(|mut stream| async move {
        request(&mut stream).await;
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        let mut sent = stream.write_all(head).await;
        while sent.is_ok() {
            tick.tick().await;
            sent = stream.write_all(b"4\r\ntick\r\n").await;
        }
    })
    .await;
    assert_eq!(get(ticks, None, None, PATIENT).await, Ok(()));
    assert_eq!(get(ticks, None, Some("tick"), PATIENT).await, Ok(()));
}

#[tokio::test]
async fn garbage_is_no_answer() {
    for garbage in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\x15\x03\x01\x00\x02\x02\x46 not for you, this is TLS",
        "220 mail ready\r\n250 ok\r\n",
        "hello\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\nok",
    ] {
        for then in [Then::Close, Then::StayOpen] {
            let answer = get_from(garbage, then).await.unwrap_err();
            assert!(
                answer.starts_with("port PORT does not speak HTTP: "),
                "{garbage:?}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let closed = said("port PORT closed the connection without an answer");
    assert_eq!(get_from("", Then::Close).await, closed);
    assert_eq!(get_from("HTTP/1.1 200", Then::Close).await, closed);
    assert_eq!(get_from("HTTP/1.1 200 OK\r\nserver: x\r\n", Then::Close).await, closed);
    for body in [
        "content-length: 10\r\n\r\nhalf",
        "transfer-encoding: chunked\r\n\r\n5\r\nhalf",
        "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let answer = get_from(&format!("HTTP/1.1 200 OK\r\n{body}"), Then::Close).await;
        let answer = answer.unwrap_err();
        assert!(
            answer.starts_with("GET /up answered 200 and broke off: "),
            "{body:?}: {answer}"
        );
    }
    let stuck = answering("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", Then::StayOpen).await;
    assert_eq!(get(stuck, None, None, SHORT).await, said("no answer within 0.3 s"));
}

#[tokio::test]
async fn headers_without_end_are_no_answer() {
    let address = server(|mut stream| async move {
        request(&mut stream).await;
        let mut line = b"HTTP/1.1 200 OK\r\n".to_vec();
        while stream.write_all(&line).await.is_ok() {
            line = format!("x: {}\r\n", "y".repeat(1000)).into_bytes();
        }
    })
    .await;
    assert_eq!(
        get(address, None, None, PATIENT).await,
        said("port PORT does not speak HTTP: message head is too large")
    );
}

#[tokio::test]
async fn what_never_answers_is_given_up() {
    let silent = answering("", Then::StayOpen).await;
    assert_eq!(get(silent, None, None, SHORT).await, said("no answer within 0.3 s"));
    let head = answering("HTTP/1.1 200 OK\r\nserver: x\r\n", Then::StayOpen).await;
    assert_eq!(get(head, None, None, SHORT).await, said("no answer within 0.3 s"));
}

#[tokio::test]
async fn a_command_answers_by_its_exit_code() {
    let fake = Arc::new(FakeEngine::new());
    let engine: SharedEngine = fake.clone();
    let spec = Arc::new(ServiceSpec::container("shop/db".parse().unwrap(), "lt/bb:dev"));
    let started = fake.start(&InstanceSpec { service: spec }, None).await.unwrap();
    let target = |instance: InstanceId| ProbeTarget::Command {
        engine: EngineId::from("docker"),
        instance,
        command: vec!["check".to_owned()],
    };
    let command = target(started.id);
    let outcome = |code, output: &str| ExecOutcome {
        code,
        output: output.to_owned(),
    };
    fake.next_exec(outcome(0, "fine"));
    assert_eq!(ask(Some(&engine), &command, PATIENT).await, Ok(()));
    fake.next_exec(outcome(2, "starting\n\u{1b}[31mno\u{7} database\u{1b}[0m \r\n\n"));
    assert_eq!(
        ask(Some(&engine), &command, PATIENT).await,
        said("the health check exited with code 2: no database")
    );
    fake.next_exec(outcome(1, ""));
    assert_eq!(
        ask(Some(&engine), &command, PATIENT).await,
        said("the health check exited with code 1")
    );
    assert!(ask(Some(&engine), &target("gone".into()), PATIENT).await.is_err());
    assert_eq!(ask(None, &command, PATIENT).await, said("its engine is not known"));
}
