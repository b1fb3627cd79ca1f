//! Who may command what, hostile requests, and requests that are asked again.

use strongroom_platform::tls::Role;
use strongroom_proto::common::v1::Class;
use strongroom_proto::operators::v1::execute_request::Command as Wire;
use strongroom_proto::operators::v1::operators_server::Operators;
use strongroom_proto::operators::v1::row::Row as One;
use strongroom_proto::operators::v1::{
    ChangeMembersRequest, Deny, ExecuteRequest, Listing, MintToken, PromoteMember, PutSite, RegisterSource,
    RemoveOperator, RequestRun, SetContract, SetDepotState, SetHostGroupCap, SetOperatorRoles, SourceFacts,
    TransferLeadershipRequest, change_members_request, deny, execute_reply,
};
use tonic::Code;

use super::installation::{Installation, add, list, of, put};

#[tokio::test(flavor = "multi_thread")]
async fn a_member_adds_the_first_operator_who_does_the_rest() {
    let mut it = Installation::start().await;
    let (member, operator, stranger) =
        (it.peer(Role::Coordinator, 1), it.peer(Role::Operator, 1), it.peer(Role::Operator, 2));
    assert_eq!(it.next(&operator, add("ada", &operator, "operator")).await.unwrap_err().code, "forbidden");
    assert_eq!(it.next(&member, put("DE", &["DE"])).await.unwrap_err().code, "forbidden");
    it.done(&member, add("ada", &operator, "operator")).await;
    assert_eq!(it.next(&member, add("eve", &stranger, "operator")).await.unwrap_err().code, "forbidden");
    assert_eq!(it.next(&stranger, put("DE", &["DE"])).await.unwrap_err().code, "forbidden");
    it.done(&operator, put("DE", &["DE"])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_loses_the_role_loses_the_right() {
    let (mut it, operator, auditor) = Installation::founded().await;
    let failure = it.next(&auditor, put("FR", &["FR"])).await.unwrap_err();
    assert_eq!((failure.class(), failure.code.as_str()), (Class::Rejected, "forbidden"));
    let roles = SetOperatorRoles { name: "bob".into(), roles: vec!["operator".into()] };
    it.done(&operator, Wire::SetOperatorRoles(roles)).await;
    it.done(&auditor, put("FR", &["FR"])).await;
    it.done(&operator, Wire::RemoveOperator(RemoveOperator { name: "bob".into() })).await;
    assert_eq!(it.next(&auditor, put("IT", &["IT"])).await.unwrap_err().code, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_denied_may_nothing_whatever_the_role() {
    let (mut it, operator, auditor) = Installation::founded().await;
    let denied = Some(deny::Denied::Identity(auditor.id.to_string()));
    it.done(&operator, Wire::Deny(Deny { denied })).await;
    let failure = it.page(&auditor, list(Listing::Operators, "", 0)).await.unwrap_err();
    assert_eq!(failure.code, "forbidden");
    it.page(&operator, list(Listing::Operators, "", 0)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_and_strangers_are_turned_away_at_the_door() {
    let it = Installation::start().await;
    let request = || ExecuteRequest { session: None, command: None };
    let nobody = it.service.execute(tonic::Request::new(request())).await.unwrap_err();
    assert_eq!(nobody.code(), Code::PermissionDenied);
    for role in [Role::Agent, Role::Depot] {
        let peer = it.peer(role, 1);
        assert_eq!(it.service.execute(of(&peer, request())).await.unwrap_err().code(), Code::PermissionDenied);
    }
}

fn hostile() -> Vec<Wire> {
    let long = "x".repeat(70_000);
    let token = |change: fn(&mut MintToken)| {
        let mut token = MintToken {
            token: vec![1; 8],
            secret_sha256: vec![2; 32],
            role: "agent".into(),
            region: "berlin".into(),
            site: "berlin-1".into(),
            name_hint: String::new(),
            life_ms: 1_000,
            renews: String::new(),
        };
        change(&mut token);
        Wire::MintToken(token)
    };
    let contract = |bytes: Vec<u8>| Wire::SetContract(SetContract { source: vec![1; 16], contract: bytes });
    let facts = SourceFacts { engine: "abacus".into(), name: "cmdb".into(), ..SourceFacts::default() };
    vec![
        put(&long, &["DE"]),
        put("DE", &["Germany"]),
        put("../../etc", &[]),
        Wire::PutSite(PutSite { name: "Site One".into(), region: "berlin".into() }),
        token(|it| it.token = vec![1; 9]),
        token(|it| it.secret_sha256.clear()),
        token(|it| it.role = "root".into()),
        token(|it| it.site = "\u{202e}".into()),
        Wire::Deny(Deny { denied: None }),
        Wire::Deny(Deny { denied: Some(deny::Denied::Serial(vec![0; 21])) }),
        Wire::Deny(Deny { denied: Some(deny::Denied::Identity(long.clone())) }),
        Wire::SetDepotState(SetDepotState { depot: vec![1; 16], from: "active".into(), to: "gone".into() }),
        Wire::SetHostGroupCap(SetHostGroupCap { host_group: vec![1; 16], cap: 0 }),
        Wire::SetHostGroupCap(SetHostGroupCap { host_group: vec![1; 16], cap: u32::MAX }),
        Wire::RequestRun(RequestRun { run: Vec::new(), source: vec![1; 16], is_forced: false }),
        Wire::RegisterSource(RegisterSource { source: vec![1; 16], facts: None, contract: Vec::new() }),
        Wire::RegisterSource(RegisterSource { source: vec![1; 16], facts: Some(facts), contract: Vec::new() }),
        contract(b"{}".to_vec()),
        contract(vec![b' '; 1 << 20]),
        Wire::SetOperatorRoles(SetOperatorRoles { name: "ada".into(), roles: vec!["root".into()] }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_commands_are_refused_with_what_is_wrong() {
    let (mut it, operator, _) = Installation::founded().await;
    for command in hostile() {
        let failure = it.next(&operator, command.clone()).await.unwrap_err();
        assert_eq!((failure.class(), failure.code.as_str()), (Class::Rejected, "malformed"), "{command:?}");
        assert!(!failure.message.is_empty() && failure.message.len() < 200);
    }
    let empty = of(&operator, ExecuteRequest { session: None, command: None });
    let reply = it.service.execute(empty).await.unwrap().into_inner().result.unwrap();
    assert!(matches!(reply, execute_reply::Result::Failure(failure) if failure.code == "malformed"));
    let without_session = it.ask(&operator, None, put("FR", &["FR"])).await.unwrap_err();
    assert_eq!(without_session.code, "session-needed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_asked_again_takes_effect_once() {
    let (mut it, operator, _) = Installation::founded().await;
    let friend = it.peer(Role::Operator, 5);
    let session = it.session();
    for _ in 0..3 {
        it.ask(&operator, Some(session.clone()), add("eve", &friend, "auditor")).await.unwrap();
    }
    let anew = it.next(&operator, add("eve", &friend, "auditor")).await.unwrap_err();
    assert_eq!(anew.code, "exists");
    let page = it.page(&operator, list(Listing::Operators, "", 0)).await.unwrap();
    assert_eq!(page.rows.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_fate_is_not_known_is_never_called_failed() {
    let (mut it, operator, _) = Installation::founded().await;
    it.engine.stop().await;
    let failure = it.next(&operator, put("FR", &["FR"])).await.unwrap_err();
    assert_eq!(failure.class(), Class::Unknown, "{failure:?}");
    let failure = it.page(&operator, list(Listing::Regions, "", 0)).await.unwrap_err();
    assert_ne!(failure.class(), Class::Rejected, "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_lives_from_when_it_is_minted() {
    let (mut it, operator, _) = Installation::founded().await;
    let site = PutSite { name: "berlin-1".into(), region: "berlin".into() };
    it.done(&operator, Wire::PutSite(site)).await;
    let mint = MintToken {
        token: vec![1; 8],
        secret_sha256: vec![2; 32],
        role: "agent".into(),
        region: "berlin".into(),
        site: "berlin-1".into(),
        name_hint: String::new(),
        life_ms: 600_000,
        renews: String::new(),
    };
    it.done(&operator, Wire::MintToken(mint)).await;
    let page = it.page(&operator, list(Listing::Tokens, "", 0)).await.unwrap();
    let Some(One::Token(token)) = &page.rows[0].row else { panic!("{page:?}") };
    assert_eq!((token.state.as_str(), token.role.as_str()), ("open", "agent"));
    assert!((600_000..660_000).contains(&token.expires_ms), "{token:?}");
    assert_eq!(token.minted_by, operator.id.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_changes_no_members() {
    let (it, _, auditor) = Installation::founded().await;
    let promote = PromoteMember { member: it.identity.member.to_string(), replaces: String::new() };
    let change = Some(change_members_request::Change::Promote(promote));
    let reply = it.service.change_members(of(&auditor, ChangeMembersRequest { change })).await.unwrap();
    let forbidden =
        |reply| matches!(reply, Some(execute_reply::Result::Failure(failure)) if failure.code == "forbidden");
    assert!(forbidden(reply.into_inner().result));
    let transfer = TransferLeadershipRequest { to: it.identity.member.to_string() };
    let reply = it.service.transfer_leadership(of(&auditor, transfer)).await.unwrap();
    assert!(forbidden(reply.into_inner().result));
}
