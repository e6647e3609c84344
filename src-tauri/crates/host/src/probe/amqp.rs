//! Does RabbitMQ open a connection for the user?
//!
//! By hand: opening a connection is four methods of AMQP 0-9-1 ("General-Use Class: Connection" of its specification). Of the client
//! libraries one gives every connection a thread that outlives a question that is given up, and the other can't tell a refused
//! password from a connection that broke.

use std::net::SocketAddr;

use futures_util::{FutureExt as _, future::BoxFuture};
use locald_core::spec::Credentials;

use super::{Probe, dialogue::Dialogue, password, refused, servers_words};

const PROTOCOL: &[u8] = b"AMQP\0\0\x09\x01";
const METHOD_FRAME: u8 = 1;
const HEARTBEAT_FRAME: u8 = 8;
const FRAME_END: u8 = 0xce;
/// The class `connection`.
const CONNECTION: u16 = 10;
const START: u16 = 10;
const START_OK: u16 = 11;
const TUNE: u16 = 30;
const TUNE_OK: u16 = 31;
const OPEN: u16 = 40;
const OPEN_OK: u16 = 41;
const CLOSE: u16 = 50;
const CLOSE_OK: u16 = 51;
const ACCESS_REFUSED: u16 = 403;

pub(super) struct Amqp<'a> {
    pub(super) address: SocketAddr,
    pub(super) credentials: &'a Credentials,
}

impl Amqp<'_> {
    async fn answers(&self) -> Result<(), String> {
        let mut dialogue = Dialogue::open(self.address, "AMQP").await?;
        dialogue.say(PROTOCOL).await?;
        self.expect(&mut dialogue, START).await?;
        dialogue.say(&method(START_OK, &self.start_ok())).await?;
        let limits = self.expect(&mut dialogue, TUNE).await?;
        // As the server proposes, and the virtual host's name: `/` is there from the start.
        let host = self.credentials.database.as_deref().unwrap_or("/");
        let open = [short(host), vec![0, 0]].concat();
        let both = [method(TUNE_OK, &limits), method(OPEN, &open)].concat();
        dialogue.say(&both).await?;
        self.expect(&mut dialogue, OPEN_OK).await?;
        // Code 200, no text, about no method.
        dialogue.say(&method(CLOSE, &[0, 200, 0, 0, 0, 0, 0])).await?;
        self.expect(&mut dialogue, CLOSE_OK).await?;
        dialogue.end(b"").await;
        Ok(())
    }

    fn start_ok(&self) -> Vec<u8> {
        // A server that knows this of a client says that it refuses it, and doesn't just hang up.
        let capabilities = table(&[(b"authentication_failure_close", b't', &[1])]);
        let product = long(b"locald");
        let properties = table(&[(b"product", b'S', &product), (b"capabilities", b'F', &capabilities)]);
        let user = self.credentials.user.as_deref().unwrap_or("guest");
        let password = password(self.credentials).unwrap_or("guest");
        let login = long(format!("\0{user}\0{password}").as_bytes());
        [properties, short("PLAIN"), login, short("en_US")].concat()
    }

    /// The arguments of the method that has to come.
    async fn expect(&self, dialogue: &mut Dialogue, wanted: u16) -> Result<Vec<u8>, String> {
        loop {
            let head = dialogue.bytes(7).await?;
            let [kind, _, _, size @ ..] = head.as_slice() else {
                return Err(dialogue.not_understood());
            };
            let size = size.try_into().map_or(0, u32::from_be_bytes) as usize;
            let frame = dialogue.bytes(size.saturating_add(1)).await?;
            let Some((&FRAME_END, payload)) = frame.split_last() else {
                return Err(dialogue.not_understood());
            };
            match (kind, payload) {
                (&HEARTBEAT_FRAME, _) => {}
                (&METHOD_FRAME, [class_high, class_low, high, low, arguments @ ..])
                    if u16::from_be_bytes([*class_high, *class_low]) == CONNECTION =>
                {
                    return match u16::from_be_bytes([*high, *low]) {
                        method if method == wanted => Ok(arguments.to_vec()),
                        CLOSE => {
                            let said = self.closed_with(arguments);
                            let _ = dialogue.say(&method(CLOSE_OK, &[])).await;
                            Err(said.unwrap_or_else(|| dialogue.not_understood()))
                        }
                        _ => Err(dialogue.not_understood()),
                    };
                }
                _ => return Err(dialogue.not_understood()),
            }
        }
    }

    fn closed_with(&self, arguments: &[u8]) -> Option<String> {
        let (code, rest) = arguments.split_first_chunk::<2>()?;
        let (length, rest) = rest.split_first()?;
        let text = String::from_utf8_lossy(rest.get(..usize::from(*length))?);
        if u16::from_be_bytes(*code) == ACCESS_REFUSED {
            return Some(refused(self.credentials, "guest"));
        }
        Some(servers_words(&text))
    }
}

fn method(number: u16, arguments: &[u8]) -> Vec<u8> {
    let size = arguments.len() as u32 + 4;
    let mut frame = vec![METHOD_FRAME, 0, 0];
    frame.extend(size.to_be_bytes());
    frame.extend(CONNECTION.to_be_bytes());
    frame.extend(number.to_be_bytes());
    frame.extend(arguments);
    frame.push(FRAME_END);
    frame
}

/// A text of at most 255 bytes.
fn short(text: &str) -> Vec<u8> {
    let text = text.as_bytes().get(..usize::from(u8::MAX)).unwrap_or(text.as_bytes());
    [&[text.len() as u8], text].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

/// Names, kinds and values.
fn table(fields: &[(&[u8], u8, &[u8])]) -> Vec<u8> {
    let fields: Vec<u8> = fields
        .iter()
        .flat_map(|(name, kind, value)| [&[name.len() as u8][..], name, &[*kind], value].concat())
        .collect();
    long(&fields)
}

impl Probe for Amqp<'_> {
    fn ask(&self) -> BoxFuture<'_, Result<(), String>> {
        self.answers().boxed()
    }
}
