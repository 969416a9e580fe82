//! Edits of a guest that its host has not answered, for a program that keeps them while nothing runs.
//!
//! They are kept as the frames that ask for them. Whoever takes them up later asks under the same ids, so the host makes each once,
//! and says what they were made on, so what others wrote meanwhile is concurrent to them and not overwritten.

use super::guest::OpenEdit;
use super::types::RequestId;
use super::{Engine, FOLLOWS, unknown};
use crate::clock::Now;
use crate::error::{Code, Error, Result};
use crate::id::DocumentName;
use crate::path::Path;
use crate::protocol::{Message, decode, sent_ms};
use crate::replica::{Edit, MadeOn};
use crate::value::Str;

/// How many edits are taken up at once; a host remembers as many answers.
const MOST: usize = 4_096;

impl Engine {
    /// The edits of a guest document that its host has not answered, oldest first, for [`Engine::reopen_edits`].
    pub fn open_edits(&mut self, name: &DocumentName, now: Now) -> Vec<String> {
        let messages = self.open_edit_messages(name, None, now);
        let texts = messages.iter().filter_map(|message| self.text_frame(message, now).as_text().map(str::to_owned));
        texts.collect()
    }

    /// Takes up edits that another guest of the same host left: they show at once and are sent as this one's own. Gives the
    /// commands that they belong to, each of which is answered by [`super::Event::Written`].
    ///
    /// # Errors
    /// What is no list of edits of this document; then none is taken up.
    pub fn reopen_edits(&mut self, name: &DocumentName, frames: &[String], now: Now) -> Result<Vec<RequestId>> {
        if !FOLLOWS || self.documents.get(name).is_none_or(|document| document.guest.is_none()) {
            return Err(unknown(name));
        }
        if frames.len() > MOST {
            let message = format!("{} edits were kept, at most {MOST} are taken up", frames.len());
            return Err(Error::new(Code::TooLarge, message));
        }
        let mut edits = frames.iter().map(|frame| kept_edit(name, frame, now)).collect::<Result<Vec<OpenEdit>>>()?;
        let mut requests = Vec::new();
        for at in 0..edits.len() {
            // Edits of one command have ids that differ in their ends.
            let command = |edit: &OpenEdit| edit.request_id.rsplit_once('-').map(|(command, _)| command.to_owned());
            let of = |at: usize| edits.get(at).and_then(command);
            let (begins, ends) = (at == 0 || of(at) != of(at - 1), of(at) != of(at + 1));
            if begins {
                self.last_request += 1;
                requests.push(RequestId(self.last_request));
            }
            let request = RequestId(self.last_request);
            if let Some(edit) = edits.get_mut(at) {
                (edit.request, edit.last) = (request, ends);
            }
        }
        let Some(guest) = self.documents.get_mut(name).and_then(|document| document.guest.as_mut()) else {
            return Err(unknown(name));
        };
        guest.take_up(edits);
        let host = guest.host();
        self.refresh(name, "unsent", now);
        if let Some(host) = host {
            for request in &requests {
                self.send_open_edits(name, host, Some(*request), now);
            }
        }
        Ok(requests)
    }
}

fn kept_edit(name: &DocumentName, frame: &str, now: Now) -> Result<OpenEdit> {
    let no_edit = || Error::new(Code::Message, format!("what was kept is no edit of `{name}`"));
    let (message, _) = decode(frame)?;
    let Message::ConfigChange { document, key, value, user, request_id: Some(request_id), made_on, after } = message
    else {
        return Err(no_edit());
    };
    if document != *name {
        return Err(no_edit());
    }
    let since = sent_ms(frame).map_or(0, |sent| now.wall_ms.saturating_sub(sent));
    Ok(OpenEdit {
        request: RequestId(0),
        request_id,
        edit: Edit { path: Path::parse(&key)?, value },
        user: user.map(Str::from),
        made_on: made_on.map(|made_on| MadeOn { age_ms: made_on.age_ms.saturating_add(since), ..made_on }),
        after,
        made_ms: now.mono_ms,
        last: false,
        changed: Vec::new(),
    })
}
