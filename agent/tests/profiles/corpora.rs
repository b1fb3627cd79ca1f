//! NetBox and Nautobot: recognised, captured without what is transient, restored, and proven.

use std::collections::BTreeSet;
use std::process::Command;

use strongroom_agent::profile::{ProfileChoice, known_profile};
use strongroom_agent::source::{Finding, Severity};
use strongroom_core::manifest::ClassTags;
use strongroom_core::profile::{is_pattern, unqualified};

use crate::cluster::{Cluster, clusters};
use crate::host::Host;
use crate::not_run::corpus;
use crate::round::{about, bring_back, judge, left_out, open, plain, profiled, recovery, tags};

/// Columns that the profiles name and that the corpora's versions do not have, with the versions that do.
const LATER_COLUMNS: [(&str, &str); 2] = [("users_token", "plaintext"), ("users_token", "hmac_digest")];

/// Columns that Nautobot 2 moved here from sites.
const MOVED_COLUMNS: [(&str, &str); 7] = [
    ("dcim_location", "physical_address"),
    ("dcim_location", "shipping_address"),
    ("dcim_location", "latitude"),
    ("dcim_location", "longitude"),
    ("dcim_location", "contact_name"),
    ("dcim_location", "contact_phone"),
    ("dcim_location", "contact_email"),
];

fn netbox(test: &str) -> Option<String> {
    let packed = corpus("netbox-demo-4.1.sql.zst", test)?;
    Some(String::from_utf8(zstd::decode_all(std::fs::File::open(packed).unwrap()).unwrap()).unwrap())
}

fn nautobot(test: &str) -> Option<String> {
    let packed = corpus("nautobot-1.5.16-postgres.tar.gz", test)?;
    let unpacked = Command::new("tar").arg("-xzOf").arg(packed).output().unwrap();
    Some(String::from_utf8(unpacked.stdout).unwrap())
}

/// A database with a dump in it, whose owner may be missing on the server.
fn load(cluster: &Cluster, role: &str, dump: &str) -> String {
    cluster.psql("postgres", &format!("DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object THEN END $$"));
    cluster.database(role, dump)
}

/// Whatever a profile names is in the corpus, or is said to be of another version.
fn assert_names(profile: &str, cluster: &Cluster, database: &str) {
    let profile = known_profile(profile).unwrap().parse().unwrap();
    let cut = open(&plain(&cluster.url(database)));
    let schema = |name: &str| cut.classes().iter().map(|c| &c.schema).find(|schema| unqualified(&schema.name) == name);
    for (name, rule) in &profile.classes {
        let prefix = name.trim_end_matches('*');
        let is_there = if is_pattern(name) {
            cut.classes().iter().any(|class| unqualified(&class.schema.name).starts_with(prefix))
        } else {
            schema(name).is_some()
        };
        assert!(is_there || rule.only_in.is_some(), "{}: {name} is in no known version", profile.name);
        let Some(schema) = schema(name) else { continue };
        let lists = [&rule.display, &rule.personal, &rule.secret].into_iter().flatten().flatten();
        let columns = lists.chain(rule.natural_keys.iter().flatten().flatten()).chain(&rule.updated);
        for column in columns {
            let elsewhere = [(name.as_str(), column.as_str())];
            let known = LATER_COLUMNS.iter().chain(&MOVED_COLUMNS).any(|known| *known == elsewhere[0]);
            assert!(schema.column_named(column).is_some() || known, "{}: {name} has no {column}", profile.name);
        }
    }
    for integration in &profile.integrations {
        let schema = schema(&integration.class).unwrap_or_else(|| panic!("no class {}", integration.class));
        for column in &integration.columns {
            assert!(schema.column_named(column).is_some(), "{}: no {column}", integration.name);
        }
    }
    let references = &profile.references;
    for name in references.types.iter().flat_map(|types| types.overrides.values()).chain(&references.may_dangle) {
        let other_version = profile.classes.get(name).is_some_and(|rule| rule.only_in.is_some());
        let named = ["data_validation_requiredrule"].contains(&name.as_str());
        assert!(schema(name).is_some() || other_version || named, "{}: no class {name}", profile.name);
    }
}

fn names(of: impl IntoIterator<Item = &'static str>) -> BTreeSet<String> {
    of.into_iter().map(|name| format!("public.{name}")).collect()
}

