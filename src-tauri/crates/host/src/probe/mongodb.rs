//! Does MongoDB let the user in and answer `ping`?
//!
//! By hand, with the `bson` crate: one message out and one back (`OP_MSG` of "MongoDB Wire Protocol"), and SCRAM-SHA-256 (RFC 5802, RFC 7677). The
//! driver is another sixty crates, and keeps watch over a cluster with connections of its own where one question is asked.

use std::net::SocketAddr;

use bson::{RawDocumentBuf, raw::RawDocument, rawdoc};
use futures_util::{FutureExt as _, future::BoxFuture};
use locald_core::spec::Credentials;

use super::{
    Probe,
    dialogue::Dialogue,
    password, refused,
    scram::{Login, Proof},
    servers_words,
};

const OP_MSG: i32 = 2013;
/// Sizes and numbers, no flags, and a body.
const HEAD: usize = 16;
const BODY: [u8; 5] = [0; 5];
const AUTHENTICATION_FAILED: i32 = 18;

pub(super) struct Mongodb<'a> {
    pub(super) address: SocketAddr,
    pub(super) credentials: &'a Credentials,
}

impl Mongodb<'_> {
    async fn answers(&self) -> Result<(), String> {
        let mut dialogue = Dialogue::open(self.address, "MongoDB").await?;
        let hello = rawdoc! { "hello": 1, "$db": "admin", "client": {
            "application": { "name": "locald" },
            "driver": { "name": "locald", "version": env!("CARGO_PKG_VERSION") },
            "os": { "type": std::env::consts::OS },
        } };
        self.command(&mut dialogue, &hello).await?;
        if let (Some(user), Some(password)) = (&self.credentials.user, password(self.credentials)) {
            self.log_in(&mut dialogue, user, password).await?;
        }
        self.command(&mut dialogue, &rawdoc! { "ping": 1, "$db": "admin" })
            .await?;
        dialogue.end(b"").await;
        Ok(())
    }

    async fn log_in(&self, dialogue: &mut Dialogue, user: &str, password: &str) -> Result<(), String> {
        let nonce = format!("{:032x}", fastrand::u128(..));
        let login = Login::new(user, password, &nonce);
        let first = bson::Binary {
            subtype: bson::spec::BinarySubtype::Generic,
            bytes: login.first().into_bytes(),
        };
        let start = rawdoc! {
            "saslStart": 1, "mechanism": "SCRAM-SHA-256", "payload": first,
            "options": { "skipEmptyExchange": true }, "$db": "admin",
        };
        let answer = self.command(dialogue, &start).await?;
        let proof = payload(&answer).and_then(|said| login.proof(said));
        let Proof { message, signature } = proof.ok_or_else(|| dialogue.not_understood())?;
        let last = bson::Binary {
            subtype: bson::spec::BinarySubtype::Generic,
            bytes: message.into_bytes(),
        };
        let conversation = answer
            .get_i32("conversationId")
            .map_err(|_| dialogue.not_understood())?;
        let go_on = rawdoc! { "saslContinue": 1, "conversationId": conversation, "payload": last, "$db": "admin" };
        let answer = self.command(dialogue, &go_on).await?;
        // The server proves that it knows the password too.
        if payload(&answer) == Some(signature.as_str()) && answer.get_bool("done").is_ok_and(|done| done) {
            Ok(())
        } else {
            Err(refused(self.credentials, user))
        }
    }

    async fn command(&self, dialogue: &mut Dialogue, command: &RawDocumentBuf) -> Result<RawDocumentBuf, String> {
        dialogue.say(&message(command)).await?;
        let head = dialogue.bytes(HEAD).await?;
        let number = |at: usize| {
            head.get(at..at + 4)
                .and_then(|bytes| bytes.try_into().ok())
                .map(i32::from_le_bytes)
        };
        let size = number(0)
            .and_then(|size| usize::try_from(size).ok())
            .unwrap_or_default();
        if number(12) != Some(OP_MSG) || size < HEAD + BODY.len() {
            return Err(dialogue.not_understood());
        }
        let rest = dialogue.bytes(size - HEAD).await?;
        let answer = rest
            .strip_prefix(&BODY)
            .and_then(|body| RawDocument::from_bytes(body).ok())
            .ok_or_else(|| dialogue.not_understood())?;
        match answer.get("ok") {
            Ok(Some(ok)) if ok.as_f64() == Some(1.0) || ok.as_i32() == Some(1) => Ok(answer.to_owned()),
            _ if answer.get_i32("code").is_ok_and(|code| code == AUTHENTICATION_FAILED) => {
                Err(refused(self.credentials, ""))
            }
            _ => Err(answer
                .get_str("errmsg")
                .map_or_else(|_| dialogue.not_understood(), servers_words)),
        }
    }
}

fn payload(answer: &RawDocument) -> Option<&str> {
    std::str::from_utf8(answer.get_binary("payload").ok()?.bytes).ok()
}

fn message(command: &RawDocumentBuf) -> Vec<u8> {
    let body = command.as_bytes();
    let size = (HEAD + BODY.len() + body.len()) as i32;
    let numbers = [size, 1, 0, OP_MSG];
    let mut message: Vec<u8> = numbers.into_iter().flat_map(i32::to_le_bytes).collect();
    message.extend(BODY);
    message.extend(body);
    message
}

impl Probe for Mongodb<'_> {
    fn ask(&self) -> BoxFuture<'_, Result<(), String>> {
        self.answers().boxed()
    }
}
