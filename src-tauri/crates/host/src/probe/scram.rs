//! SCRAM-SHA-256 (RFC 5802, RFC 7677): both sides prove that they know a password, and neither tells it.

use std::num::NonZeroU32;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{digest, hmac, pbkdf2};

/// No channel binding, as nothing is encrypted here: `n,,` in base64.
const CHANNEL: &str = "c=biws";

pub(super) struct Login<'a> {
    user: String,
    password: &'a str,
    nonce: &'a str,
}

pub(super) struct Proof {
    /// The client's last message.
    pub(super) message: String,
    /// What the server has to say to it.
    pub(super) signature: String,
}

impl<'a> Login<'a> {
    pub(super) fn new(user: &str, password: &'a str, nonce: &'a str) -> Self {
        Self {
            user: user.replace('=', "=3D").replace(',', "=2C"),
            password,
            nonce,
        }
    }

    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.first_bare())
    }

    fn first_bare(&self) -> String {
        format!("n={},r={}", self.user, self.nonce)
    }

    /// `None` for an answer that can't be right.
    pub(super) fn proof(&self, servers_first: &str) -> Option<Proof> {
        let field = |name: &str| servers_first.split(',').find_map(|field| field.strip_prefix(name));
        let nonce = field("r=").filter(|nonce| nonce.starts_with(self.nonce))?;
        let salt = STANDARD.decode(field("s=")?).ok()?;
        let rounds: NonZeroU32 = field("i=")?.parse().ok()?;
        // Passwords that hold what looks alike and is written otherwise are the same password.
        let password = stringprep::saslprep(self.password).ok()?;

        let mut salted = [0; digest::SHA256_OUTPUT_LEN];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            rounds,
            &salt,
            password.as_bytes(),
            &mut salted,
        );
        let client_key = sign(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        let message = format!("{CHANNEL},r={nonce}");
        let all = format!("{},{servers_first},{message}", self.first_bare());
        let signature = sign(stored_key.as_ref(), all.as_bytes());
        let proof: Vec<u8> = client_key
            .as_ref()
            .iter()
            .zip(signature.as_ref())
            .map(|(key, signature)| key ^ signature)
            .collect();
        let server_key = sign(&salted, b"Server Key");
        Some(Proof {
            message: format!("{message},p={}", STANDARD.encode(proof)),
            signature: format!("v={}", STANDARD.encode(sign(server_key.as_ref(), all.as_bytes()))),
        })
    }
}

fn sign(key: &[u8], message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7677_comes_out() {
        let login = Login::new("user", "pencil", "rOprNGfwEbeRWgbNEkqO");
        assert_eq!(login.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let server = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let proof = login.proof(server);
        let proof = proof
            .as_ref()
            .map(|proof| (proof.message.as_str(), proof.signature.as_str()));
        let message = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                       p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(proof, Some((message, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")));
    }

    #[test]
    fn a_server_that_did_not_hear_the_client_proves_nothing() {
        let login = Login::new("a=b,c", "pencil", "mine");
        assert_eq!(login.first(), "n,,n=a=3Db=2Cc,r=mine");
        for wrong in [
            "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=mine1,s=W22Z,i=0",
            "r=mine1",
            "",
        ] {
            assert!(login.proof(wrong).is_none(), "{wrong}");
        }
    }
}
