//! Compiles the message definitions, with a compiler that is a library: no `protoc` is needed.

use std::error::Error;

const FILES: &[&str] = &[
    "proto/strongroom/common/v1/failure.proto",
    "proto/strongroom/enrolment/v1/certificate.proto",
    "proto/strongroom/enrolment/v1/enrolment.proto",
    "proto/strongroom/enrolment/v1/renewal.proto",
    "proto/strongroom/operators/v1/operators.proto",
    "proto/strongroom/peers/v1/peers.proto",
    "proto/strongroom/agents/v1/agents.proto",
    "proto/strongroom/depots/v1/depots.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let descriptors = protox::compile(FILES, ["proto"])?;
    tonic_prost_build::configure().bytes(".strongroom.peers.v1").compile_fds(descriptors)?;
    println!("cargo::rerun-if-changed=proto");
    Ok(())
}
