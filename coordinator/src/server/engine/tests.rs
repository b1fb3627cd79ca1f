//! The thread that has a member, when something in it panics.

use strongroom_platform::clock::SystemClock;
use strongroom_platform::disk::{Disk, SimDisk};
use strongroom_platform::rng::SimEntropy;

use super::*;
use crate::member::{Founding, MemberConfig, OpenError};

fn open(disk: &Arc<dyn Disk>) -> Result<Member, OpenError> {
    Member::open(disk, MemberConfig::LAN, &SimEntropy::from_seed(2))
}

fn links(member: &Member, disk: &Arc<dyn Disk>) -> Arc<Links> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions =
        rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
    let tls = versions.unwrap().with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let runtime = tokio::runtime::Handle::current();
    Arc::new(Links::new(member.identity().member, Arc::new(tls), Arc::clone(disk), runtime))
}

#[tokio::test]
async fn a_panic_ends_the_member_with_an_error_and_frees_its_folder() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
    Member::create(&disk, Founding::Group, &MemberConfig::LAN, &SimEntropy::from_seed(1)).unwrap();
    let member = open(&disk).unwrap();
    let links = links(&member, &disk);
    let (engine, thread) = Engine::start(member, links, Arc::new(SystemClock), Duration::from_millis(50));
    assert_eq!(engine.inspect(|member| member.identity().boot).await, Ok(1));
    assert_eq!(engine.inspect(|_| -> u64 { panic!("on the member's own thread") }).await, Err(EngineError::Ended));
    let ended = tokio::task::spawn_blocking(move || thread.join()).await.unwrap();
    assert!(matches!(ended.unwrap(), Err(MemberError::Panicked)));
    assert_eq!(engine.wake(), Err(EngineError::Ended));
    open(&disk).unwrap();
}

#[test]
fn a_job_that_panics_is_known_to_be_lost() {
    let lost = unless_it_panics(|| -> Result<(), MemberError> { panic!("in a job") });
    assert!(matches!(lost, Err(MemberError::Panicked)));
    assert!(unless_it_panics(|| Ok(())).is_ok());
}
