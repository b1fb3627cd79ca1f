//! What depots ask of the coordinator.

/// The first version, and the only one.
pub mod v1 {
    #![expect(
        missing_docs,
        unused_qualifications,
        clippy::pedantic,
        reason = "generated from the definitions, which say what each field means"
    )]

    tonic::include_proto!("strongroom.depots.v1");
}
