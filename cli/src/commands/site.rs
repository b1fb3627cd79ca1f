//! `site …`: the places of a group.
//!
//! A site is founded together with the region and the jurisdiction above it where those are not known yet. What is known
//! is never redefined here: to name another law for a known region is an error, and not a move.

mod founding;

use serde::Serialize;
use strongroom_proto::operators::v1::execute_request::Command;
use strongroom_proto::operators::v1::{Listing, PutJurisdiction, PutRegion, PutSite, RemoveSite};

use crate::app::App;
use crate::args::coordinator::Cluster;
use crate::args::site::{SiteAdd, SiteRm, SiteVerb};
use crate::commands::confirm;
use crate::failure::{Exit, Failure};
use crate::group::Group;
use crate::render::json::Schema;
use crate::render::table::Table;
use crate::render::text;

use founding::{Founding, Places};

#[derive(Serialize)]
struct SitesDocument {
    sites: Vec<SiteLine>,
}

#[derive(Serialize)]
struct SiteLine {
    name: String,
    region: String,
    jurisdiction: String,
    covers: Vec<String>,
    /// Agents and depots there.
    hosts: u32,
}

/// What was done, for programs.
#[derive(Serialize)]
struct SiteDocument<'a> {
    action: &'static str,
    name: &'a str,
    /// The places that were founded, or would be: the outermost first.
    founded: Vec<String>,
    /// Whether it was done, and not only shown.
    done: bool,
}

/// Runs a verb.
pub(super) fn run(verb: &SiteVerb, app: &App) -> Result<Exit, Failure> {
    match verb {
        SiteVerb::Add(options) => add(options, app),
        SiteVerb::Ls(cluster) => ls(cluster, app),
        SiteVerb::Rm(options) => rm(options, app),
    }
}

fn add(options: &SiteAdd, app: &App) -> Result<Exit, Failure> {
    let mut group = Group::open(&options.asked.cluster, app)?;
    let founding = founding::plan(options, &places(&mut group)?)?;
    let founded: Vec<String> = founding.iter().map(ToString::to_string).collect();
    if founded.is_empty() {
        app.output.say(format!("The site {} is there already, in region {}.", options.name, options.region));
    } else {
        app.output.say(format!("To be founded: {}.", founded.join(", ")));
    }
    let done = !options.asked.plan;
    if done {
        for step in founding {
            let what = format!("{step} was not founded");
            group.execute(command(step), &what)?;
        }
        app.output.result(format!("Site {} is known.", options.name));
    }
    app.output.document(Schema::Site, &SiteDocument { action: "add", name: &options.name, founded, done });
    Ok(Exit::Done)
}

fn command(step: Founding) -> Command {
    match step {
        Founding::Jurisdiction { name, codes } => Command::PutJurisdiction(PutJurisdiction { name, codes }),
        Founding::Region { name, jurisdiction } => Command::PutRegion(PutRegion { name, jurisdiction }),
        Founding::Site { name, region } => Command::PutSite(PutSite { name, region }),
    }
}

fn ls(cluster: &Cluster, app: &App) -> Result<Exit, Failure> {
    let places = places(&mut Group::look(cluster, app)?)?;
    let sites: Vec<SiteLine> = places
        .sites
        .into_iter()
        .map(|(name, site)| {
            let jurisdiction = places.regions.get(&site.region).cloned().unwrap_or_default();
            let covers = places.jurisdictions.get(&jurisdiction).cloned().unwrap_or_default();
            SiteLine { name, region: site.region, jurisdiction, covers, hosts: site.hosts }
        })
        .collect();
    let mut table = Table::new(&["site", "region", "jurisdiction", "covers", "#hosts"]);
    for it in &sites {
        let hosts = text::count(u64::from(it.hosts));
        table.row([it.name.as_str(), &it.region, &it.jurisdiction, &it.covers.join(", "), &hosts]);
    }
    app.output.table(&table);
    app.output.document(Schema::Sites, &SitesDocument { sites });
    Ok(Exit::Done)
}

fn rm(options: &SiteRm, app: &App) -> Result<Exit, Failure> {
    let name = options.name.as_str();
    app.output.say(format!("The site {name} is to be given up; its region stays."));
    if !options.asked.plan && !options.yes {
        confirm::confirm(&format!("Give {name} up?"), "a site would be given up", "nothing was changed")?;
    }
    let done = !options.asked.plan;
    if done {
        let remove = Command::RemoveSite(RemoveSite { name: name.to_owned() });
        Group::open(&options.asked.cluster, app)?.execute(remove, &format!("the site {name} was not given up"))?;
        app.output.result(format!("Site {name} is given up."));
    }
    app.output.document(Schema::Site, &SiteDocument { action: "rm", name, founded: Vec::new(), done });
    Ok(Exit::Done)
}

/// All places of a group.
fn places(group: &mut Group) -> Result<Places, Failure> {
    let mut places = Places::default();
    for listing in [Listing::Jurisdictions, Listing::Regions, Listing::Sites] {
        for row in group.list(listing, "the places are not known")? {
            places.take(row);
        }
    }
    Ok(places)
}
