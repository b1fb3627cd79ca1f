//! How hosts and members come by their certificates.

/// The first version, and the only one.
pub mod v1 {
    #![expect(
        missing_docs,
        unused_qualifications,
        clippy::pedantic,
        reason = "generated from the definitions, which say what each field means"
    )]

    tonic::include_proto!("strongroom.enrolment.v1");
}
