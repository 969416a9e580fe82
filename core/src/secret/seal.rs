//! Sealing: what must not lie on a disk as it is.
//!
//! XChaCha20-Poly1305 with a nonce that is derived from what is sealed and where it stands, so that equal texts in one place give
//! equal envelopes and no random numbers are needed; that a text is the same as before can be seen.
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::error::{Code, Error, Result};

/// The first word of a key line, and of an envelope, with the version of their forms.
const KEY: &str = "confmesh-key-1";
const ENVELOPE: &str = "v1";
/// How long the derived nonce is.
const NONCE_BYTES: usize = 24;

/// A new line for a key file, of 32 random bytes.
pub fn key_line(bytes: &[u8; 32]) -> String {
    format!("{KEY}.{}.{}", id_of(bytes), URL_SAFE_NO_PAD.encode(bytes))
}

/// A name that tells a key from others and says nothing about it.
fn id_of(bytes: &[u8; 32]) -> String {
    let digest = Sha256::new().chain_update(b"confmesh key id").chain_update(bytes).finalize();
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// The keys of a key file: the first one seals, every one opens.
#[derive(Clone)]
pub struct Keys(Vec<Key>);

#[derive(Clone)]
struct Key {
    id: String,
    seals: [u8; 32],
    names: [u8; 32],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<&str> = self.0.iter().map(|key| key.id.as_str()).collect();
        write!(f, "Keys({})", ids.join(", "))
    }
}

impl Keys {
    /// Reads a key file: lines of [`key_line`]; empty ones and those that begin with `#` are none.
    ///
    /// # Errors
    /// [`Code::Usage`] for a line that is none, by its number, and where there is no key.
    ///
    /// ```
    /// use confmesh::secret::{Keys, key_line};
    /// let keys = Keys::parse(&key_line(&[7; 32]))?;
    /// let sealed = keys.seal("where it stands", b"hunter2")?;
    /// assert!(sealed.starts_with("v1.") && !sealed.contains("hunter2"));
    /// assert_eq!(keys.open("where it stands", &sealed)?, b"hunter2");
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Keys> {
        let lines = text.lines().zip(1..).map(|(line, number)| (line.trim(), number));
        let keys = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#')).map(|(line, number)| {
            Key::parse(line).ok_or_else(|| {
                Error::new(Code::Usage, format!("line {number} is no key"))
                    .with_hint("make one with `confmesh key new`, and copy it whole")
            })
        });
        let keys = keys.collect::<Result<Vec<_>>>()?;
        if keys.is_empty() {
            return Err(Error::new(Code::Usage, "there is no key in it").with_hint("make one with `confmesh key new`"));
        }
        Ok(Keys(keys))
    }

    /// Seals bytes for one place, `v1.<key>.<text>`: elsewhere it does not open.
    ///
    /// # Errors
    /// [`Code::TooLarge`] for more than the cipher takes.
    pub fn seal(&self, place: &str, plain: &[u8]) -> Result<String> {
        let too_large = || Error::new(Code::TooLarge, "this is too large to be sealed");
        let key = self.0.first().ok_or_else(too_large)?;
        let nonce = key.nonce(place, plain);
        let payload = Payload { msg: plain, aad: place.as_bytes() };
        let sealed = key.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| too_large())?;
        let bytes = [nonce.as_slice(), &sealed].concat();
        Ok(format!("{ENVELOPE}.{}.{}", key.id, URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Opens what [`Keys::seal`] made for this place.
    ///
    /// # Errors
    /// [`Code::NotFound`] where its key is not here, [`Code::Damaged`] for what is no envelope, or of another place.
    pub fn open(&self, place: &str, sealed: &str) -> Result<Vec<u8>> {
        let damaged = || {
            Error::new(Code::Damaged, "what is sealed does not open: it is damaged, or was sealed for another place")
        };
        let mut parts = sealed.split('.');
        let (Some(ENVELOPE), Some(id), Some(text), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(damaged());
        };
        let key = self.0.iter().find(|key| key.id == id).ok_or_else(|| {
            Error::new(Code::NotFound, format!("it is sealed with the key `{id}`, which is not in the key file"))
                .with_hint("add the line of that key to the key file, last")
        })?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| damaged())?;
        let (nonce, body) = bytes.split_at_checked(NONCE_BYTES).ok_or_else(damaged)?;
        let nonce = <[u8; NONCE_BYTES]>::try_from(nonce).map_err(|_| damaged())?;
        let payload = Payload { msg: body, aad: place.as_bytes() };
        key.cipher().decrypt(&XNonce::from(nonce), payload).map_err(|_| damaged())
    }
}

