//! Messages between the members of a coordinator group.

/// The first version, and the only one.
pub mod v1 {
    #![expect(
        missing_docs,
        unused_qualifications,
        clippy::large_enum_variant,
        clippy::pedantic,
        reason = "generated from the definitions, which say what each field means"
    )]

    tonic::include_proto!("strongroom.peers.v1");
}