#[test]
fn netbox_comes_back_without_what_is_transient() {
    let test = "netbox_comes_back_without_what_is_transient";
    let Some(dump) = netbox(test) else { return };
    for cluster in clusters(test) {
        let database = load(&cluster, "netbox", &dump);
        assert_names("netbox", &cluster, &database);
        let (host, url) = (Host::new(), cluster.url(&database));
        let first = host.backup(&profiled(&url, ProfileChoice::Automatic)).unwrap();
        assert!(first.complete, "{:?}", first.findings);
        let body = host.body(first.sequence);

        // What is left out, and what is not although it is derived.
        let wanted = names([
            "core_job",
            "django_session",
            "extras_cachedvalue",
            "extras_notification",
            "social_auth_association",
            "social_auth_code",
            "social_auth_nonce",
            "social_auth_partial",
        ]);
        assert_eq!(left_out(&body).into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), wanted);
        let cached = body.classes.iter().find(|entry| entry.name == "public.extras_cachedvalue").unwrap();
        assert!(cached.reason.as_ref().unwrap().contains("manage.py reindex"), "{cached:?}");
        let kept = about(&first.findings, "public.dcim_cablepath");
        assert!(kept[0].message.contains("is captured although it is derived"), "{kept:?}");
        assert!(about(&first.findings, "profile netbox").iter().all(|finding| finding.severity == Severity::Warning));

        // What the manifest records.
        assert_eq!((body.product.as_deref(), body.profile.as_deref()), (Some("NetBox"), Some("netbox")));
        assert_eq!(body.application_versions["virtualization"], "0040_convert_disk_size");
        assert_eq!(body.application_versions["wireless"], "0009_wirelesslink_distance");
        assert_eq!(body.environment["database"], database);
        assert!(body.integrations.iter().any(|state| state.name == "webhooks" && state.values.is_empty()));
        let users = ClassTags::TIER_1.with(ClassTags::PERSONAL).with(ClassTags::SECRET);
        assert_eq!(tags(&host, first.sequence, "public.users_user"), users);
        assert_eq!(
            tags(&host, first.sequence, "public.core_objectchange"),
            ClassTags::TIER_3.with(ClassTags::HISTORY).with(ClassTags::PERSONAL)
        );
        let stale = about(&first.findings, "device (public.dcim_device)");
        assert!(stale[0].message.contains("the limit is 90d"), "{stale:?}");

        // Back again, with empty tables in place of what was left out.
        let copy = cluster.name("copy");
        let restored = bring_back(&host, &first, &cluster.url(&copy));
        assert!(restored.verdict.is_equal() && restored.published, "{:?}", restored.verdict);
        let count = |database: &str, table: &str| cluster.query(database, &format!("SELECT count(*) FROM {table}"));
        for class in &wanted {
            assert_eq!(count(&copy, class), "0", "{class}");
            let judged = restored.verdict.classes.iter().find(|verdict| &verdict.class == class).unwrap();
            assert_eq!((judged.expected, judged.found, judged.equal), (0, Some(0), true));
        }
        assert_eq!(count(&copy, "dcim_interface"), count(&database, "dcim_interface"));
        let (needs, profile) = recovery(&host, &first);
        assert_eq!(needs.left_out.len(), wanted.len());
        assert!(needs.after_restore.iter().filter(|step| step.step == "manage.py reindex").count() == 1);
        assert!(needs.external_secrets.iter().any(|secret| secret.name.starts_with("SECRET_KEY")));
        assert_eq!(profile.unwrap(), known_profile("netbox").unwrap().parse().unwrap());

        // The source itself is no restored copy: what was left out has records there.
        let verdict = judge(&host, &first, &plain(&url));
        let unequal: Vec<_> = verdict.classes.iter().filter(|class| !class.equal).map(|class| &class.class).collect();
        assert_eq!(unequal, ["public.django_session", "public.extras_cachedvalue"]);

        // What was left out can't drift, and a class that shrinks is noticed by the name that people use.
        cluster.psql(&database, "DELETE FROM extras_cachedvalue; DELETE FROM ipam_ipaddress WHERE id > 60");
        let before = host.body(first.sequence);
        for (name, found) in host.compare(&plain(&url)) {
            assert_eq!(found.is_none(), wanted.contains(&name), "{name}");
            let root = before.classes.iter().find(|entry| entry.name == name).unwrap().root;
            let equal = found.is_none_or(|found| found.root == root);
            assert!(equal || name == "public.ipam_ipaddress", "{name}");
        }
        let second = host.backup(&profiled(&url, ProfileChoice::Automatic)).unwrap();
        let shrunk = about(&second.findings, "IP address (public.ipam_ipaddress)");
        assert!(shrunk[0].message.contains("180 in the preceding snapshot"), "{shrunk:?}");
    }
}

