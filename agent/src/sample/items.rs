//! The configuration items of the sample, class by class.

use std::fmt::Write as _;

use super::draw::Draw;
use super::rows::{APPLICATION, DEVICE, INTERFACE, OWNER, RACK, SERVICE, SITE, SampleSize, Take, Value, moment};
use super::words::{FAMILY, GIVEN, ROLES, SERVICES, STATES, SUBJECTS, SYSTEMS, TEAMS, TOWNS};

/// Interfaces a device.
const INTERFACES: i64 = 3;

/// Rows a class.
pub(super) struct Plan {
    pub(super) owners: i64,
    pub(super) sites: i64,
    pub(super) racks: i64,
    pub(super) racks_per_site: i64,
    pub(super) devices: i64,
    pub(super) devices_per_rack: i64,
    pub(super) interfaces: i64,
    pub(super) applications: i64,
    pub(super) services: i64,
    pub(super) history: i64,
}

impl Plan {
    pub(super) fn new(size: SampleSize) -> Self {
        let racks = i64::from(size.sites) * i64::from(size.racks_per_site);
        let devices = racks * i64::from(size.devices_per_rack);
        Self {
            owners: devices / 60 + 1,
            sites: size.sites.into(),
            racks,
            racks_per_site: size.racks_per_site.into(),
            devices,
            devices_per_rack: size.devices_per_rack.into(),
            interfaces: devices * INTERFACES,
            applications: devices / 20 + 2,
            services: devices / 2,
            history: devices * 5,
        }
    }

    pub(super) fn owners<E>(&self, draw: &mut Draw, take: &mut Take<'_, E>) -> Result<(), E> {
        for id in 1..=self.owners {
            let (given, family) = (draw.word(GIVEN), draw.word(FAMILY));
            let email = format!("owner{id}@cmdb.example");
            take(&OWNER, &[id.into(), format!("{given} {family}").into(), email.into(), draw.word(TEAMS).into()])?;
        }
        Ok(())
    }

    pub(super) fn sites<E>(&self, draw: &mut Draw, take: &mut Take<'_, E>) -> Result<(), E> {
        for (id, town) in (1..=self.sites).zip(TOWNS.iter().cycle()) {
            let (code, name, country, latitude, longitude) = *town;
            let number = (id - 1) / i64::try_from(TOWNS.len()).unwrap_or(1) + 1;
            let opened = format!("20{:02}-{:02}-01", 5 + draw.below(18), 1 + draw.below(12));
            let row = [
                id.into(),
                format!("{code}{number}").into(),
                format!("{name} {number}").into(),
                country.into(),
                Value::Real(latitude),
                Value::Real(longitude),
                opened.into(),
            ];
            take(&SITE, &row)?;
        }
        Ok(())
    }

    pub(super) fn racks<E>(&self, draw: &mut Draw, take: &mut Take<'_, E>) -> Result<(), E> {
        for at in 0..self.racks {
            let number = at % self.racks_per_site;
            let name = format!("R{:02}.{:02}", number / 10 + 1, number % 10 + 1);
            let units = if draw.percent(80) { 42 } else { 48 };
            take(&RACK, &[(at + 1).into(), (at / self.racks_per_site + 1).into(), name.into(), units.into()])?;
        }
        Ok(())
    }

    pub(super) fn devices<E>(&self, draw: &mut Draw, take: &mut Take<'_, E>) -> Result<(), E> {
        for at in 0..self.devices {
            let role = usize::try_from(draw.below(ROLES.len() as u64)).unwrap_or(0);
            let (role, prefix, model) = ROLES.get(role).copied().unwrap_or_default();
            let owner = if draw.percent(95) { draw.id(self.owners).into() } else { Value::Null };
            let row = [
                (at + 1).into(),
                draw.uuid().into(),
                format!("{prefix}-{:05}", at + 1).into(),
                role.into(),
                model.into(),
                format!("{:010X}", draw.next() >> 24).into(),
                (at / self.devices_per_rack + 1).into(),
                (1 + at % self.devices_per_rack * 3).into(),
                draw.word(STATES).into(),
                owner,
                attributes(draw).into(),
                moment(draw).into(),
            ];
            take(&DEVICE, &row)?;
        }
        Ok(())
    }

