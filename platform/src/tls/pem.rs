//! PEM files, in and out (RFC 7468).
//!
//! Reading is the library's, which does not wipe the buffer that it decodes from. Writing is ours: what it writes may be
//! a private key, and every buffer that it uses is wiped. A file may hold more than the asked kind of section; the first of the kind counts.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivatePkcs8KeyDer};
use thiserror::Error;
use zeroize::Zeroizing;

/// No PEM file of ours is longer: a chain of three certificates has 4 KiB.
pub(super) const PEM_BYTES_MAX: usize = 64 * 1024;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A file that is no PEM file with what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a PEM file with {what}")]
pub struct NotPem {
    /// What was asked for.
    pub what: &'static str,
}

/// The one certificate of a file.
pub(super) fn read_certificate(pem: &str) -> Result<CertificateDer<'static>, NotPem> {
    read(pem, "a certificate")
}

/// The certificates of a file, in its order.
pub(super) fn read_certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, NotPem> {
    let bad = NotPem { what: "certificates" };
    if pem.len() > PEM_BYTES_MAX {
        return Err(bad);
    }
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(|_| bad)
}

/// The certificate request of a file.
pub(super) fn read_request(pem: &str) -> Result<CertificateSigningRequestDer<'static>, NotPem> {
    read(pem, "a certificate request")
}

/// The private key of a file, in PKCS#8.
pub(super) fn read_key(pem: &str) -> Result<Zeroizing<PrivatePkcs8KeyDer<'static>>, NotPem> {
    read(pem, "a private key in PKCS#8").map(Zeroizing::new)
}

fn read<T: PemObject>(pem: &str, what: &'static str) -> Result<T, NotPem> {
    if pem.len() > PEM_BYTES_MAX {
        return Err(NotPem { what });
    }
    T::from_pem_slice(pem.as_bytes()).map_err(|_| NotPem { what })
}

/// One section of a file.
pub(super) fn write(label: &str, der: &[u8]) -> Zeroizing<String> {
    // Reserved whole, so that growing leaves no copy behind.
    let mut out = Zeroizing::new(String::with_capacity(der.len().div_ceil(48) * 65 + 2 * label.len() + 64));
    for part in ["-----BEGIN ", label, "-----\n"] {
        out.push_str(part);
    }
    for line in der.chunks(48) {
        line.chunks(3).for_each(|group| push_group(&mut out, group));
        out.push('\n');
    }
    for part in ["-----END ", label, "-----\n"] {
        out.push_str(part);
    }
    out
}

/// Four characters for up to three bytes (RFC 4648, section 4).
fn push_group(out: &mut String, group: &[u8]) {
    let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
    let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
    for at in 0..4 {
        let digit = ALPHABET.get((bits >> (18 - 6 * at) & 63) as usize).copied().unwrap_or(b'=');
        out.push(if at <= group.len() { char::from(digit) } else { '=' });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let samples = [("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")];
        for (plain, coded) in samples {
            let pem = write("X", plain.as_bytes());
            assert_eq!(*pem, format!("-----BEGIN X-----\n{coded}\n-----END X-----\n"));
        }
    }

    #[test]
    fn what_is_written_is_read_whatever_its_length() {
        for len in [1, 47, 48, 49, 96, 500] {
            let der: Vec<u8> = (0..251).cycle().take(len).collect();
            let pem = write("CERTIFICATE", &der);
            assert_eq!(read_certificate(&pem).unwrap().as_ref(), der, "{len}");
            assert!(pem.capacity() >= pem.len() && pem.lines().all(|line| line.len() <= 64));
        }
    }

    #[test]
    fn other_sections_and_long_files_are_refused() {
        assert!(read_certificate(&write("PRIVATE KEY", b"x")).is_err());
        assert!(read_key("").is_err());
        assert!(read_certificates(&" ".repeat(PEM_BYTES_MAX + 1)).is_err());
        assert_eq!(read_certificates("").unwrap().len(), 0);
    }
}
