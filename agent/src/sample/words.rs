//! The words that the sample is made of.

/// A town that a site is in: code, name, country, latitude, longitude.
pub(super) type Town = (&'static str, &'static str, &'static str, f64, f64);

/// Towns of sites.
pub(super) const TOWNS: &[Town] = &[
    ("BER", "Berlin", "DE", 52.5200, 13.4050),
    ("MUC", "München", "DE", 48.1351, 11.5820),
    ("HAM", "Hamburg", "DE", 53.5511, 9.9937),
    ("PAR", "Paris", "FR", 48.8566, 2.3522),
    ("LYS", "Lyon", "FR", 45.7640, 4.8357),
    ("ZRH", "Zürich", "CH", 47.3769, 8.5417),
    ("GVA", "Genève", "CH", 46.2044, 6.1432),
    ("VIE", "Wien", "AT", 48.2082, 16.3738),
    ("WAW", "Warszawa", "PL", 52.2297, 21.0122),
    ("KRK", "Kraków", "PL", 50.0647, 19.9450),
    ("PRG", "Praha", "CZ", 50.0755, 14.4378),
    ("CPH", "København", "DK", 55.6761, 12.5683),
    ("OSL", "Oslo", "NO", 59.9139, 10.7522),
    ("ARN", "Stockholm", "SE", 59.3293, 18.0686),
    ("HEL", "Helsinki", "FI", 60.1699, 24.9384),
    ("AMS", "Amsterdam", "NL", 52.3676, 4.9041),
    ("BRU", "Bruxelles", "BE", 50.8503, 4.3517),
    ("MAD", "Madrid", "ES", 40.4168, -3.7038),
    ("BCN", "Barcelona", "ES", 41.3874, 2.1686),
    ("LIS", "Lisboa", "PT", 38.7223, -9.1393),
    ("MXP", "Milano", "IT", 45.4642, 9.1900),
    ("ATH", "Αθήνα", "GR", 37.9838, 23.7275),
    ("DUB", "Dublin", "IE", 53.3498, -6.2603),
    ("LHR", "London", "GB", 51.5074, -0.1278),
    ("JFK", "New York", "US", 40.7128, -74.0060),
    ("ORD", "Chicago", "US", 41.8781, -87.6298),
    ("GRU", "São Paulo", "BR", -23.5505, -46.6333),
    ("NRT", "東京", "JP", 35.6762, 139.6503),
    ("SIN", "Singapore", "SG", 1.3521, 103.8198),
    ("SYD", "Sydney", "AU", -33.8688, 151.2093),
];

/// Given names of owners.
pub(super) const GIVEN: &[&str] = &[
    "Anna",
    "Björn",
    "Chiara",
    "David",
    "Elif",
    "François",
    "Grace",
    "Hana",
    "Ivan",
    "Jürgen",
    "Katarzyna",
    "Liam",
    "Mei",
    "Noor",
    "Olga",
    "Pedro",
    "Quentin",
    "Rosa",
    "Søren",
    "Tomáš",
    "Uma",
    "Věra",
    "Wanda",
    "Yusuf",
    "Zoë",
];

/// Family names of owners.
pub(super) const FAMILY: &[&str] = &[
    "Albers",
    "Brandt",
    "Costa",
    "Dvořák",
    "Eriksson",
    "Fischer",
    "García",
    "Huang",
    "Ivanova",
    "Jensen",
    "Kowalska",
    "Lefèvre",
    "Müller",
    "Nakamura",
    "O'Brien",
    "Papadopoulos",
    "Rossi",
    "Schmidt",
    "Tanaka",
    "van Dijk",
    "Weiß",
    "Yılmaz",
];

/// Teams that owners belong to.
pub(super) const TEAMS: &[&str] =
    &["Network", "Platform", "Database", "Storage", "Workplace", "Security", "Payments", "Logistics", "Research"];

/// What a device is for, the start of its name, and its model.
pub(super) const ROLES: &[(&str, &str, &str)] = &[
    ("server", "srv", "PowerEdge R760"),
    ("server", "srv", "ProLiant DL380 Gen11"),
    ("server", "srv", "ThinkSystem SR650 V3"),
    ("hypervisor", "hv", "PowerEdge R7625"),
    ("switch", "sw", "QFX5120-48Y"),
    ("switch", "sw", "Nexus 93180YC-FX3"),
    ("router", "rt", "MX204"),
    ("firewall", "fw", "PA-5420"),
    ("storage", "sto", "PowerStore 500T"),
    ("pdu", "pdu", "AP8959EU3"),
];

/// Operating systems of devices.
pub(super) const SYSTEMS: &[&str] = &[
    "Debian 12",
    "Debian 13",
    "RHEL 9.4",
    "Ubuntu 24.04",
    "Windows Server 2022",
    "VMware ESXi 8",
    "Junos 23.4",
    "NX-OS 10.4",
];

/// States of any item; most are in the first.
pub(super) const STATES: &[&str] =
    &["active", "active", "active", "active", "planned", "staged", "maintenance", "retired"];

/// What applications are called after.
pub(super) const SUBJECTS: &[&str] = &[
    "Billing",
    "Payroll",
    "Ordering",
    "Shipping",
    "Identity",
    "Mail",
    "Archive",
    "Reporting",
    "Pricing",
    "Inventory",
    "Search",
    "Ticketing",
    "Monitoring",
    "Telephony",
    "Returns",
    "Claims",
    "Booking",
    "Fleet",
    "Laboratory",
    "Customer Portal",
];

/// What services do, and on which port.
pub(super) const SERVICES: &[(&str, i64)] = &[
    ("https", 443),
    ("http", 80),
    ("postgresql", 5432),
    ("mysql", 3306),
    ("ldap", 636),
    ("smtp", 25),
    ("dns", 53),
    ("amqp", 5672),
    ("redis", 6379),
    ("ssh", 22),
    ("prometheus", 9090),
    ("nfs", 2049),
];

/// Kinds of changes in the history, and the field that each changes.
pub(super) const CHANGES: &[(&str, &str)] = &[
    ("status", "maintenance window"),
    ("os", "patch day"),
    ("owner", "handover"),
    ("cpu", "upgrade"),
    ("note", "audit"),
];
