//! One member of ours as a process: `member FOLDER PORT KNOWN…`, where KNOWN is `ID=ADDRESS`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use strongroom_coordinator::member::{Member, MemberConfig};
use strongroom_coordinator::server::{Settings, run};
use strongroom_platform::clock::{Clock, SystemClock};
use strongroom_platform::disk::{Disk, RealDisk};
use strongroom_platform::rng::SystemEntropy;
use strongroom_platform::tls::{
    DenyWatch, Expect, HotIdentity, Identity, PeerVerifier, Role, TrustBundle, TrustBundles, client_config,
    server_config,
};

pub(crate) fn main(arguments: &[String]) {
    let [folder, port, known @ ..] = arguments else { panic!("member FOLDER PORT KNOWN…") };
    let folder = Path::new(folder);
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(folder.join("data")).expect("a folder"));
    let member = Member::open(&disk, MemberConfig::LAN, &SystemEntropy).expect("a member");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (server, client) = tls(folder, &clock);
    let known: BTreeMap<_, _> = known
        .iter()
        .filter_map(|text| text.split_once('='))
        .map(|(id, address)| (id.parse().expect("a member"), address.to_owned()))
        .collect();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await.expect("the port is free");
        let settings = Settings { tick: Duration::from_millis(50), disk, clock, server, client, listener, known };
        let running = run(member, settings).expect("it runs");
        let thread = tokio::task::spawn_blocking(move || running.wait());
        println!("{:?}", thread.await);
    });
}

pub(crate) fn tls(folder: &Path, clock: &Arc<dyn Clock>) -> (Arc<rustls::ServerConfig>, Arc<rustls::ClientConfig>) {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file");
    let identity = Identity::from_pem(&read("chain.pem"), &read("key.pem")).expect("an identity");
    let bundle = TrustBundle::from_pem(&read("root.pem")).expect("a root");
    let domain: strongroom_platform::tls::TrustDomain = super::cluster::DOMAIN.parse().expect("a trust domain");
    let bundles = TrustBundles::default().with(bundle);
    let denied = Arc::new(DenyWatch::default());
    let own = Arc::new(HotIdentity::new(identity));
    let all = Expect::roles(domain.clone(), [Role::Coordinator, Role::Operator]);
    let members = Expect::roles(domain, [Role::Coordinator]);
    let verifier = |expect| Arc::new(PeerVerifier::new(expect, &bundles, Arc::clone(&denied)).expect("roots"));
    let server = server_config(Arc::clone(&own), verifier(all), Arc::clone(clock), &[b"h2"]).expect("TLS");
    let client = client_config(own, verifier(members), Arc::clone(clock), &[b"h2"]).expect("TLS");
    (Arc::new(server), Arc::new(client))
}
