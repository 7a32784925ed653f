//! The store as one actor sees it.

use super::faults::Step;
use super::world::{Answer, Request, World};
use crate::store::{
    Durability, Listed, Operation, Put, Store, StoreError, StoreErrorKind, is_valid_name,
    is_valid_prefix,
};
use std::sync::Arc;

/// The calls of one actor.
pub struct SimStore {
    world: Arc<World>,
    actor: usize,
}

impl SimStore {
    pub fn new(world: Arc<World>, actor: usize) -> Self {
        Self { world, actor }
    }

    fn error(&self, kind: StoreErrorKind, operation: Operation, name: &str) -> StoreError {
        StoreError::new(kind, operation.verb(), self.location(), name)
    }

    fn unreachable(&self, operation: Operation, name: &str) -> StoreError {
        self.error(StoreErrorKind::Unreachable, operation, name)
    }

    fn check(&self, operation: Operation, name: &str) -> Result<(), StoreError> {
        match is_valid_name(name) {
            true => Ok(()),
            false => Err(self.error(StoreErrorKind::BadName, operation, name)),
        }
    }

    fn object(&self, operation: Operation, name: &str) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.check(operation, name)?;
        let step = Step::of(operation, name);
        let found = self.world.read(self.actor, step, name, |objects| {
            objects.get(name).map(|object| Arc::clone(&object.bytes))
        });
        found.ok_or_else(|| self.unreachable(operation, name))
    }

    fn there(&self, operation: Operation, name: &str) -> Result<Arc<[u8]>, StoreError> {
        let found = self.object(operation, name)?;
        found.ok_or_else(|| self.error(StoreErrorKind::NotFound, operation, name))
    }
}

impl Store for SimStore {
    fn location(&self) -> String {
        "simulation".to_owned()
    }

    fn put_new(
        &self,
        name: &str,
        parts: &[&[u8]],
        durability: Durability,
    ) -> Result<Put, StoreError> {
        self.check(Operation::PutNew, name)?;
        let request = Request::Put(name.to_owned(), parts.concat().into(), durability);
        let step = Step::of(Operation::PutNew, name);
        match self.world.write(self.actor, step, request) {
            Answer::Put(put) => Ok(put),
            _ => Err(self.unreachable(Operation::PutNew, name)),
        }
    }

    fn barrier(&self) -> Result<(), StoreError> {
        match self.world.barrier(self.actor) {
            true => Ok(()),
            false => Err(self.unreachable(Operation::Barrier, "")),
        }
    }

    fn get(&self, name: &str, limit: u64, out: &mut Vec<u8>) -> Result<(), StoreError> {
        out.clear();
        let object = self.there(Operation::Get, name)?;
        if object.len() as u64 > limit {
            return Err(self.error(StoreErrorKind::TooLarge, Operation::Get, name));
        }
        out.extend_from_slice(&object);
        Ok(())
    }

    fn get_range(
        &self,
        name: &str,
        offset: u64,
        len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        out.clear();
        let object = self.there(Operation::GetRange, name)?;
        let range = usize::try_from(offset)
            .ok()
            .and_then(|start| object.get(start..start.checked_add(len)?))
            .ok_or_else(|| self.error(StoreErrorKind::Truncated, Operation::GetRange, name))?;
        out.extend_from_slice(range);
        Ok(())
    }

    fn size(&self, name: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.object(Operation::Size, name)?.map(|object| object.len() as u64))
    }

    /// In two steps, so that what is put or deleted meanwhile is found or not.
    fn list(&self, prefix: &str, found: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        if !is_valid_prefix(prefix) {
            return Err(self.error(StoreErrorKind::BadName, Operation::List, prefix));
        }
        let lost = || self.unreachable(Operation::List, prefix);
        let below = |objects: &super::objects::Objects| objects.below(prefix);
        let first = self.world.read(self.actor, Step::List, prefix, below).ok_or_else(lost)?;
        let middle = first.get(first.len() / 2).map(|(name, _)| name.clone());
        let second = self.world.read(self.actor, Step::List, prefix, below).ok_or_else(lost)?;
        let is_before = |name: &String| middle.as_ref().is_none_or(|middle| name < middle);
        let first = first.into_iter().filter(|(name, _)| is_before(name));
        let second = second.into_iter().filter(|(name, _)| !is_before(name));
        first.chain(second).for_each(|(name, size)| found(Listed { name, size }));
        Ok(())
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.check(Operation::Delete, name)?;
        match self.world.write(self.actor, Step::Delete, Request::Delete(name.to_owned())) {
            Answer::Done => Ok(()),
            _ => Err(self.unreachable(Operation::Delete, name)),
        }
    }

    fn local_identity(&self) -> Option<(u64, u64)> {
        None
    }
}