#[test]
fn nautobot_comes_back_without_what_is_transient() {
    let test = "nautobot_comes_back_without_what_is_transient";
    let Some(dump) = nautobot(test) else { return };
    for cluster in clusters(test) {
        let database = load(&cluster, "nautobot", &dump);
        assert_names("nautobot", &cluster, &database);
        let (host, url) = (Host::new(), cluster.url(&database));
        let outcome = host.backup(&profiled(&url, ProfileChoice::Automatic)).unwrap();
        assert!(outcome.complete, "{:?}", outcome.findings);
        let body = host.body(outcome.sequence);
        assert_eq!((body.product.as_deref(), body.profile.as_deref()), (Some("Nautobot"), Some("nautobot")));
        let wanted = names([
            "django_session",
            "extras_healthchecktestmodel",
            "extras_joblogentry",
            "extras_jobresult",
            "social_auth_association",
            "social_auth_code",
            "social_auth_nonce",
            "social_auth_partial",
        ]);
        assert_eq!(left_out(&body).into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), wanted);

        // Classes of plugins are captured, and one finding names all of them.
        let unknown: Vec<&Finding> = about(&outcome.findings, "profile nautobot");
        assert_eq!(unknown.len(), 1, "{unknown:?}");
        let plugin = |name: &str| unknown[0].message.contains(&format!("public.nautobot_{name}"));
        assert!(plugin("bgp_models_peering") && plugin("golden_config_goldenconfig"), "{unknown:?}");
        let cut = open(&profiled(&url, ProfileChoice::Automatic));
        let unknown_classes: Vec<&str> = cut.profile().unwrap().selection().unknown().collect();
        assert!(unknown_classes.iter().all(|class| class.starts_with("public.nautobot_")), "{unknown_classes:?}");
        assert_eq!(tags(&host, outcome.sequence, "public.nautobot_bgp_models_peering"), ClassTags::TIER_2);
        let jobs = body.integrations.iter().find(|state| state.name == "jobs").unwrap();
        assert!(!jobs.values.is_empty() && jobs.columns.contains(&"module_name".to_owned()), "{jobs:?}");
        assert_eq!(body.application_versions["social_django"], "0004_auto_20160423_0400");

        let copy = cluster.name("copy");
        let restored = bring_back(&host, &outcome, &cluster.url(&copy));
        assert!(restored.verdict.is_equal() && restored.published, "{:?}", restored.verdict);
        assert_eq!(cluster.query(&copy, "SELECT count(*) FROM extras_joblogentry"), "0");
        let associations = "SELECT count(*) FROM extras_relationshipassociation";
        assert_eq!(cluster.query(&copy, associations), cluster.query(&database, associations));
    }
}

#[test]
fn each_product_is_told_from_the_other() {
    let test = "each_product_is_told_from_the_other";
    let (Some(netbox), Some(nautobot)) = (netbox(test), nautobot(test)) else { return };
    for cluster in clusters(test) {
        for (role, dump, other) in [("netbox", &netbox, "nautobot"), ("nautobot", &nautobot, "netbox")] {
            let url = cluster.url(&load(&cluster, role, dump));
            let cut = open(&profiled(&url, ProfileChoice::Automatic));
            assert_eq!(cut.profile().unwrap().profile().name, role);
            let none = open(&profiled(&url, ProfileChoice::None));
            assert!(none.profile().is_none() && none.classes().iter().all(|class| class.skipped.is_none()));
            let strange = Box::new(known_profile(other).unwrap().parse().unwrap());
            let refused = strongroom_agent::source::Source::open(
                &profiled(&url, ProfileChoice::Given(strange)),
                &strongroom_agent::source::CaptureOptions::default(),
            );
            let refused = refused.err().unwrap().to_string();
            assert!(refused.contains(&format!("not of the profile {other}, since")), "{refused}");
        }
    }
}
