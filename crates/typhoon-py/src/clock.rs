//! The worker's clock: the processor's time-stamp counter (a read costs a third of a system clock's), or the system's
//! where there is none to rely on, or a test's.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use typhoon_core::engine::Clock;

#[derive(Clone)]
pub enum WorkerClock {
    Real,
    /// Nanoseconds that somebody else moves on.
    Fake(Arc<AtomicU64>),
}

impl Clock for WorkerClock {
    #[inline(always)]
    fn now(&self) -> u64 {
        match self {
            WorkerClock::Real => now(),
            WorkerClock::Fake(time) => time.load(Ordering::Acquire),
        }
    }
}

/// How counter ticks become nanoseconds: `(ticks - origin) * scale >> 32`.
struct Counter {
    origin: u64,
    scale: u64,
}

static COUNTER: OnceLock<Option<Counter>> = OnceLock::new();

/// Measure the counter against the system's clock, once per process (half a millisecond).
pub fn calibrate() {
    COUNTER.get_or_init(counter);
}

#[inline(always)]
fn now() -> u64 {
    match COUNTER.get() {
        Some(Some(counter)) => {
            let ticks = ticks().wrapping_sub(counter.origin);
            ((u128::from(ticks) * u128::from(counter.scale)) >> 32) as u64
        }
        _ => system(),
    }
}

fn system() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a valid place to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has it.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
fn ticks() -> u64 {
    system()
}

#[cfg(target_arch = "x86_64")]
fn counter() -> Option<Counter> {
    use std::arch::x86_64::__cpuid;
    const INVARIANT: u32 = 1 << 8;
    let extended = __cpuid(0x8000_0000).eax >= 0x8000_0007;
    if !extended || __cpuid(0x8000_0007).edx & INVARIANT == 0 {
        return None;
    }
    let (begin, origin) = (system(), ticks());
    let (mut end, mut last) = (begin, origin);
    while end - begin < 500_000 {
        (end, last) = (system(), ticks());
    }
    let scale = u128::from(end - begin) << 32;
    Some(Counter {
        origin,
        scale: (scale / u128::from(last - origin).max(1)) as u64,
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn counter() -> Option<Counter> {
    None
}
