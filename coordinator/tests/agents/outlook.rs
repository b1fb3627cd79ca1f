//! What operators are told of runs to come, and from when on something is owed.

use serde_json::json;
use strongroom_coordinator::state::runs::RunOutcome;
use strongroom_platform::tls::Role;
use strongroom_proto::operators::v1::operators_client::OperatorsClient;
use strongroom_proto::operators::v1::row::Row as One;
use strongroom_proto::operators::v1::{
    GetOutlookRequest, GetSourceRequest, ListRequest, Listing, Outlook, SourceDetails, get_outlook_reply,
    get_source_reply, list_reply,
};
use tonic::transport::Channel;

use super::script::{Agent, Fate};
use super::world::{World, contract, source_id, within};

async fn operators(world: &World) -> OperatorsClient<Channel> {
    OperatorsClient::new(world.channel(Role::Coordinator, "berlin", 1).await)
}

async fn outlook(client: &mut OperatorsClient<Channel>, request: GetOutlookRequest) -> Outlook {
    let reply = within(client.get_outlook(request)).await.unwrap().into_inner();
    let Some(get_outlook_reply::Result::Outlook(outlook)) = reply.result else { panic!("{reply:?}") };
    outlook
}

async fn source(client: &mut OperatorsClient<Channel>, name: &str) -> SourceDetails {
    let reply = within(client.get_source(GetSourceRequest { source: name.into() })).await.unwrap().into_inner();
    let Some(get_source_reply::Result::Source(source)) = reply.result else { panic!("{reply:?}") };
    source
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_source_is_told_with_its_next_start_or_what_it_waits_for() {
    let mut world = World::new().await;
    world.register(1, 1, 1, &contract(&json!({}))).await;
    world.register(2, 2, 2, &contract(&json!({}))).await;
    let _agent = Agent::follow(&world, 1, 1, Fate::Succeeds, &[]).await;
    world.until(async || matches!(world.outcomes(1).await[..], [RunOutcome::Succeeded { .. }])).await;
    world.pass(8).await;
    let mut client = operators(&world).await;
    let all = outlook(&mut client, GetOutlookRequest::default()).await;
    let told: Vec<_> = all.sources.iter().map(|it| (it.source.as_str(), it.because.as_str())).collect();
    let (first, second) = (source_id(1).to_string(), source_id(2).to_string());
    assert_eq!(told, [(first.as_str(), "not-due"), (second.as_str(), "unattended")]);
    assert!(all.as_of_ms > 0 && all.sources[0].next_start_wall_us > all.now_wall_us);
    assert_eq!((all.sources[1].next_start_wall_us, all.next.as_str()), (0, ""));
    assert_eq!(all.agents.len(), 1, "the other one has no stream");

    let page = outlook(&mut client, GetOutlookRequest { limit: 1, ..GetOutlookRequest::default() }).await;
    assert_eq!((page.sources.len(), &page.next), (1, &first));
    let request = GetOutlookRequest { limit: 1, after: page.next, ..GetOutlookRequest::default() };
    let page = outlook(&mut client, request).await;
    assert_eq!((page.sources[0].source.as_str(), page.agents.len()), (second.as_str(), 0));
    let one = GetOutlookRequest { source: "source-2".into(), ..GetOutlookRequest::default() };
    assert_eq!(outlook(&mut client, one).await.sources[0].source, second);
    let hostile = GetOutlookRequest { after: "x".repeat(1_000), ..GetOutlookRequest::default() };
    let reply = within(client.get_outlook(hostile)).await.unwrap().into_inner();
    assert!(matches!(reply.result, Some(get_outlook_reply::Result::Failure(_))), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_owed_counts_from_the_cut_and_not_from_the_commit() {
    let mut world = World::new().await;
    world.register(1, 1, 1, &contract(&json!({}))).await;
    let _agent = Agent::follow(&world, 1, 1, Fate::Succeeds, &[]).await;
    world.until(async || !world.outcomes(1).await.is_empty()).await;
    let mut client = operators(&world).await;
    let request = ListRequest {
        listing: Listing::Snapshots.into(),
        limit: 1,
        source: "source-1".into(),
        ..ListRequest::default()
    };
    let reply = within(client.list(request)).await.unwrap().into_inner();
    let Some(list_reply::Result::Page(page)) = reply.result else { panic!("{reply:?}") };
    let Some(One::Snapshot(snapshot)) = page.rows[0].row.clone() else { panic!("{page:?}") };
    let details = source(&mut client, "source-1").await;
    let (row, now_ms) = (details.row.unwrap(), details.now_ms);
    // The agent says that it made its cut a second before.
    assert_eq!(row.cut_age_ms, now_ms - snapshot.committed_ms + 1_000);
}
