//! What all services have in common.

/// The first version, and the only one.
pub mod v1 {
    #![expect(
        missing_docs,
        clippy::pedantic,
        reason = "generated from the definitions, which say what each field means"
    )]

    tonic::include_proto!("strongroom.common.v1");
}
