//! The order of definitions: what must be complete, and what need only be declared, before a type can be
//! written.

use super::Dumper;
use crate::{BtfError, Kind, Type, TypeId};

/// How deep definitions may wait for each other.
const MAX_WAITING: usize = 256;

/// How far a type has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    /// Its tag has been declared.
    declared: bool,
    /// Its definition waits for others.
    waiting: bool,
    defined: bool,
}

impl<'a> Dumper<'a> {
    fn state(&mut self, id: TypeId) -> Result<&mut State, BtfError> {
        let missing = BtfError::new("does not exist").in_type(id);
        self.states.get_mut(id.0 as usize).ok_or(missing)
    }

    fn deeper(id: TypeId, depth: usize) -> Result<usize, BtfError> {
        if depth < MAX_WAITING {
            return Ok(depth + 1);
        }
        Err(BtfError::new("waits for too many other types").in_type(id))
    }

    /// Writes all that must stand before a type can be named; if `complete`, before it can be a member.
    pub(super) fn need(&mut self, id: TypeId, complete: bool, depth: usize) -> Result<(), BtfError> {
        let depth = Self::deeper(id, depth)?;
        let endless = || BtfError::new("needs too many other types").in_type(id);
        self.work = self.work.checked_sub(1).ok_or_else(endless)?;
        let t = self.btf.existing(id)?;
        let target = t.target().unwrap_or_default();
        match t.kind() {
            Kind::Const | Kind::Volatile | Kind::Restrict | Kind::TypeTag => {
                self.need(target, complete, depth)
            }
            Kind::Ptr => self.need(target, false, depth),
            // Elements must be complete even where the array need not be.
            Kind::Array => self.need(t.array().map_or(TypeId::VOID, |a| a.element), true, depth),
            Kind::FuncProto => {
                self.need(target, false, depth)?;
                t.params().try_for_each(|p| self.need(p.ty, false, depth))
            }
            Kind::Typedef => {
                self.define_typedef(t, depth)?;
                if complete { self.need(target, true, depth) } else { Ok(()) }
            }
            Kind::Struct | Kind::Union if t.name_offset() == 0 => self.need_members(t, depth),
            Kind::Struct | Kind::Union if complete => self.define(t, depth),
            Kind::Struct | Kind::Union | Kind::Fwd => self.forward(t),
            Kind::Enum | Kind::Enum64 if t.name_offset() != 0 => self.define(t, depth),
            _ => Ok(()),
        }
    }

    fn need_members(&mut self, t: Type<'a>, depth: usize) -> Result<(), BtfError> {
        t.members().try_for_each(|m| self.need(m.ty, true, depth))
    }

    /// Writes `struct name;`, once.
    pub(super) fn forward(&mut self, t: Type<'a>) -> Result<(), BtfError> {
        let state = self.state(t.id())?;
        if state.declared || state.defined || t.name_offset() == 0 {
            return Ok(());
        }
        state.declared = true;
        let line = self.tag(t) + ";\n\n";
        self.emit(&line)
    }

    /// Writes the definition of a struct, union or enumeration, once, after those of its members.
    pub(super) fn define(&mut self, t: Type<'a>, depth: usize) -> Result<(), BtfError> {
        let depth = Self::deeper(t.id(), depth)?;
        let state = self.state(t.id())?;
        if state.defined {
            return Ok(());
        }
        if state.waiting {
            return Err(BtfError::new("contains itself").in_type(t.id()));
        }
        state.waiting = true;
        self.need_members(t, depth)?;
        let body = self.body(t, 0, 64)?;
        self.emit(&body)?;
        self.emit(";\n\n")?;
        let state = self.state(t.id())?;
        state.waiting = false;
        state.defined = true;
        Ok(())
    }

    /// Writes a typedef, once, after what it names.
    pub(super) fn define_typedef(&mut self, t: Type<'a>, depth: usize) -> Result<(), BtfError> {
        let depth = Self::deeper(t.id(), depth)?;
        let state = self.state(t.id())?;
        if state.defined {
            return Ok(());
        }
        if state.waiting {
            return Err(BtfError::new("names itself").in_type(t.id()));
        }
        state.waiting = true;
        let target = t.target().unwrap_or_default();
        self.need(target, false, depth)?;
        let name = self.names.of(t).into_owned();
        let line = format!("typedef {};\n\n", self.declare(target, &name, 0, 64)?);
        self.emit(&line)?;
        let state = self.state(t.id())?;
        state.waiting = false;
        state.defined = true;
        Ok(())
    }
}
