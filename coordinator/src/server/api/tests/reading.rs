//! Pages, hostile readings, and watches.

use std::time::Duration;

use strongroom_platform::tls::Role;
use strongroom_proto::common::v1::Class;
use strongroom_proto::operators::v1::execute_request::Command as Wire;
use strongroom_proto::operators::v1::operators_server::Operators;
use strongroom_proto::operators::v1::row::Row as One;
use strongroom_proto::operators::v1::{
    Deny, GetCountsRequest, GetSourceRequest, ListRequest, Listing, RemoveOperator, StatusRequest, WatchDenialsRequest,
    WatchRunsRequest, deny, get_counts_reply, get_source_reply,
};
use tokio_stream::StreamExt;
use tonic::Code;

use super::installation::{Installation, list, of, put};

const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_goes_on_where_the_page_ended() {
    let (mut it, operator, auditor) = Installation::founded().await;
    for code in ["AT", "BE", "FR", "IT"] {
        it.done(&operator, put(code, &[code])).await;
    }
    let (mut names, mut after, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = it.page(&auditor, list(Listing::Jurisdictions, &after, 2)).await.unwrap();
        pages += 1;
        names.extend(page.rows.into_iter().map(|row| match row.row {
            Some(One::Jurisdiction(row)) => row.name,
            other => panic!("{other:?}"),
        }));
        if page.next.is_empty() {
            break;
        }
        after = page.next;
    }
    assert_eq!((names, pages), (["AT", "BE", "DE", "FR", "IT"].map(String::from).to_vec(), 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_listing_is_read_by_an_auditor_and_by_no_stranger() {
    let (it, _, auditor) = Installation::founded().await;
    let stranger = it.peer(Role::Operator, 9);
    for number in 1..=13 {
        let listing = Listing::try_from(number).unwrap();
        let read = it.page(&auditor, list(listing, "", 0)).await;
        let needs_source = matches!(listing, Listing::Snapshots | Listing::Runs);
        assert_eq!(read.is_ok(), !needs_source, "{listing:?}: {read:?}");
        assert_eq!(it.page(&stranger, list(listing, "", 0)).await.unwrap_err().code, "forbidden");
    }
    let status = it.service.status(of(&stranger, StatusRequest {})).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(it.service.status(of(&auditor, StatusRequest {})).await.unwrap().into_inner().members.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_readings_are_refused_with_what_is_wrong() {
    let (it, _, auditor) = Installation::founded().await;
    let long = "x".repeat(70_000);
    let requests = [
        ListRequest { listing: 99, ..ListRequest::default() },
        ListRequest::default(),
        list(Listing::Regions, "No Name", 1),
        list(Listing::Regions, &long, 1),
        list(Listing::Tokens, "zz", u32::MAX),
        list(Listing::Denials, "-1", 0),
    ];
    for request in requests {
        let failure = it.page(&auditor, request.clone()).await.unwrap_err();
        assert_eq!((failure.class(), failure.code.as_str()), (Class::Rejected, "malformed"), "{request:?}");
    }
    for source in [String::new(), "nothing".into(), long, "00".repeat(16)] {
        let reply = it.service.get_source(of(&auditor, GetSourceRequest { source })).await.unwrap().into_inner();
        assert!(matches!(reply.result, Some(get_source_reply::Result::Failure(failure)) if failure.code == "missing"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_have_names() {
    let (it, _, auditor) = Installation::founded().await;
    let reply = it.service.get_counts(of(&auditor, GetCountsRequest {})).await.unwrap().into_inner();
    let Some(get_counts_reply::Result::Counts(counts)) = reply.result else { panic!("{reply:?}") };
    let count = |name: &str| counts.counts.iter().find(|count| count.name == name).map(|count| count.value);
    assert_eq!((count("operators"), count("operators_in_charge")), (Some(2), Some(1)));
}

fn deny(serial: u8) -> Wire {
    Wire::Deny(Deny { denied: Some(deny::Denied::Serial(vec![serial; 16])) })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_tells_what_is_and_then_what_changes() {
    let (mut it, operator, auditor) = Installation::founded().await;
    it.done(&operator, deny(1)).await;
    let request = of(&auditor, WatchDenialsRequest { after_version: 0 });
    let mut watch = it.service.watch_denials(request).await.unwrap().into_inner();
    let mut next = async || tokio::time::timeout(DEADLINE, watch.next()).await.expect("in time");
    let seen = next().await.unwrap().unwrap();
    assert_eq!((seen.version, seen.denials[0].serial.as_str()), (1, "01".repeat(16).as_str()));
    it.done(&operator, deny(2)).await;
    it.done(&operator, deny(3)).await;
    let mut serials = Vec::new();
    while serials.len() < 2 {
        serials.extend(next().await.unwrap().unwrap().denials.into_iter().map(|denial| denial.serial));
    }
    assert_eq!(serials, ["02".repeat(16), "03".repeat(16)]);
    it.done(&operator, Wire::RemoveOperator(RemoveOperator { name: "bob".into() })).await;
    assert_eq!(next().await.unwrap().unwrap_err().code(), Code::PermissionDenied);
    assert!(next().await.is_none(), "and nothing more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_on_the_standing_ends_when_its_reader_is_no_operator_any_more() {
    let (mut it, operator, auditor) = Installation::founded().await;
    let mut watch = it.service.watch_standing(of(&auditor, StatusRequest {})).await.unwrap().into_inner();
    let mut next = async || tokio::time::timeout(DEADLINE, watch.next()).await.expect("in time");
    assert_eq!(next().await.unwrap().unwrap().role, "leader");
    it.done(&operator, Wire::RemoveOperator(RemoveOperator { name: "bob".into() })).await;
    let ended = loop {
        if let Err(status) = next().await.expect("it says why it ends") {
            break status;
        }
    };
    assert_eq!(ended.code(), Code::PermissionDenied);
    assert!(next().await.is_none(), "and nothing more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_on_the_runs_of_no_source_ends_at_once() {
    let (it, _, auditor) = Installation::founded().await;
    let request = of(&auditor, WatchRunsRequest { source: "nothing".into() });
    let mut watch = it.service.watch_runs(request).await.unwrap().into_inner();
    let first = tokio::time::timeout(DEADLINE, watch.next()).await.expect("in time");
    assert_eq!(first.unwrap().unwrap_err().code(), Code::NotFound);
}
