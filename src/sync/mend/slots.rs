//! Key slots: nothing but a passphrase tells whether one is sound, so a copy of one is believed only as far as it
//! can be read.

use super::first::{Cure, First};
use super::{Mending, read};
use crate::sync::error::Error;
use crate::sync::object::Object;
use esker_format::envelope::Header;
use esker_format::slot;

impl Mending {
    pub(super) fn look_at_slots(&self, first: &mut First) -> Result<(), Error> {
        for id in self.there.slots() {
            let object = Object::Slot(id);
            let ours = self.read_slot(None, object)?;
            let others = self.others(object)?;
            let sound = others.into_iter().find_map(|(number, slot)| Some((number, slot.ok()?)));
            match (ours, sound) {
                (Ok(ours), Some((number, theirs))) if ours != theirs => {
                    let why = format!("differs from that in {}", self.location(number));
                    let help = "only its passphrase tells which of the two is right: where this one opens the \
                                repository, all is well; else --key-slots takes the other one";
                    match self.request.key_slots {
                        true => first.add(object, &why, Cure::From(number), Some(theirs)),
                        false => first.notes.push(format!("{} {why}: {help}", object.name())),
                    }
                }
                (Ok(_), _) => {}
                (Err(why), Some((number, theirs))) => {
                    first.add(object, &why, Cure::From(number), Some(theirs));
                }
                (Err(why), None) => {
                    let help = "its passphrase opens nothing any more: open the repository with another one, the key \
                                file or the recovery key, add the passphrase again with `esker key add`, and \
                                remove this one with `esker key remove`";
                    first.add(object, &why, Cure::None(help.to_owned()), None);
                }
            }
        }
        self.look_at_missing_slots(first)
    }

    /// Those that only sources have: who removed a passphrase does not want it back.
    fn look_at_missing_slots(&self, first: &mut First) -> Result<(), Error> {
        let mut seen: Vec<Object> = self.there.slots().map(Object::Slot).collect();
        for (number, source) in self.sources.iter().enumerate() {
            for object in source.there.slots().map(Object::Slot) {
                if seen.contains(&object) {
                    continue;
                }
                let Ok(bytes) = self.read_slot(Some(number), object)? else { continue };
                seen.push(object);
                match self.request.key_slots {
                    true => first.add(object, "is missing", Cure::From(number), Some(bytes)),
                    false => first.notes.push(format!(
                        "{} is in {} and not here: removed, or lost; --key-slots brings it back",
                        object.name(),
                        self.location(number)
                    )),
                }
            }
        }
        Ok(())
    }

    /// What the sources have of a slot.
    #[expect(clippy::type_complexity)]
    fn others(&self, object: Object) -> Result<Vec<(usize, Result<Vec<u8>, String>)>, Error> {
        let have = (0..self.sources.len())
            .filter(|number| self.sources[*number].there.size(object).is_some());
        have.map(|number| Ok((number, self.read_slot(Some(number), object)?))).collect()
    }

    /// A slot here or in a source, as far as it can be told without its passphrase.
    fn read_slot(
        &self,
        source: Option<usize>,
        object: Object,
    ) -> Result<Result<Vec<u8>, String>, Error> {
        let store = source.map_or(&*self.here, |number| &*self.sources[number].store);
        let found = read(store, object, self.repository)?;
        Ok(found.and_then(|bytes| {
            let parsed = Header::decode(&bytes).and_then(|(header, len)| {
                slot::parameters(&header)?;
                slot::expect_whole(bytes.len() - len)
            });
            match parsed {
                Ok(()) => Ok(bytes),
                Err(why) => Err(format!("is damaged: {why}")),
            }
        }))
    }
}
