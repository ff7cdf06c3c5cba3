//! What a host without sockets says to who asks for one. The widget then listens to the event stream.

use anyhow::{Result, ensure};
use frontdesk_tests::client::Caller;
use frontdesk_tests::socket::{Handshake, handshake, request};
use reqwest::Method;

use crate::case::host;

#[tokio::test]
async fn a_socket_is_refused_with_the_way_to_go() -> Result<()> {
    let host = host()?;
    let (visitor, other) = (Caller::visitor(&host).await?, Caller::visitor(&host).await?);
    let conversation = visitor.begin().await?;
    for token in [&visitor.token, &other.token] {
        let protocols = format!("frontdesk.v1, fd.{token}");
        let request = request(&host.base_url, &conversation, &protocols)?;
        match handshake(&host.base_url, request).await? {
            // The runtime hides from the core that a socket is asked for.
            Handshake::Refused(status, _) => ensure!(status == 426, "{status}"),
            Handshake::Open(..) => anyhow::bail!("there is a socket"),
        }
    }
    let path = format!("/api/v1/conversations/{conversation}/socket");
    let plain = visitor.request(Method::GET, &path).send().await?;
    ensure!(plain.status() == 426, "{plain:?}");
    Ok(())
}
