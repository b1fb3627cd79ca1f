//! What a member says of its health, in plain HTTP.
//!
//! Owns three pages, which anybody on the address may read: no name of a source, no address and no content stands on
//! them. `/healthz` says that the member answers, `/readyz` that it belongs to a group which has a leader, `/metrics` how
//! it stands. The listener is meant for the machine itself or a network of its own; it has no TLS.

mod metrics;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::issuer::IssuerLife;
use crate::member::Member;
use crate::server::Engine;
use metrics::Reading;

/// How long a member may take to look at itself.
const LOOK_TIME_MAX: Duration = Duration::from_secs(2);
/// Pages that are made at once: more readers are told to come again.
const READERS_MAX: usize = 4;

/// What the pages are made of.
#[derive(Clone)]
struct Pages {
    engine: Engine,
    issuer: Option<IssuerLife>,
    readers: Arc<Semaphore>,
}

/// Serves the pages until the task ends.
pub(super) async fn serve(listener: TcpListener, engine: Engine, issuer: Option<IssuerLife>) {
    let pages = Pages { engine, issuer, readers: Arc::new(Semaphore::new(READERS_MAX)) };
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(read_metrics))
        .with_state(pages);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "the pages on this member's health are served no more");
    }
}

impl Pages {
    /// Looks at the member, unless it is stuck or too many look at once.
    async fn look<T: Send + 'static>(&self, look: impl FnOnce(&Member) -> T + Send + 'static) -> Option<T> {
        let _reader = self.readers.try_acquire().ok()?;
        tokio::time::timeout(LOOK_TIME_MAX, self.engine.inspect(look)).await.ok()?.ok()
    }
}

async fn healthz(State(pages): State<Pages>) -> (StatusCode, &'static str) {
    match pages.look(|_| ()).await {
        Some(()) => (StatusCode::OK, "ok\n"),
        None => (StatusCode::SERVICE_UNAVAILABLE, "the member does not answer\n"),
    }
}

async fn readyz(State(pages): State<Pages>) -> (StatusCode, &'static str) {
    let looked = pages.look(|member| {
        let is_member = member.machine().configuration().has(member.identity().member);
        (is_member, member.standing().leader.is_some())
    });
    match looked.await {
        Some((true, true)) => (StatusCode::OK, "ready\n"),
        Some((false, _)) => (StatusCode::SERVICE_UNAVAILABLE, "the member is not part of the group yet\n"),
        Some((true, false)) => (StatusCode::SERVICE_UNAVAILABLE, "no leader is known\n"),
        None => (StatusCode::SERVICE_UNAVAILABLE, "the member does not answer\n"),
    }
}

async fn read_metrics(State(pages): State<Pages>) -> Response {
    let queued = pages.engine.queued();
    match pages.look(move |member| Reading::of(member, queued)).await {
        Some(mut reading) => {
            reading.put_issuer(pages.issuer.as_ref().map(IssuerLife::left));
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], reading.to_text()).into_response()
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, "the member does not answer\n").into_response(),
    }
}
