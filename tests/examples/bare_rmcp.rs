//! The least server on the SDK: one tool that answers with what it was given. What our servers
//! add to a call is measured against it by `cargo xtask bench`.
//!
//! `bare_rmcp` serves stdio, `bare_rmcp --http ADDR` streamable HTTP at any path.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData, JsonObject,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::stdio_pipes;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler, ServiceExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

#[derive(Clone)]
struct Echo;

type HttpService = StreamableHttpService<Echo, LocalSessionManager>;

impl ServerHandler for Echo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = JsonObject::from_iter([("type".to_owned(), json!("object"))]);
        let echo = Tool::new(
            "echo",
            "Answers with its name and a value.",
            Arc::new(schema),
        );
        Ok(ListToolsResult::with_all_items(vec![echo]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let mut arguments = request.arguments.unwrap_or_default();
        let name = arguments.remove("name").unwrap_or(Value::Null);
        Ok(CallToolResult::structured(json!({ "name": name, "value": "C.UTF-8" })).into())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [] => {
            Echo.serve(stdio_pipes()).await?.waiting().await?;
            Ok(())
        }
        [flag, address] if flag == "--http" => serve_http(address.parse()?).await,
        _ => bail!("usage: bare_rmcp [--http ADDR]"),
    }
}

async fn serve_http(address: SocketAddr) -> Result<()> {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true);
    let service: HttpService = StreamableHttpService::new(|| Ok(Echo), Arc::default(), config);
    let listener = TcpListener::bind(address).await.context("cannot listen")?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => {
                connections.spawn(serve_connection(accepted?.0, service.clone()));
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, service: HttpService) -> Result<()> {
    stream.set_nodelay(true)?;
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    connection.await.context("a connection ended early")
}
