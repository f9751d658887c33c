//! Any bytes as a document of the inbox: a job, or every reason why it is none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantry::testing::intake::JobDocument;

fuzz_target!(|bytes: &[u8]| {
    let _ = JobDocument::parse(bytes, "tenantry");
});
