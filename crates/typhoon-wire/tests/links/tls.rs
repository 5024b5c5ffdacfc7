//! Links over TLS.

use crate::node::{Event, Kind, Lane, Node, config, unix_path};
use crate::proxy::Proxy;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::path::PathBuf;
use typhoon_wire::{Refusal, Tls};

/// Who signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    file: PathBuf,
    /// All that it wrote.
    folder: PathBuf,
}

impl Drop for Authority {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let folder = unix_path();
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("authority.pem");
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Authority {
            issuer: Issuer::new(params, key),
            file,
            folder,
        }
    }

    fn write(&self, text: &str) -> PathBuf {
        let count = std::fs::read_dir(&self.folder).unwrap().count();
        let path = self.folder.join(format!("{count}.pem"));
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A certificate for `name`, of a worker that trusts `trusted`.
    fn certify(&self, name: &str, trusted: &Authority) -> Tls {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        Tls {
            certificate: self.write(&params.signed_by(&key, &self.issuer).unwrap().pem()),
            key: self.write(&key.serialize_pem()),
            authority: trusted.file.clone(),
            name: "workers.typhoon".to_owned(),
        }
    }
}

fn pair(one: Option<Tls>, two: Option<Tls>) -> [Node; 2] {
    let mut configs = [1, 2].map(|index| config(Kind::Tcp, index, u64::from(index) * 10));
    configs[0].tls = one;
    configs[1].tls = two;
    configs.map(Node::start)
}

fn connect(one: &Node, two: &Node) {
    one.knows(two);
    two.knows(one);
}

#[test]
fn messages_come_in_order() {
    let authority = Authority::new();
    let tls = || Some(authority.certify("workers.typhoon", &authority));
    let [one, two] = pair(tls(), tls());
    connect(&one, &two);
    one.count(2, Lane::Bulk, 0..20_000, 1000);
    two.count(1, Lane::Bulk, 0..50, 1_000_000);
    two.count(1, Lane::Urgent, 0..1000, 10);
    two.until_counted(1, Lane::Bulk, 20_000);
    one.until_counted(2, Lane::Bulk, 50);
    one.until_counted(2, Lane::Urgent, 1000);
    one.links.cut(2);
    one.count(2, Lane::Bulk, 20_000..20_010, 1000);
    two.until_counted(1, Lane::Bulk, 20_010);
    assert_eq!(one.state().events, [Event::Connected(2, 20)]);
}

#[test]
fn damage_is_repaired_and_a_stall_is_survived() {
    let authority = Authority::new();
    let tls = || Some(authority.certify("workers.typhoon", &authority));
    let [one, two] = pair(tls(), tls());
    let proxy = Proxy::start(one.links.address());
    one.knows(&two);
    two.knows_at(&one, proxy.address());
    two.count(1, Lane::Bulk, 0..10, 100);
    one.until_counted(2, Lane::Bulk, 10);
    proxy.flip_after(100_000);
    two.count(1, Lane::Bulk, 10..1000, 1000);
    one.until_counted(2, Lane::Bulk, 1000);
    assert_eq!(one.figures(2).faults, 1);
    proxy.stall(true);
    two.count(1, Lane::Bulk, 1000..21_000, 1000);
    two.until_figures("it is under way", |f| f.peers[&1].messages_sent > 3000);
    proxy.stall(false);
    one.until_counted(2, Lane::Bulk, 21_000);
    proxy.cut_after(Some(300_000));
    two.count(1, Lane::Bulk, 21_000..23_000, 1000);
    one.until_counted(2, Lane::Bulk, 23_000);
    assert_eq!(one.state().events, [Event::Connected(2, 20)]);
}

#[test]
fn strangers_are_refused() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let name = "workers.typhoon";
    let proper = || Some(ours.certify(name, &ours));
    for (other, seen) in [
        // No TLS at all: the hello is not one of TLS.
        (None, &[Refusal::Tls, Refusal::Garbage][..]),
        (Some(theirs.certify(name, &theirs)), &[Refusal::Tls]),
        // It trusts us, but we do not trust it.
        (Some(theirs.certify(name, &ours)), &[Refusal::Tls]),
    ] {
        let [one, two] = pair(proper(), other);
        connect(&one, &two);
        one.until("refused", |s| s.refused.iter().any(|(_, why)| seen.contains(why)));
        assert!(one.state().events.is_empty() && two.state().events.is_empty());
    }
    // We dial, and the other end has a certificate for something else.
    let [one, two] = pair(Some(ours.certify("elsewhere.typhoon", &ours)), proper());
    connect(&one, &two);
    two.until("refused", |s| s.refused.contains(&(Some(1), Refusal::Tls)));
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let authority = Authority::new();
    let mut tls = authority.certify("workers.typhoon", &authority);
    tls.key = PathBuf::from("/nowhere/key.pem");
    let node = Node::start(config(Kind::Unix, 9, 1));
    let mut config = config(Kind::Tcp, 1, 1);
    config.tls = Some(tls);
    let error = typhoon_wire::Links::start(config, node.handler()).err().unwrap();
    assert!(error.to_string().contains("/nowhere/key.pem"), "{error}");
}
