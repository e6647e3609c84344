//! A stand-in for MongoDB, which Debian doesn't have: the messages are written out to the byte as "MongoDB Wire Protocol" and "BSON" have
//! them, and its side of SCRAM-SHA-256 is computed as RFC 5802 has it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bson::{RawDocumentBuf, rawdoc};
use ring::{digest, hmac, pbkdf2};

use super::{
    servers::{PASSWORD, USER, ask_service, credentials},
    *,
};

const SALT: &[u8] = b"a salt of 28 bytes, as it is";
const ROUNDS: u32 = 15_000;

fn sign(key: &[u8], message: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes())
        .as_ref()
        .to_vec()
}

/// A message's head is four numbers, and its body follows flags and a kind, all of them 0.
async fn heard(stream: &mut TcpStream) -> Option<RawDocumentBuf> {
    let size = stream.read_i32_le().await.ok()?;
    let mut rest = vec![0; usize::try_from(size).unwrap() - 4];
    stream.read_exact(&mut rest).await.unwrap();
    assert_eq!(
        rest[8..17],
        [0xdd, 0x07, 0, 0, 0, 0, 0, 0, 0],
        "OP_MSG, no flags, a body"
    );
    Some(RawDocumentBuf::from_bytes(rest[17..].to_vec()).unwrap())
}

async fn say(stream: &mut TcpStream, document: &RawDocumentBuf) {
    let body = document.as_bytes();
    let mut message = Vec::new();
    for number in [body.len() as i32 + 21, 9, 1, 2013] {
        message.extend(number.to_le_bytes());
    }
    message.extend([0; 5]);
    message.extend(body);
    let _ = stream.write_all(&message).await;
}

fn text(document: &RawDocumentBuf) -> String {
    String::from_utf8(document.get_binary("payload").unwrap().bytes.to_vec()).unwrap()
}

fn binary(text: String) -> bson::Binary {
    bson::Binary {
        subtype: bson::spec::BinarySubtype::Generic,
        bytes: text.into_bytes(),
    }
}

/// The documents that were asked with, by their first key.
async fn stand_in(mut stream: TcpStream, heard_of: tokio::sync::mpsc::UnboundedSender<String>) {
    let refused =
        rawdoc! { "ok": 0.0, "errmsg": "Authentication failed.", "code": 18, "codeName": "AuthenticationFailed" };
    let (mut bare, mut first) = (String::new(), String::new());
    while let Some(asked) = heard(&mut stream).await {
        let (name, _) = asked.iter().next().unwrap().unwrap();
        let _ = heard_of.send(name.to_string());
        assert_eq!(asked.get_str("$db").unwrap(), "admin");
        let answer = match name.as_str() {
            "saslStart" => {
                bare = text(&asked).strip_prefix("n,,").unwrap().to_owned();
                let nonce = bare.split_once("r=").unwrap().1.to_owned();
                first = format!("r={nonce}theirs,s={},i={ROUNDS}", STANDARD.encode(SALT));
                rawdoc! { "conversationId": 1, "done": false, "payload": binary(first.clone()), "ok": 1.0 }
            }
            "saslContinue" => {
                let last = text(&asked);
                let (without, proof) = last.split_once(",p=").unwrap();
                let mut salted = [0; 32];
                let rounds = std::num::NonZeroU32::new(ROUNDS).unwrap();
                pbkdf2::derive(
                    pbkdf2::PBKDF2_HMAC_SHA256,
                    rounds,
                    SALT,
                    PASSWORD.as_bytes(),
                    &mut salted,
                );
                let all = format!("{bare},{first},{without}");
                let key = sign(&salted, "Client Key");
                let signature = sign(digest::digest(&digest::SHA256, &key).as_ref(), &all);
                let wanted: Vec<u8> = key
                    .iter()
                    .zip(&signature)
                    .map(|(key, signature)| key ^ signature)
                    .collect();
                if proof == STANDARD.encode(wanted) && bare.starts_with("n=app,") {
                    let signature = STANDARD.encode(sign(&sign(&salted, "Server Key"), &all));
                    rawdoc! { "conversationId": 1, "done": true, "payload": binary(format!("v={signature}")), "ok": 1.0 }
                } else {
                    refused.clone()
                }
            }
            _ => rawdoc! { "ok": 1.0 },
        };
        say(&mut stream, &answer).await;
    }
}

#[tokio::test]
async fn mongodb_lets_the_user_in_and_nobody_else() {
    let (heard_of, mut names) = tokio::sync::mpsc::unbounded_channel();
    let address = server(move |stream| stand_in(stream, heard_of.clone())).await;
    let asked = async |user, password| {
        ask_service(
            address,
            ServiceProtocol::Mongodb,
            &credentials(user, password, None),
            PATIENT,
        )
        .await
    };
    assert_eq!(asked(USER, PASSWORD).await, Ok(()));
    for name in ["hello", "saslStart", "saslContinue", "ping"] {
        assert_eq!(names.recv().await.as_deref(), Some(name));
    }
    for (user, password) in [(USER, "wrong"), ("nobody", PASSWORD)] {
        let refused = format!("password authentication failed for user `{user}`");
        assert_eq!(asked(user, password).await, Err(refused));
    }
    let nobody = Credentials::default();
    assert_eq!(
        ask_service(address, ServiceProtocol::Mongodb, &nobody, PATIENT).await,
        Ok(())
    );
}

/// The first message, byte by byte: a reader of documents might forgive what MongoDB doesn't.
#[tokio::test]
async fn the_first_message_is_as_documented() {
    let (seen, mut message) = tokio::sync::mpsc::unbounded_channel();
    let address = server(move |mut stream| {
        let seen = seen.clone();
        async move {
            let mut bytes = vec![0; 1024];
            let size = stream.read(&mut bytes).await.unwrap();
            bytes.truncate(size);
            let _ = seen.send(bytes);
        }
    })
    .await;
    let _ = ask_service(address, ServiceProtocol::Mongodb, &Credentials::default(), PATIENT).await;
    let message = message.recv().await.unwrap();
    let size = i32::from_le_bytes(message[..4].try_into().unwrap());
    assert_eq!(usize::try_from(size).unwrap(), message.len());
    assert_eq!(message[4..21], *b"\x01\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0");
    assert_eq!(message[25..36], *b"\x10hello\0\x01\0\0\0");
}
