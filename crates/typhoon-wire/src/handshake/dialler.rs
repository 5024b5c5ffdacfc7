use super::message::{ANSWER, Answer, CHALLENGE, Hello, Offer};
use super::proof::{Secret, Transcript, framed};
use crate::handler::Refusal;

/// The end that dialled.
pub(crate) struct Dialler {
    transcript: Transcript,
    pub offer: Offer,
    challenged: bool,
}

/// What the dialler does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Dialled {
    Say(Vec<u8>),
    Done(Answer),
}

impl Dialler {
    /// Also returns what to say first.
    pub fn new(secret: &Secret, hello: &Hello, offer: Offer) -> (Self, Vec<u8>) {
        let hello = hello.encode();
        let dialler = Dialler {
            transcript: Transcript::new(secret, &hello),
            offer,
            challenged: false,
        };
        (dialler, framed(&hello))
    }

    /// The listener said `message`.
    pub fn hear(&mut self, message: &[u8]) -> Result<Dialled, Refusal> {
        if self.challenged {
            let answer = self.transcript.hear(ANSWER, message)?;
            return Ok(Dialled::Done(Answer::decode(answer)?));
        }
        self.transcript.hear(CHALLENGE, message)?;
        self.challenged = true;
        Ok(Dialled::Say(self.transcript.say(self.offer.encode())))
    }
}
