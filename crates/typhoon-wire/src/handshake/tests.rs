use super::*;
use crate::handler::Refusal;
use proptest::prelude::*;

fn hello() -> Hello {
    Hello {
        topology: "words".to_owned(),
        from: (3, 30),
        to: (1, 10),
        attempt: 4,
        nonce: [5; 32],
    }
}

const OFFERED: Offer = Offer {
    session: 77,
    received: 8,
    fresh: false,
};

fn hear(greeter: &mut Greeter, framed: &[u8], secret: &Secret) -> Result<Greeting, Refusal> {
    let (message, length) = split(framed).unwrap().unwrap();
    assert_eq!(length, framed.len());
    greeter.hear(message, secret, || [6; 32], |_| Ok(()))
}

fn told(dialler: &mut Dialler, framed: &[u8]) -> Result<Dialled, Refusal> {
    dialler.hear(split(framed).unwrap().unwrap().0)
}

/// Up to the offer, which is returned.
fn until_offer(secret: &Secret) -> (Dialler, Greeter, Vec<u8>) {
    let (mut dialler, said) = Dialler::new(secret, &hello(), OFFERED);
    let mut greeter = Greeter::new();
    let Ok(Greeting::Say(challenge)) = hear(&mut greeter, &said, secret) else {
        panic!("no challenge")
    };
    let Ok(Dialled::Say(offer)) = told(&mut dialler, &challenge) else {
        panic!("no offer")
    };
    (dialler, greeter, offer)
}

#[test]
fn both_ends_agree() {
    let secret = Secret::new(b"secret");
    let (mut dialler, mut greeter, offer) = until_offer(&secret);
    assert_eq!(
        hear(&mut greeter, &offer, &secret),
        Ok(Greeting::Offered(OFFERED))
    );
    assert_eq!(greeter.hello(), Some(&hello()));
    for answer in [Answer::Resume(9), Answer::Unknown] {
        let said = greeter.answer(answer);
        assert_eq!(told(&mut dialler, &said), Ok(Dialled::Done(answer)));
        (dialler, greeter, _) = until_offer(&secret);
        hear(&mut greeter, &offer, &secret).unwrap();
    }
}

#[test]
fn another_secret_is_seen_by_the_dialler() {
    let (mut dialler, said) = Dialler::new(&Secret::new(b"a"), &hello(), OFFERED);
    let Ok(Greeting::Say(challenge)) = hear(&mut Greeter::new(), &said, &Secret::new(b"b")) else {
        panic!("no challenge")
    };
    assert_eq!(told(&mut dialler, &challenge), Err(Refusal::Secret));
}

#[test]
fn a_changed_message_is_seen() {
    let secret = Secret::new(b"secret");
    let (_, _, offer) = until_offer(&secret);
    for at in 3..offer.len() {
        let (_, mut greeter, _) = until_offer(&secret);
        let mut changed = offer.clone();
        changed[at] ^= 1;
        assert_eq!(hear(&mut greeter, &changed, &secret), Err(Refusal::Secret));
    }
}

/// A proof holds for its own conversation only.
#[test]
fn a_recorded_offer_is_worth_nothing() {
    let secret = Secret::new(b"secret");
    let (_, _, offer) = until_offer(&secret);
    let (_, said) = Dialler::new(&secret, &hello(), OFFERED);
    let mut greeter = Greeter::new();
    let (message, _) = split(&said).unwrap().unwrap();
    greeter.hear(message, &secret, || [7; 32], |_| Ok(())).unwrap();
    assert_eq!(hear(&mut greeter, &offer, &secret), Err(Refusal::Secret));
}

/// A listener's own proof, sent back to it, proves nothing.
#[test]
fn a_mirror_proves_nothing() {
    let secret = Secret::new(b"secret");
    let (_, said) = Dialler::new(&secret, &hello(), OFFERED);
    let mut greeter = Greeter::new();
    let Ok(Greeting::Say(challenge)) = hear(&mut greeter, &said, &secret) else {
        panic!("no challenge")
    };
    assert_eq!(hear(&mut greeter, &challenge, &secret), Err(Refusal::Garbage));
}

#[test]
fn a_refusal_is_understood() {
    let (mut dialler, _) = Dialler::new(&Secret::new(b"secret"), &hello(), OFFERED);
    assert_eq!(
        told(&mut dialler, &refusal(Refusal::Topology)),
        Err(Refusal::Topology)
    );
}

#[test]
fn another_version_is_told_apart() {
    let (_, mut said) = Dialler::new(&Secret::new(b"secret"), &hello(), OFFERED);
    said[11] ^= 1;
    let secret = Secret::new(b"secret");
    assert_eq!(hear(&mut Greeter::new(), &said, &secret), Err(Refusal::Version));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(first in proptest::collection::vec(any::<u8>(), 0..600), valid_hello in any::<bool>()) {
        let secret = Secret::new(b"secret");
        let mut greeter = Greeter::new();
        let (mut dialler, said) = Dialler::new(&secret, &hello(), OFFERED);
        if valid_hello {
            hear(&mut greeter, &said, &secret).unwrap();
        }
        if let Ok(Some((message, _))) = split(&first) {
            prop_assert!(greeter.hear(message, &secret, || [6; 32], |_| Ok(())).is_err());
            prop_assert!(dialler.hear(message).is_err());
        }
    }
}
