//! `quittance webhooks listen`: a consumer on this machine, to see events while a real one is being written.

mod receiver;

use std::{net::Ipv4Addr, sync::Arc};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use poem::{http::StatusCode, listener::TcpAcceptor};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tokio::net::TcpListener;
use uuid::Uuid;

use self::receiver::Receiver;
use crate::{
    bootstrap,
    operator::{Access, Client, terminal::text},
    output::print_line,
    settings::Settings,
};

/// Webhooks, as their consumers see them
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Listen(Listen),
}

/// Print and verify events on a local port
///
/// Creates an endpoint for itself at the instance, tells of each request whether its signature is valid, and deletes the
/// endpoint at Ctrl-C. The instance has to reach this machine and has to be allowed to: the embedded default is, another
/// needs `webhooks.allowed_networks` or a tunnel whose address is given by --public-url. With --secret it asks
/// nobody and only listens, for an endpoint that exists.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  quittance webhooks listen
  quittance webhooks listen --events payment.paid --events payment.reverted --json | jq .data.payment.id
  quittance webhooks listen --answer 503
  QUITTANCE_WEBHOOK_SECRET=whsec_… quittance webhooks listen --port 4000")]
struct Listen {
    #[command(flatten)]
    access: Access,
    /// The port to listen on, at 127.0.0.1; 0 is any that is free
    #[arg(long, default_value_t = 4000)]
    port: u16,
    /// A type, a group such as payment.*, or * for all; may be repeated
    #[arg(long, value_name = "TYPE", default_value = "payment.*", conflicts_with = "secret")]
    events: Vec<String>,
    /// The node whose events are wanted, with those below it [default: the topmost that is reached]
    #[arg(long, value_name = "ID", conflicts_with = "secret")]
    node: Option<Uuid>,
    /// Where the instance reaches this port [default: http://127.0.0.1:PORT/]
    #[arg(long, value_name = "URL", conflicts_with = "secret")]
    public_url: Option<String>,
    /// Verify with this secret and create nothing
    #[arg(long, value_name = "SECRET", env = "QUITTANCE_WEBHOOK_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// Answer valid requests with this status, to see how failures are told and tried again
    #[arg(long, value_name = "STATUS", default_value = "204")]
    answer: StatusCode,
    /// Print each valid event as it came, one a line, and all else on standard error
    #[arg(long)]
    json: bool,
}

/// By which an endpoint that an earlier run could not delete is recognised.
const DESCRIPTION: &str = "quittance webhooks listen";

/// Nodes among which the topmost is looked for.
const NODES: usize = 100;

pub(crate) async fn run(settings: &Settings, options: Options) -> anyhow::Result<()> {
    let Command::Listen(listen) = options.command;
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, listen.port)).await;
    let socket = socket.with_context(|| format!("cannot listen on port {}; choose another by --port", listen.port))?;
    let here = format!("http://{}/", socket.local_addr()?);
    let (answer, json) = (listen.answer, listen.json);
    if let Some(secret) = &listen.secret {
        let verifier = Webhook::new(secret).context("--secret is not a secret of an endpoint (whsec_…)")?;
        print_status(json, &format!("Listening on {here}. Ctrl-C ends it."));
        return serve(socket, Receiver::new(verifier, answer, json)).await;
    }
    let own = bootstrap::read(settings).ok().map(|first| first.node_id);
    let given = listen.access.names_an_instance();
    let client = Client::sign_in(settings, listen.access).await?;
    let node = match listen.node.or(own.filter(|_| !given)) {
        Some(node) => node,
        None => topmost(&client).await?,
    };
    let url = listen.public_url.unwrap_or_else(|| here.clone());
    forget_earlier(&client, &url).await?;
    let wanted = json!({ "node_id": node, "url": url, "events": listen.events, "description": DESCRIPTION });
    let endpoint = client.post_once("/webhooks", &wanted).await?;
    let id = text(&endpoint, "id");
    let secret = endpoint["secret"].as_str().context("the answer holds no secret")?;
    let events = listen.events.join(", ");
    print_status(json, &format!("Listening on {here} as endpoint {id}, for {events}. Ctrl-C ends it."));
    let served = match Webhook::new(secret) {
        Ok(verifier) => serve(socket, Receiver::new(verifier, answer, json)).await,
        Err(error) => Err(error.into()),
    };
    client.delete(&format!("/webhooks/{id}")).await.context("the endpoint is not deleted")?;
    print_status(json, "The endpoint is deleted.");
    served
}

/// For the person at the terminal; what a program reads stays free of it.
fn print_status(json: bool, line: &str) {
    if json {
        tracing::info!("{line}");
    } else {
        print_line(line);
    }
}

async fn serve(socket: TcpListener, receiver: Receiver) -> anyhow::Result<()> {
    let receiver = Arc::new(receiver);
    let routes = poem::endpoint::make(move |request| {
        let receiver = Arc::clone(&receiver);
        async move { receiver.take(request).await }
    });
    let stopped = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    let server = poem::Server::new_with_acceptor(TcpAcceptor::from_tokio(socket)?);
    Ok(server.run_with_graceful_shutdown(routes, stopped, Some(std::time::Duration::from_secs(1))).await?)
}

/// The node at the top of what the caller reaches.
async fn topmost(client: &Client) -> anyhow::Result<Uuid> {
    let nodes = client.get("/nodes", &[("per_page", NODES.to_string())]).await?;
    let items = nodes["items"].as_array().map_or(&[][..], Vec::as_slice);
    if items.len() == NODES {
        bail!("there are many nodes; name one by --node");
    }
    let depth = |node: &&Value| node["path"].as_str().map_or(usize::MAX, |path| path.split('.').count());
    let top = items.iter().min_by_key(depth).context("these credentials reach no node")?;
    Ok(text(top, "id").parse()?)
}

/// Deletes what an earlier run left that was killed.
async fn forget_earlier(client: &Client, url: &str) -> anyhow::Result<()> {
    let endpoints = client.get("/webhooks", &[("per_page", "100".to_owned())]).await?;
    for endpoint in endpoints["items"].as_array().into_iter().flatten() {
        if endpoint["description"] == DESCRIPTION && endpoint["url"] == url {
            client.delete(&format!("/webhooks/{}", text(endpoint, "id"))).await?;
        }
    }
    Ok(())
}
