//! What the kernel was built without: by trying it, as `skep feature` does.

use std::collections::BTreeSet;

use skep_abi::{AttachType, HelperId, MapType, ProgType};
use skep_object::ExternKind;

use super::{Finding, Patient, Severity};
use crate::linux::feature::State;

fn finding(code: &'static str, what: String, state: &State, needed: bool) -> Option<Finding> {
    let State::Absent { errno, why } = state else { return None };
    let severity = if needed { Severity::Error } else { Severity::Note };
    let remedy = match why.strip_suffix(" is not set") {
        Some(option) => format!("a kernel with {option}=y"),
        None => "a kernel that has it; `skep feature` says what this one has".into(),
    };
    Some(Finding::new(code, severity, what, format!("{why} ({errno})"), remedy))
}

pub(super) fn programs(patient: &Patient<'_>) -> Vec<Finding> {
    let Some(prober) = &patient.prober else { return Vec::new() };
    let Some(object) = patient.object else {
        let types = prober.prog_types().into_iter().filter_map(|f| {
            finding("D20", format!("programs of type {} can't be loaded", f.name), &f.state, false)
        });
        let absent = |t: ProgType| !prober.prog_type(t).is_available();
        let attachments =
            prober.attach_types().into_iter().filter(|f| !absent(f.prog_type)).filter_map(|f| {
                let what = format!("{} programs can't be attached as {}", f.prog_type, f.attach_type);
                finding("D20", what, &f.state, false)
            });
        return types.chain(attachments).collect();
    };
    let wanted: BTreeSet<(ProgType, Option<AttachType>)> =
        object.programs.iter().filter_map(|p| Some((p.prog_type?, p.attach_type))).collect();
    let look = |(prog_type, attach_type): (ProgType, Option<AttachType>)| {
        let what = format!("programs of type {prog_type} can't be loaded");
        finding("D20", what, &prober.prog_type(prog_type), true).or_else(|| {
            let attach_type = attach_type?;
            let found = prober.attach_type(attach_type).filter(|f| f.prog_type == prog_type)?;
            finding(
                "D20",
                format!("{prog_type} programs can't be attached as {attach_type}"),
                &found.state,
                true,
            )
        })
    };
    wanted.into_iter().filter_map(look).collect()
}

pub(super) fn maps(patient: &Patient<'_>) -> Vec<Finding> {
    let Some(prober) = &patient.prober else { return Vec::new() };
    let types: BTreeSet<MapType> = match patient.object {
        Some(object) => object.maps.iter().map(|m| m.map_type).collect(),
        None => skep_abi::map_types().iter().map(|r| r.id).filter(|t| *t != MapType::UNSPEC).collect(),
    };
    let look = |t: MapType| {
        let what = format!("maps of type {t} can't be made");
        finding("D21", what, &prober.map_type(t), patient.object.is_some())
    };
    types.into_iter().filter_map(look).collect()
}

pub(super) fn helpers(patient: &Patient<'_>) -> Vec<Finding> {
    const CALL: u8 = 0x85;
    let (Some(prober), Some(object)) = (&patient.prober, patient.object) else { return Vec::new() };
    let mut out = Vec::new();
    for program in &object.programs {
        let Some(prog_type) = program.prog_type else { continue };
        let attach_type = program.attach_type.unwrap_or(AttachType(0));
        // The second half of a wide instruction has opcode zero.
        let calls = program.insns.iter().filter(|i| i.opcode == CALL && i.src == 0);
        let ids: BTreeSet<u32> = calls.map(|i| i.imm as u32).collect();
        for id in ids.into_iter().map(HelperId) {
            if prober.prog_type(prog_type).is_available()
                && prober.may_call(prog_type, attach_type, id) == Ok(false)
            {
                out.push(Finding::new(
                    "D22",
                    Severity::Error,
                    format!(
                        "program `{}`: {id} may not be called by {prog_type} programs here",
                        program.name
                    ),
                    "the verifier does not know it, or not for this type",
                    "see `skep explain helper NAME` for since when and from where it may be called",
                ));
            }
        }
    }
    out
}

pub(super) fn kfuncs(patient: &Patient<'_>) -> Vec<Finding> {
    let (Some(prober), Some(object)) = (&patient.prober, patient.object) else { return Vec::new() };
    let wanted = object.externs.iter().filter(|e| matches!(e.kind, ExternKind::Kfunc) && !e.weak);
    let mut wanted = wanted.peekable();
    if wanted.peek().is_none() {
        return Vec::new();
    }
    let Ok(known) = prober.kfuncs() else { return Vec::new() };
    let missing = wanted.filter(|e| known.binary_search(&e.name).is_err());
    let told = |name: &str| {
        Finding::new(
            "D23",
            Severity::Error,
            format!("the kernel function `{name}` is not there"),
            "the kernel's BTF does not mark it as one for programs; modules were not looked at",
            "a newer kernel, or the module that has it",
        )
    };
    missing.map(|e| told(&e.name)).collect()
}
