//! The vectors of RFC 9180, appendices A.1.1 and A.3.1. They use AES-128-GCM; key encapsulation and key schedule are
//! the same code, and the AEAD enters as a parameter of the suite.

use super::*;
use crate::entropy::testing::Seeded;

struct Vector {
    kem: Kem,
    ikm_e: &'static str,
    sk_em: &'static str,
    pk_em: &'static str,
    ikm_r: &'static str,
    sk_rm: &'static str,
    pk_rm: &'static str,
    shared_secret: &'static str,
    ciphertext: &'static str,
}

const INFO: &str = "4f6465206f6e2061204772656369616e2055726e";
const PLAINTEXT: &str = "4265617574792069732074727574682c20747275746820626561757479";
const AAD: &str = "436f756e742d30";

const VECTORS: [Vector; 2] = [
    Vector {
        kem: Kem::X25519,
        ikm_e: "7268600d403fce431561aef583ee1613527cff655c1343f29812e66706df3234",
        sk_em: "52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736",
        pk_em: "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431",
        ikm_r: "6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037",
        sk_rm: "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8",
        pk_rm: "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d",
        shared_secret: "fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc",
        ciphertext: "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a",
    },
    Vector {
        kem: Kem::P256,
        ikm_e: "4270e54ffd08d79d5928020af4686d8f6b7d35dbe470265f1f5aa22816ce860e",
        sk_em: "4995788ef4b9d6132b249ce59a77281493eb39af373d236a1fe415cb0c2d7beb",
        pk_em: "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac98536d7b61a1af4b78e5b7f951c0900be\
                863c403ce65c9bfcb9382657222d18c4",
        ikm_r: "668b37171f1072f3cf12ea8a236a45df23fc13b82af3609ad1e354f6ef817550",
        sk_rm: "f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2",
        pk_rm: "04fe8c19ce0905191ebc298a9245792531f26f0cece2460639e8bc39cb7f706a826a779b4cf969b8a0e539c7f62fb3d30a\
                d6aa8f80e30f1d128aafd68a2ce72ea0",
        shared_secret: "c0d26aeab536609a572b07695d933b589dcf363ff9d93c93adea537aeabb8cb8",
        ciphertext: "5ad590bb8baa577f8619db35a36311226a896e7342a6d836d8b7bcd2f20b6c7f9076ac232e3ab2523f39513434",
    },
];

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

#[test]
fn agrees_with_rfc_9180() {
    for v in VECTORS {
        let suite = Suite { kem: v.kem, aead: &aead::AES_128_GCM, aead_id: 0x0001 };
        let ikm_e = bytes(v.ikm_e).try_into().unwrap();
        let ephemeral = v.kem.derive_key_pair(&ikm_e).unwrap();
        assert_eq!(hex::encode(*ephemeral.private), v.sk_em);
        assert_eq!(hex::encode(&ephemeral.public), v.pk_em);
        let recipient = v.kem.derive_key_pair(&bytes(v.ikm_r).try_into().unwrap()).unwrap();
        assert_eq!(hex::encode(*recipient.private), v.sk_rm);
        assert_eq!(hex::encode(&recipient.public), v.pk_rm);

        let context: [&[u8]; 2] = [&ephemeral.public, &recipient.public];
        let shared = v.kem.shared_secret(&*ephemeral.private, &recipient.public, &context).unwrap();
        assert_eq!(hex::encode(*shared), v.shared_secret);

        let (info, aad) = (bytes(INFO), bytes(AAD));
        let sealed = suite.seal(&ikm_e, &recipient.public, &info, &aad, &bytes(PLAINTEXT)).unwrap();
        assert_eq!(hex::encode(&sealed.enc), v.pk_em);
        assert_eq!(hex::encode(&sealed.ciphertext), v.ciphertext);
        assert_eq!(*suite.open(&*recipient.private, &info, &aad, &sealed).unwrap(), bytes(PLAINTEXT));
    }
}

#[test]
fn opens_only_what_it_was_sealed_for() {
    for profile in [Profile::Blake3, Profile::Fips] {
        let entropy = Seeded::new(1);
        let pair = derive_key_pair(profile, &[1; 32]).unwrap();
        let other = derive_key_pair(profile, &[2; 32]).unwrap();
        let sealed = seal(profile, &pair.public, b"info", b"aad", b"secret", &entropy).unwrap();
        assert_eq!(&*open(profile, &*pair.private, b"info", b"aad", &sealed).unwrap(), b"secret");
        assert!(open(profile, &*other.private, b"info", b"aad", &sealed).is_err());
        assert!(open(profile, &*pair.private, b"Info", b"aad", &sealed).is_err());
        assert!(open(profile, &*pair.private, b"info", b"Aad", &sealed).is_err());
        let short = Sealed { enc: Vec::new(), ..sealed.clone() };
        assert!(open(profile, &*pair.private, b"info", b"aad", &short).is_err());
        assert!(seal(profile, &[0; 12], b"info", b"aad", b"secret", &entropy).is_err());
    }
}
