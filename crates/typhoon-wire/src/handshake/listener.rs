use super::message::{Answer, CHALLENGE, Hello, OFFER, Offer};
use super::proof::{Secret, Transcript};
use crate::handler::Refusal;

/// The end that was dialled.
pub(crate) struct Greeter {
    heard: Option<(Hello, Transcript)>,
}

/// What the listener does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    Say(Vec<u8>),
    /// The other end is who it says it is, and wants an answer to this.
    Offered(Offer),
}

impl Greeter {
    pub fn new() -> Self {
        Greeter { heard: None }
    }

    /// Who the other end claims to be; true as soon as there is an offer.
    pub fn hello(&self) -> Option<&Hello> {
        self.heard.as_ref().map(|(hello, _)| hello)
    }

    /// The dialler said `message`. A hello must please `admit`.
    pub fn hear(
        &mut self,
        message: &[u8],
        secret: &Secret,
        nonce: impl FnOnce() -> [u8; 32],
        admit: impl FnOnce(&Hello) -> Result<(), Refusal>,
    ) -> Result<Greeting, Refusal> {
        if let Some((_, transcript)) = &mut self.heard {
            return Ok(Greeting::Offered(Offer::decode(
                transcript.hear(OFFER, message)?,
            )?));
        }
        let hello = Hello::decode(message)?;
        let mut transcript = Transcript::new(secret, message);
        let admitted = admit(&hello);
        let mut challenge = vec![CHALLENGE];
        challenge.extend_from_slice(&nonce());
        let challenge = transcript.say(challenge);
        self.heard = Some((hello, transcript));
        admitted.map(|()| Greeting::Say(challenge))
    }

    /// What to say to the offer.
    pub fn answer(&mut self, answer: Answer) -> Vec<u8> {
        let (_, transcript) = self.heard.as_mut().expect("an answer follows an offer");
        transcript.say(answer.encode())
    }
}
