//! Any bytes as a file that `apply` reads: a plan, or why it is none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantry::testing::plan::PlanFile;
use tenantry_foundation::input::SpooledInput;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(spooled) = SpooledInput::of("plan", bytes, 1 << 20)
        && let Ok(mut plan) = PlanFile::of_spooled(spooled)
    {
        let _ = plan.read_whole();
    }
});
