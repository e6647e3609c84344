//! Does Kafka, or Redpanda, tell which requests it knows?
//!
//! By hand: `ApiVersions` (kafka.apache.org/protocol, "The Messages: ApiVersions") in its first version, which every broker answers, is
//! a few numbers, and its client libraries discover whole clusters.

use std::net::SocketAddr;

use futures_util::{FutureExt as _, future::BoxFuture};

use super::{Probe, dialogue::Dialogue};

const API_VERSIONS: i16 = 18;
const CORRELATION: i32 = 0x6c6f_6361;
const CLIENT: &str = "locald";

pub(super) struct Kafka {
    pub(super) address: SocketAddr,
}

impl Kafka {
    async fn answers(&self) -> Result<(), String> {
        let mut dialogue = Dialogue::open(self.address, "Kafka").await?;
        dialogue.say(&request()).await?;
        let size = number(&dialogue.bytes(4).await?);
        let size = usize::try_from(size).map_err(|_| dialogue.not_understood())?;
        let answer = dialogue.bytes(size).await?;
        let [correlation @ .., code_high, code_low] = answer.get(..6).unwrap_or_default() else {
            return Err(dialogue.not_understood());
        };
        if number(correlation) != CORRELATION {
            return Err(dialogue.not_understood());
        }
        match i16::from_be_bytes([*code_high, *code_low]) {
            0 => {
                dialogue.end(b"").await;
                Ok(())
            }
            code => Err(format!("the broker answered with error {code}")),
        }
    }
}

/// Size, kind and version of the request, a number to know the answer by, and who asks.
fn request() -> Vec<u8> {
    let mut request = Vec::new();
    request.extend(API_VERSIONS.to_be_bytes());
    request.extend(0_i16.to_be_bytes());
    request.extend(CORRELATION.to_be_bytes());
    request.extend([0, CLIENT.len() as u8]);
    request.extend(CLIENT.bytes());
    let mut framed = (request.len() as i32).to_be_bytes().to_vec();
    framed.append(&mut request);
    framed
}

fn number(bytes: &[u8]) -> i32 {
    bytes.try_into().map_or(-1, i32::from_be_bytes)
}

impl Probe for Kafka {
    fn ask(&self) -> BoxFuture<'_, Result<(), String>> {
        self.answers().boxed()
    }
}