    pub(super) fn interfaces<E>(&self, draw: &mut Draw, take: &mut Take<'_, E>) -> Result<(), E> {
        for at in 0..self.interfaces {
            let (device, port) = (at / INTERFACES + 1, at % INTERFACES);
            let name = if port == 0 { "mgmt0".to_owned() } else { format!("eth{}", port - 1) };
            let mac = draw.next().to_be_bytes();
            let mac = format!("02:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3], mac[4]);
            let address = if draw.percent(70) {
                format!("10.{}.{}.{}", device >> 8 & 0xff, device & 0xff, port + 10).into()
            } else {
                Value::Null
            };
            let speed: i64 = draw.word(&["1000", "10000", "25000", "100000"]).parse().unwrap_or(1000);
            let enabled = Value::Flag(draw.percent(90));
            take(
                &INTERFACE,
                &[
                    (at + 1).into(),
                    device.into(),
                    name.into(),
                    mac.into(),
                    address,
                    speed.into(),
                    enabled,
                    moment(draw).into(),
                ],
            )?;
        }
        Ok(())
    }

    pub(super) fn applications<E>(&self, draw: &mut Draw, take: &mut Take<'_, E>) -> Result<(), E> {
        for id in 1..=self.applications {
            let name = format!(
                "{} {}",
                draw.word(SUBJECTS),
                draw.word(&["Core", "Web", "API", "Batch", "Mobile", "EU", "Test"])
            );
            let attributes = format!(
                "{{\"rto_minutes\": {}, \"personal_data\": {}, \"repository\": \"https://git.example/app-{id}\"}}",
                15 << draw.below(6),
                draw.percent(30)
            );
            let row = [
                id.into(),
                format!("{name} #{id}").into(),
                i64::from(draw.percent(20)).into(),
                draw.id(self.owners).into(),
                attributes.into(),
                moment(draw).into(),
            ];
            take(&APPLICATION, &row)?;
        }
        Ok(())
    }

    pub(super) fn services<E>(&self, draw: &mut Draw, take: &mut Take<'_, E>) -> Result<(), E> {
        for id in 1..=self.services {
            let at = usize::try_from(draw.below(SERVICES.len() as u64)).unwrap_or(0);
            let (name, port) = SERVICES.get(at).copied().unwrap_or_default();
            let (application, device) = (draw.id(self.applications), draw.id(self.devices));
            let row = [
                id.into(),
                application.into(),
                device.into(),
                name.into(),
                port.into(),
                draw.word(STATES).into(),
                moment(draw).into(),
            ];
            take(&SERVICE, &row)?;
        }
        Ok(())
    }
}

/// Attributes of a device, as a CMDB keeps them: JSON of no fixed shape.
fn attributes(draw: &mut Draw) -> String {
    let mut json = format!(
        "{{\"os\": \"{}\", \"cpu\": {}, \"memory_gb\": {}, \"warranty\": \"20{:02}-{:02}-28\"",
        draw.word(SYSTEMS),
        8 << draw.below(5),
        32 << draw.below(6),
        26 + draw.below(6),
        1 + draw.below(12)
    );
    if draw.percent(40) {
        let tags: Vec<String> = (0..=draw.below(3)).map(|_| format!("\"{}\"", draw.word(TEAMS))).collect();
        let _ = write!(json, ", \"tags\": [{}]", tags.join(", "));
    }
    if draw.percent(15) {
        let _ = write!(json, ", \"note\": \"moved from {} – see ticket {}\"", draw.word(TEAMS), draw.below(90_000));
    }
    json.push('}');
    json
}
