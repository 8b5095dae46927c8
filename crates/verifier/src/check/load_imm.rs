//! Wide loads: constants, maps, bytes in maps, functions.

use skep_isa::ImmSource;

use crate::env::Env;
use crate::refusal::{Step, Stop, errno};
use crate::state::{Flags, Kind, Reg};
use crate::structure::{find_subprog, target};

impl Env<'_> {
    pub(crate) fn load_imm(&mut self, dst: usize, source: ImmSource, imm: u64) -> Step {
        self.writable(dst)?;
        let number = imm as i32;
        match source {
            ImmSource::Value => self.set_reg(dst, Reg::constant(imm)),
            ImmSource::Func => {
                let callee = find_subprog(&self.subprogs, target(self.pc, number));
                if self.task.func_info.is_empty() {
                    return Err(self.refuse(errno::EINVAL, "V0601", "missing btf func_info"));
                }
                if self.subprogs[callee].global {
                    return Err(self.refuse(errno::EINVAL, "V0602", "callback function not static"));
                }
                self.set_pointer(dst, Kind::Func, Flags::NONE);
                self.cur.reg_mut(dst).aux = callee as u32;
            }
            ImmSource::MapFd | ImmSource::MapIdx => {
                let map = self.map_index(number)?;
                self.set_pointer(dst, Kind::MapPtr, Flags::NONE);
                self.cur.reg_mut(dst).aux = map;
            }
            ImmSource::MapValue | ImmSource::MapIdxValue => {
                let map = self.map_index(number)?;
                self.set_pointer(dst, Kind::MapValue, Flags::NONE);
                let r = self.cur.reg_mut(dst);
                r.aux = map;
                r.off = (imm >> 32) as i32;
            }
            ImmSource::BtfId => return Err(Stop::NotModelled("address of a kernel symbol".into())),
        }
        Ok(())
    }

    fn map_index(&self, number: i32) -> Step<u32> {
        self.task.map(number).map(|i| i as u32).ok_or_else(|| {
            let m = format!("fd {number} is not pointing to valid bpf_map");
            self.refuse(errno::EBADF, "V0111", m)
        })
    }
}