impl super::Seal for Keys {
    fn seal(&self, place: &str, plain: &[u8]) -> Option<String> {
        Keys::seal(self, place, plain).ok()
    }

    fn open(&self, place: &str, sealed: &str) -> Option<Vec<u8>> {
        Keys::open(self, place, sealed).ok()
    }
}

impl Key {
    fn parse(line: &str) -> Option<Key> {
        let (id, text) = line.strip_prefix(KEY)?.strip_prefix('.')?.split_once('.')?;
        let bytes = <[u8; 32]>::try_from(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        // A slip in the line is found before anything is sealed with it.
        (id_of(&bytes) == id).then(|| Key {
            id: id.to_owned(),
            seals: mac(&bytes, &[b"confmesh seals"]),
            names: mac(&bytes, &[b"confmesh names"]),
        })
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.seals.into())
    }

    fn nonce(&self, place: &str, plain: &[u8]) -> [u8; NONCE_BYTES] {
        let length = u64::try_from(place.len()).unwrap_or(u64::MAX).to_be_bytes();
        let whole = mac(&self.names, &[&length, place.as_bytes(), plain]);
        let mut nonce = [0; NONCE_BYTES];
        nonce.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
        nonce
    }
}

fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let Ok(mut mac) = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key) else { return [0; 32] };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Keys {
        let lines: Vec<String> = bytes.iter().map(|byte| key_line(&[*byte; 32])).collect();
        Keys::parse(&format!("# keys\n\n{}\n", lines.join("\n"))).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_and_with_its_key_alone() {
        let sealed = keys(&[1]).seal("a", b"hunter2").unwrap();
        assert_eq!(sealed, keys(&[1]).seal("a", b"hunter2").unwrap(), "equal texts give equal envelopes");
        assert_ne!(sealed, keys(&[1]).seal("b", b"hunter2").unwrap());
        assert_ne!(sealed.get(..40), keys(&[1]).seal("a", b"hunter3").unwrap().get(..40), "the nonce is another one");
        assert_eq!(keys(&[1]).open("a", &sealed).unwrap(), b"hunter2");
        assert_eq!(keys(&[1]).open("b", &sealed).unwrap_err().code(), Code::Damaged);
        assert_eq!(keys(&[2]).open("a", &sealed).unwrap_err().code(), Code::NotFound);
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(bytes).unwrap();
            assert!(keys(&[1]).open("a", &other).is_err(), "byte {at}");
        }
        for none in ["", "v1", "v1.", "v1..", "v2.a.b", "v1.00000000.A"] {
            assert!(keys(&[1]).open("a", none).is_err(), "{none}");
        }
        assert_eq!(keys(&[1]).open("", &keys(&[1]).seal("", b"").unwrap()).unwrap(), b"");
    }

    #[test]
    fn a_key_is_changed_by_adding_it_last_and_then_putting_it_first() {
        let old = keys(&[1]).seal("a", b"x").unwrap();
        let new = keys(&[2, 1]).seal("a", b"x").unwrap();
        assert_ne!(old, new);
        for both in [keys(&[1, 2]), keys(&[2, 1])] {
            assert_eq!((both.open("a", &old).unwrap(), both.open("a", &new).unwrap()), (b"x".to_vec(), b"x".to_vec()));
        }
    }

    #[test]
    fn lines_that_are_no_keys_are_refused_by_number_and_never_shown() {
        let line = key_line(&[3; 32]);
        let cut = line.get(..line.len() - 1).unwrap();
        let slip = line.replacen("AwMD", "AwMB", 1);
        for wrong in [cut, slip.as_str(), "hunter2", "confmesh-key-1.x.y"] {
            let error = Keys::parse(&format!("{line}\n{wrong}")).unwrap_err();
            assert_eq!(error.message(), "line 2 is no key", "{wrong}");
        }
        assert!(Keys::parse("# none\n").is_err());
        assert!(!format!("{:?}", keys(&[3])).contains("AwMD"));
    }
}
