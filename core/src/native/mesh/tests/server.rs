//! An HTTP server that misbehaves as it is told.
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;

/// What is done with a request.
pub(super) enum Act {
    /// These bytes are sent, and the connection is closed.
    Send(Vec<u8>),
    /// That is done after so many milliseconds.
    Late(u64, Box<Act>),
    /// These bytes are sent one by one, a byte each 50 ms.
    Drip(Vec<u8>),
    /// These bytes are sent, then so many others, without ever telling how many.
    Flood(Vec<u8>, usize),
}

/// How requests are answered, by their heads in lower case.
pub(super) type Behaviour = Box<dyn Fn(&str) -> Act + Send>;

/// The server; it ends with the process.
#[derive(Clone)]
pub(super) struct Server {
    pub address: SocketAddr,
    behaviour: Arc<Mutex<Behaviour>>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start() -> Server {
        Server::with(None)
    }

    /// One that speaks TLS; returns its certificate as PEM too.
    pub fn secure() -> (Server, String) {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        (Server::with(Some(Arc::new(config))), own.cert.pem())
    }

    fn with(tls: Option<Arc<rustls::ServerConfig>>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let behaviour: Behaviour = Box::new(|_| ok("application/json", "", "{}"));
        let server = Server {
            address: listener.local_addr().unwrap(),
            behaviour: Arc::new(Mutex::new(behaviour)),
            heads: Arc::default(),
        };
        let own = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), server, tls) = (stream, own.clone(), tls.clone()) else { continue };
                thread::spawn(move || match tls {
                    None => server.serve(&mut &stream, &stream),
                    Some(tls) => {
                        let mut connection = rustls::ServerConnection::new(tls).unwrap();
                        let mut socket = &stream;
                        server.serve(&mut rustls::Stream::new(&mut connection, &mut socket), &stream);
                    }
                });
            }
        });
        server
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn behave(&self, behaviour: impl Fn(&str) -> Act + Send + 'static) {
        *self.behaviour.lock().unwrap() = Box::new(behaviour);
    }

    /// The requests since the last time, as they were sent.
    pub fn heads(&self) -> Vec<String> {
        std::mem::take(&mut *self.heads.lock().unwrap())
    }

    fn serve(&self, stream: &mut (impl Read + Write), socket: &TcpStream) {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return,
            }
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let act = self.behaviour.lock().unwrap()(&head);
        self.heads.lock().unwrap().push(head);
        // The other side may have gone by now.
        let act = match act {
            Act::Late(ms, act) => {
                thread::sleep(Duration::from_millis(ms));
                *act
            }
            act => act,
        };
        let _ = match act {
            Act::Late(..) => Ok(()),
            Act::Send(bytes) => stream.write_all(&bytes),
            Act::Drip(bytes) => bytes.iter().try_for_each(|byte| {
                thread::sleep(Duration::from_millis(50));
                stream.write_all(&[*byte])
            }),
            Act::Flood(bytes, mut more) => stream.write_all(&bytes).and_then(|()| {
                let part = vec![b' '; 1 << 20];
                while more > 0 {
                    stream.write_all(&part)?;
                    more = more.saturating_sub(part.len());
                }
                Ok(())
            }),
        };
        let _ = stream.flush();
        let _ = socket.shutdown(Shutdown::Write);
    }
}

/// An answer with a status line, headers and a body, and its length.
pub(super) fn answer(status: &str, headers: &str, body: &[u8]) -> Act {
    let mut bytes = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    Act::Send(bytes)
}

/// A good answer.
pub(super) fn ok(kind: &str, headers: &str, body: &str) -> Act {
    answer("200 OK", &format!("Content-Type: {kind}\r\n{headers}"), body.as_bytes())
}
