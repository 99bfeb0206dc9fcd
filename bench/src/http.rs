//! HTTP/1.1 over one kept connection, with nothing in it that could become the bottleneck: no headers are interpreted
//! but the length of the body.

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A response's status and body.
pub(crate) struct HttpResponse<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

/// A connection that is used for one request after another.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    /// To `127.0.0.1:9154`, or the same with `http://` in front.
    pub(crate) async fn open(address: &str) -> anyhow::Result<Self> {
        let address = address.trim_start_matches("http://").trim_end_matches('/');
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(16 << 10) })
    }

    /// Sends the bytes of a whole request and waits for the answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<HttpResponse<'_>> {
        self.stream.write_all(request).await?;
        self.received.clear();
        let (body_at, length) = loop {
            self.receive().await?;
            if let Some(end) = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break (end + 4, content_length(&self.received[..end])?);
            }
        };
        while self.received.len() < body_at + length {
            self.receive().await?;
        }
        let status = self.received.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        let status = status.context("the answer has no status")?;
        Ok(HttpResponse { status, body: &self.received[body_at..body_at + length] })
    }

    /// Posts JSON and reads JSON; any status but success is an error.
    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let answer = self.exchange(&request("POST", path, "", &body.to_string())).await?;
        if !(200..300).contains(&answer.status) {
            bail!("{path} answered {}: {}", answer.status, String::from_utf8_lossy(answer.body));
        }
        Ok(serde_json::from_slice(answer.body)?)
    }

    /// A JSON-RPC call and its result.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        let body = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut answer = self.post("/", &body).await?;
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => bail!("{method}: {}", answer["error"]),
        }
    }

    async fn receive(&mut self) -> anyhow::Result<()> {
        if self.stream.read_buf(&mut self.received).await? == 0 {
            bail!("the connection was closed");
        }
        Ok(())
    }
}

/// The bytes of a request; `headers` are whole lines.
pub(crate) fn request(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n{headers}content-length: \
         {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn content_length(head: &[u8]) -> anyhow::Result<usize> {
    let head = std::str::from_utf8(head)?;
    // No Content has none and does not say so (RFC 9110, 8.6).
    if head.get(9..12) == Some("204") {
        return Ok(0);
    }
    let length = head.lines().filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok()).flatten()
    });
    length.context("the answer does not tell its length")
}
