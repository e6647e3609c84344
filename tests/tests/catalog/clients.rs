//! Each service's own client library, at the URL that people are shown: something is written and read again.

use std::{error::Error, net::SocketAddr};

use async_memcached::AsciiProtocol as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::StreamExt as _;
use locald_engine_testbed::Server;
use mysql_async::prelude::Queryable as _;
use redis::AsyncCommands as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use url::Url;

type Used = Result<&'static str, Box<dyn Error + Send + Sync>>;

const WORD: &str = "häd a wörd";

pub async fn uses(server: Server, url: &str) -> Result<&'static str, String> {
    let used = async {
        match server {
            Server::Postgres => postgres(url).await,
            Server::Redis | Server::Valkey => redis(url).await,
            Server::Mariadb => mysql(url).await,
            Server::Rabbitmq => amqp(url).await,
            Server::Memcached => memcached(url).await,
            Server::Nats => nats(url).await,
            Server::Mosquitto => mqtt(url).await,
            Server::Etcd => etcd(url).await,
        }
    };
    let used = tokio::time::timeout(super::UP, used).await;
    used.map_err(|_| "no answer".to_owned())?
        .map_err(|error| format!("{error} ({error:?})"))
}

fn same(read: &str) -> Result<(), String> {
    if read == WORD {
        Ok(())
    } else {
        Err(format!("{read:?} came back"))
    }
}

async fn postgres(url: &str) -> Used {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    client.batch_execute("CREATE TABLE words (word text)").await?;
    client.execute("INSERT INTO words VALUES ($1)", &[&WORD]).await?;
    same(client.query_one("SELECT word FROM words", &[]).await?.get(0))?;
    drop(client);
    connection.await??;
    Ok("tokio-postgres")
}

async fn redis(url: &str) -> Used {
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let () = connection.set("word", WORD).await?;
    same(&connection.get::<_, String>("word").await?)?;
    Ok("redis")
}

async fn mysql(url: &str) -> Used {
    // Its library would go on over the server's socket, which isn't what is shown.
    let options = mysql_async::OptsBuilder::from_opts(mysql_async::Opts::from_url(url)?).prefer_socket(false);
    let mut connection = mysql_async::Conn::new(options).await?;
    connection
        .query_drop("CREATE TABLE words (word TEXT CHARACTER SET utf8mb4)")
        .await?;
    connection.exec_drop("INSERT INTO words VALUES (?)", (WORD,)).await?;
    let read: Option<String> = connection.query_first("SELECT word FROM words").await?;
    same(&read.unwrap_or_default())?;
    connection.disconnect().await?;
    Ok("mysql_async")
}

async fn amqp(url: &str) -> Used {
    use lapin::{BasicProperties, Connection, ConnectionProperties, options, types::FieldTable};
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel
        .queue_declare(
            "words".into(),
            options::QueueDeclareOptions::default(),
            FieldTable::default(),
        )
        .await?;
    let properties = BasicProperties::default();
    channel
        .basic_publish(
            "".into(),
            "words".into(),
            options::BasicPublishOptions::default(),
            WORD.as_bytes(),
            properties,
        )
        .await?
        .await?;
    let mut read = None;
    while read.is_none() {
        read = channel
            .basic_get("words".into(), options::BasicGetOptions::default())
            .await?;
    }
    same(std::str::from_utf8(&read.ok_or("nothing")?.delivery.data)?)?;
    connection.close(200, "".into()).await?;
    Ok("lapin")
}

async fn nats(url: &str) -> Used {
    let parsed = Url::parse(url)?;
    let decode = |text: &str| percent_decoded(text);
    // Its library takes them out of the URL as they are written there.
    let options = async_nats::ConnectOptions::with_user_and_password(
        decode(parsed.username()),
        decode(parsed.password().unwrap_or_default()),
    );
    let client = options.connect(url).await?;
    let mut words = client.subscribe("words").await?;
    client.publish("words", WORD.into()).await?;
    client.flush().await?;
    let read = words.next().await.ok_or("nothing")?;
    same(std::str::from_utf8(&read.payload)?)?;
    client.drain().await?;
    Ok("async-nats")
}

async fn memcached(url: &str) -> Used {
    let (host, port) = place(url)?;
    let mut client = async_memcached::Client::new(format!("tcp://{host}:{port}")).await?;
    client.set("word", WORD, None, None).await?;
    let read = client
        .get("word")
        .await?
        .and_then(|value| value.data)
        .ok_or("nothing")?;
    same(std::str::from_utf8(&read)?)?;
    Ok("async-memcached")
}

async fn mqtt(url: &str) -> Used {
    use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
    let (host, port) = place(url)?;
    let (client, mut events) = AsyncClient::new(MqttOptions::new("catalog", host, port), 8);
    client.subscribe("words", QoS::AtLeastOnce).await?;
    loop {
        match events.poll().await? {
            Event::Incoming(Packet::SubAck(_)) => client.publish("words", QoS::AtLeastOnce, false, WORD).await?,
            Event::Incoming(Packet::Publish(read)) => {
                same(std::str::from_utf8(&read.payload)?)?;
                return Ok("rumqttc");
            }
            _ => {}
        }
    }
}

/// Over its JSON gateway.
async fn etcd(url: &str) -> Used {
    let (host, port) = place(url)?;
    let address: SocketAddr = format!("{host}:{port}").parse()?;
    let (key, value) = (STANDARD.encode("word"), STANDARD.encode(WORD));
    post(
        address,
        "/v3/kv/put",
        &format!(r#"{{"key":"{key}","value":"{value}"}}"#),
    )
    .await?;
    let read = post(address, "/v3/kv/range", &format!(r#"{{"key":"{key}"}}"#)).await?;
    if read.contains(&value) {
        Ok("HTTP")
    } else {
        Err(read.into())
    }
}

async fn post(address: SocketAddr, path: &str, body: &str) -> Result<String, Box<dyn Error + Send + Sync>> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    if answer.starts_with("HTTP/1.1 200") {
        Ok(answer)
    } else {
        Err(answer.into())
    }
}

fn place(url: &str) -> Result<(String, u16), Box<dyn Error + Send + Sync>> {
    let url = Url::parse(url)?;
    let host = url.host_str().ok_or("no host")?.to_owned();
    Ok((host, url.port_or_known_default().ok_or("no port")?))
}

pub fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match byte {
            b'%' => {
                let (high, low) = (hex(rest.next()), hex(rest.next()));
                bytes.extend(high.zip(low).and_then(|(high, low)| u8::try_from(high * 16 + low).ok()));
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
