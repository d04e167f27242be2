//! A plugin for QEMU's emulation of single programs: counts the instructions that one executes, and says `instructions N` on the standard
//! error output when it ends. What several threads count at once can be short by a little; the programs counted here have one.
//!
//! The interface is the first version of QEMU's plugins (`qemu-plugin.h`, since QEMU 4.2).
#![allow(unsafe_code, reason = "an interface of C")]

use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

/// A number by which QEMU knows the plugin.
type Id = u64;

/// Instructions that QEMU translates together.
#[repr(C)]
struct Block {
    _opaque: [u8; 0],
}

/// Of what a block can do to a number each time it is executed: add to it.
const ADD: c_int = 0;

// SAFETY: QEMU, which loads this, has these functions with these types.
unsafe extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: Id, translated: extern "C" fn(Id, *mut Block));
    fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    fn qemu_plugin_register_vcpu_tb_exec_inline(block: *mut Block, what: c_int, number: *mut c_void, by: u64);
    fn qemu_plugin_register_atexit_cb(id: Id, ended: extern "C" fn(Id, *mut c_void), data: *mut c_void);
}

static COUNT: AtomicU64 = AtomicU64::new(0);

/// The version of the interface that this keeps to.
// SAFETY: nothing else has this name.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "QEMU looks for this name")]
pub static qemu_plugin_version: c_int = 1;

/// Called by QEMU once it has loaded the plugin.
// SAFETY: nothing else has this name.
#[unsafe(no_mangle)]
pub extern "C" fn qemu_plugin_install(id: Id, _: *const c_void, _: c_int, _: *mut *mut c_char) -> c_int {
    // SAFETY: the functions stay for as long as the program runs.
    unsafe {
        qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
        qemu_plugin_register_atexit_cb(id, ended, std::ptr::null_mut());
    }
    0
}

extern "C" fn translated(_: Id, block: *mut Block) {
    // SAFETY: the block is QEMU's own, and the number stays.
    unsafe {
        let count = qemu_plugin_tb_n_insns(block) as u64;
        qemu_plugin_register_vcpu_tb_exec_inline(block, ADD, COUNT.as_ptr().cast(), count);
    }
}

extern "C" fn ended(_: Id, _: *mut c_void) {
    eprintln!("instructions {}", COUNT.load(Ordering::Relaxed));
}
