//! One address for several processes of a host: each connection goes to the next one, or past one that is down.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use anyhow::{Context, Result};

/// Passes connections to `port` on to one of `behind` in turn, for as long as this program runs.
pub fn start(port: u16, behind: Vec<u16>) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).with_context(|| format!("port {port}"))?;
    thread::spawn(move || {
        for (number, client) in listener.incoming().enumerate() {
            let Ok(client) = client else { continue };
            let turn = number.checked_rem(behind.len()).unwrap_or_default();
            let (before, next) = behind.split_at_checked(turn).unwrap_or_default();
            let mut order = next.iter().chain(before);
            // No server there: the client is cut off, as it would be by one that is down.
            let Some(server) = order.find_map(|port| TcpStream::connect(("127.0.0.1", *port)).ok()) else {
                continue;
            };
            let _ = joined(client, server);
        }
    });
    Ok(())
}

/// Passes on what either says until both have ended.
fn joined(client: TcpStream, server: TcpStream) -> io::Result<()> {
    for end in [&client, &server] {
        end.set_nodelay(true)?;
    }
    let (to_client, to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || pass(client, to_server));
    thread::spawn(move || pass(server, to_client));
    Ok(())
}

/// Passes on until `from` ends; one that broke breaks the other, too.
fn pass(mut from: TcpStream, mut to: TcpStream) {
    match io::copy(&mut from, &mut to) {
        Ok(_) => {
            let _ = to.shutdown(Shutdown::Write);
        }
        Err(_) => {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::run::free_port;

    #[test]
    fn connections_go_to_each_in_turn_and_past_one_that_is_down() {
        let greets = |name: &'static [u8]| {
            let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
            let port = listener.local_addr().expect("a port").port();
            thread::spawn(move || {
                for client in listener.incoming() {
                    let mut client = client.expect("a connection");
                    let mut said = [0];
                    client.read_exact(&mut said).expect("a byte");
                    client.write_all(name).expect("a reader");
                }
            });
            port
        };
        let (port, down) = (free_port().expect("a port"), free_port().expect("a port"));
        start(port, vec![greets(b"one"), down, greets(b"two")]).expect("a balancer");
        let ask = || {
            let mut asked = TcpStream::connect(("127.0.0.1", port)).expect("the balancer");
            asked.write_all(b"?").expect("a reader");
            let mut answer = String::new();
            asked.read_to_string(&mut answer).expect("an answer");
            answer
        };
        assert_eq!([ask(), ask(), ask(), ask()], ["one", "two", "two", "one"]);
    }
}
