//! What is no server of the protocol, and stand-ins for servers that can't be had everywhere, to the byte as their protocols
//! are documented.

use super::{
    servers::{PASSWORD, USER, ask_service, credentials},
    *,
};

const ALL: [ServiceProtocol; 12] = [
    ServiceProtocol::Postgres,
    ServiceProtocol::Mysql,
    ServiceProtocol::Redis,
    ServiceProtocol::Mongodb,
    ServiceProtocol::Amqp,
    ServiceProtocol::Nats,
    ServiceProtocol::Memcached,
    ServiceProtocol::Mqtt,
    ServiceProtocol::Kafka,
    ServiceProtocol::Etcd,
    ServiceProtocol::Clickhouse,
    ServiceProtocol::Smtp,
];

async fn asked(address: SocketAddr, protocol: ServiceProtocol, timeout: Duration) -> Result<(), String> {
    ask_service(address, protocol, &credentials(USER, PASSWORD, None), timeout).await
}

/// A server that says these bytes to everybody, first of all, and hangs up when the other side does.
async fn greeting(bytes: &'static [u8]) -> SocketAddr {
    server(move |mut stream| async move {
        let _ = stream.write_all(bytes).await;
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await
}

/// A server that waits for a message and answers it, for each of these answers.
async fn conversation(answers: &'static [&'static [u8]]) -> SocketAddr {
    server(move |mut stream| async move {
        let mut message = vec![0; 64 * 1024];
        for answer in answers {
            if stream.read(&mut message).await.unwrap_or(0) == 0 {
                return;
            }
            let _ = stream.write_all(answer).await;
        }
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await
}

#[tokio::test]
async fn nobody_at_the_port_is_told_in_every_protocol() {
    for protocol in ALL {
        let answer = asked(refused().await, protocol, PATIENT).await;
        assert_eq!(answer, said("port PORT refuses connections"), "{protocol:?}");
    }
}

#[tokio::test]
async fn silence_is_given_up_in_every_protocol() {
    for protocol in ALL {
        let silent = greeting(b"").await;
        assert_eq!(
            asked(silent, protocol, SHORT).await,
            said("no answer within 0.3 s"),
            "{protocol:?}"
        );
    }
}

#[tokio::test]
async fn a_forwarder_without_a_server_is_told_in_every_protocol() {
    for protocol in ALL {
        let forwarder = server(|stream| async move { drop(stream) }).await;
        let answer = asked(forwarder, protocol, PATIENT).await.unwrap_err();
        let known = [
            "port PORT accepts and closes at once",
            "port PORT closed the connection without an answer",
        ];
        assert!(known.contains(&answer.as_str()), "{protocol:?}: {answer}");
    }
}

#[tokio::test]
async fn another_protocol_is_told_in_every_protocol() {
    let other: [&[u8]; 3] = [b"-BUSY garbage of another kind\r\n\r\n", &[0xff; 512], &[0; 512]];
    for protocol in ALL {
        for garbage in other {
            let address = server(move |mut stream| async move {
                let _ = stream.write_all(garbage).await;
                let _ = stream.shutdown().await;
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            })
            .await;
            let answer = asked(address, protocol, PATIENT).await.unwrap_err();
            let told = answer.starts_with("port PORT does not speak ")
                || answer == "port PORT closed the connection without an answer"
                || answer == "port PORT accepts and closes at once"
                || (protocol == ServiceProtocol::Redis && answer == "BUSY garbage of another kind");
            assert!(told, "{protocol:?} to {:?}: {answer}", &garbage[..4]);
        }
    }
}

#[tokio::test]
async fn a_postgres_that_starts_says_so() {
    let starting =
        b"E\0\0\0\x5bSFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0Fpostmaster.c\0L2356\0RProcess\0\0";
    let starting: &[u8] = starting;
    assert_eq!(starting.len(), 0x5b + 1);
    let address = conversation(Box::leak(Box::new([starting]))).await;
    assert_eq!(
        asked(address, ServiceProtocol::Postgres, PATIENT).await,
        said("the database system is starting up")
    );
}

#[tokio::test]
async fn a_redis_that_loads_says_so() {
    let address = conversation(&[b"+OK\r\n", b"-LOADING Redis is loading the dataset in memory\r\n"]).await;
    assert_eq!(
        asked(address, ServiceProtocol::Redis, PATIENT).await,
        said("the server is loading its data")
    );
}

#[tokio::test]
async fn a_mysql_with_too_many_connections_says_so() {
    let address = greeting(b"\x17\0\0\0\xff\x10\x04Too many connections").await;
    assert_eq!(
        asked(address, ServiceProtocol::Mysql, PATIENT).await,
        said("Too many connections")
    );
}

#[tokio::test]
async fn mail_servers_greet() {
    for (greets, wanted) in [
        (&b"220 mail ESMTP\r\n"[..], Ok(())),
        (b"220-mail\r\n220 ready\r\n", Ok(())),
        (b"554 no service.\r\n", said("the server greets with 554 no service")),
    ] {
        let address = greeting(greets).await;
        assert_eq!(asked(address, ServiceProtocol::Smtp, PATIENT).await, wanted);
    }
}

/// Kafka's `ApiVersions`, answered as Apache Kafka does: size, correlation, no error, and the versions of one request.
#[tokio::test]
async fn kafka_tells_which_requests_it_knows() {
    let address = conversation(&[b"\0\0\0\x10loca\0\0\0\0\0\x01\0\x12\0\0\0\x03"]).await;
    assert_eq!(asked(address, ServiceProtocol::Kafka, PATIENT).await, Ok(()));
    let address = conversation(&[b"\0\0\0\x0aloca\0\x23\0\0\0\0"]).await;
    assert_eq!(
        asked(address, ServiceProtocol::Kafka, PATIENT).await,
        said("the broker answered with error 35")
    );
    let address = conversation(&[b"\0\0\0\x0aother\0\0\0\0\0"]).await;
    assert_eq!(
        asked(address, ServiceProtocol::Kafka, PATIENT).await,
        said("port PORT does not speak Kafka")
    );
}

#[tokio::test]
async fn clickhouse_is_asked_with_the_credentials() {
    let (seen, mut request_seen) = tokio::sync::mpsc::unbounded_channel();
    let address = server(move |mut stream| {
        let seen = seen.clone();
        async move {
            let asked = request(&mut stream).await;
            let right = asked.contains("x-clickhouse-key: s3cret\r\n");
            let _ = seen.send(asked);
            let answer: &[u8] = if right {
                b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nlocald-asks\n"
            } else {
                b"HTTP/1.1 403 Forbidden\r\nX-ClickHouse-Exception-Code: 516\r\nContent-Length: 0\r\n\r\n"
            };
            let _ = stream.write_all(answer).await;
        }
    })
    .await;
    let asked = async |password| {
        ask_service(
            address,
            ServiceProtocol::Clickhouse,
            &credentials(USER, password, Some("shop")),
            PATIENT,
        )
        .await
    };
    assert_eq!(asked("s3cret").await, Ok(()));
    let request = request_seen.recv().await.unwrap();
    assert!(request.starts_with("GET /?query=SELECT%20concat"), "{request}");
    assert!(request.contains("x-clickhouse-user: app\r\n"), "{request}");
    assert!(request.contains("x-clickhouse-database: shop\r\n"), "{request}");
    assert_eq!(
        asked("wrong").await,
        said("password authentication failed for user `app`")
    );
}

#[tokio::test]
async fn an_etcd_without_a_leader_is_not_ready() {
    let unwell =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 38\r\n\r\n{\"health\":\"false\",\"reason\":\"NO LEADER\"}";
    let address = answering(unwell, Then::Close).await;
    assert_eq!(
        asked(address, ServiceProtocol::Etcd, PATIENT).await,
        said("the server is not ready")
    );
}

#[tokio::test]
async fn a_nats_that_wants_tls_or_another_password_says_so() {
    let address = greeting(b"INFO {\"server_id\":\"X\",\"tls_required\":true}\r\n").await;
    assert_eq!(
        asked(address, ServiceProtocol::Nats, PATIENT).await,
        said("the server asks for TLS")
    );
}
